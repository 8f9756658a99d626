"""`storywire serve`: the web process and the worker under one supervisor."""

import logging
import socket
from collections.abc import Sequence
from importlib.metadata import version

import click
from sqlalchemy import make_url

from cli.command_context import CommandContext
from cli.init_command import prepare
from cli.process import web_server
from cli.process.first_start import refuse_accidental_site, refuse_lost_site
from cli.process.health_check import HealthCheck
from cli.process.listener import listen
from cli.process.parent_watch import GRACE_SECONDS
from cli.process.supervisor import ChildSpec, python_module, supervise
from cli.process.worker_lock import worker_lock
from config.logging import set_up_logging
from config.settings import Settings, load_settings

APPLICATION = "web.wsgi:app"


@click.command()
@click.option("--host", help="Address to listen on. Default: STORYWIRE_HOST.")
@click.option(
    "--port", type=click.IntRange(1, 65535), help="Port to listen on. Default: STORYWIRE_PORT."
)
@click.option(
    "--web-only",
    is_flag=True,
    help="Start no worker, because other nodes run `storywire worker`.",
)
def serve(host: str | None, port: int | None, web_only: bool) -> None:
    """Run the site: the web server and the worker.

    Stops on Ctrl+C or SIGTERM, after running requests and deliveries are finished. With SQLite, the
    database is upgraded first, after a copy is made; with PostgreSQL, run `storywire init` once for
    all nodes.
    """
    options = {"host": host, "port": port}
    settings = load_settings(
        **{name: value for name, value in options.items() if value is not None}
    )
    with listen(settings.host, settings.port) as listener:
        if settings.embedded and not web_only:
            refuse_lost_site(settings)
            refuse_accidental_site(settings)
            # An old worker must not run while its tables are upgraded; one whose supervisor died
            # ends within the wait.
            with worker_lock(settings.data_dir, wait=GRACE_SECONDS + 1):
                prepare(settings)[0].engine.dispose()
        else:
            CommandContext(settings).db.engine.dispose()
        click.echo(start_report(settings, web_only=web_only))
        raise SystemExit(start(settings, listener, web_only=web_only))


def start_report(settings: Settings, *, web_only: bool) -> str:
    """Report where the site runs, and which settings most sites need are not set."""
    url = make_url(settings.resolved_database_url).render_as_string(hide_password=True)
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    address = f"http://{host}:{settings.port}"
    if settings.base_url != address:
        address += f", for readers {settings.base_url}"
    worker = "on other nodes (`storywire worker`)" if web_only else "in this service"
    lines = {
        "Address": address,
        "Data": str(settings.data_dir.absolute()),
        "Database": url,
        "Worker": worker,
        "Not set": ", ".join(_not_set(settings)) or "nothing important",
    }
    report = "\n".join(f"  {name:<10}{value}" for name, value in lines.items())
    return f"Starting Storywire {version('storywire')}\n{report}"


def _not_set(settings: Settings) -> list[str]:
    missing = []
    if not settings.mail_url.get_secret_value():
        missing.append("STORYWIRE_MAIL_URL (no e-mail is sent)")
    if settings.mail_from == type(settings).model_fields["mail_from"].default:
        missing.append("STORYWIRE_MAIL_FROM (sender of e-mails)")
    if settings.only_here:
        missing.append("STORYWIRE_BASE_URL (links only work on this machine)")
    if not settings.metrics_token.get_secret_value():
        missing.append("STORYWIRE_METRICS_TOKEN (/metrics is only available on this machine)")
    return missing


def start(
    settings: Settings,
    listener: socket.socket,
    extra: Sequence[ChildSpec] = (),
    *,
    web_only: bool = False,
) -> int:
    """Supervise the site's processes and ``extra`` ones until asked to stop; return the exit code."""
    set_up_logging(settings, "serve")
    environment = settings.environment()
    children = [
        *extra,
        ChildSpec("web", python_module("cli.main", "web"), environment, listener, HealthCheck()),
    ]
    if not web_only:
        children.append(ChildSpec("worker", python_module("cli.main", "worker"), environment))
    return supervise(children, log=logging.getLogger("storywire"))


@click.command(hidden=True)
def web() -> None:
    """Run only the web process, for `serve`."""
    settings = load_settings()
    set_up_logging(settings, "web")
    web_server.run(settings, APPLICATION)
    web_server.end_process()
