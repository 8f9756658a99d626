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
@click.option("--host", help="Address to listen on, instead of STORYWIRE_HOST.")
@click.option(
    "--port", type=click.IntRange(1, 65535), help="Port to listen on, instead of STORYWIRE_PORT."
)
@click.option(
    "--web-only",
    is_flag=True,
    help="Start no worker, on a node beside others that run `storywire worker`.",
)
def serve(host: str | None, port: int | None, web_only: bool) -> None:
    """Run the site until Ctrl+C or SIGTERM: the web server and the worker that sends alerts.

    Both drain before they end, and end when this process dies. On SQLite the database is copied and
    brought up to date first; on PostgreSQL run `storywire init` for that, once for all nodes.
    """
    settings = load_settings(
        **{name: value for name, value in (("host", host), ("port", port)) if value is not None}
    )
    with listen(settings.host, settings.port) as listener:
        if settings.embedded and not web_only:
            refuse_lost_site(settings)
            refuse_accidental_site(settings)
            # An old worker must not work on tables that change under it; one that has lost its
            # supervisor ends within the wait.
            with worker_lock(settings.data_dir, wait=GRACE_SECONDS + 1):
                prepare(settings)[0].engine.dispose()
        else:
            CommandContext(settings).db.engine.dispose()
        click.echo(start_report(settings, web_only=web_only))
        raise SystemExit(start(settings, listener, web_only=web_only))


def start_report(settings: Settings, *, web_only: bool) -> str:
    """What runs where, and what is not set that most sites need."""
    url = make_url(settings.resolved_database_url).render_as_string(hide_password=True)
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    address = f"http://{host}:{settings.port}"
    if settings.base_url != address:
        address += f", for readers {settings.base_url}"
    worker = "on other nodes, by `storywire worker`" if web_only else "in this service"
    lines = {
        "Address": address,
        "Data": str(settings.data_dir.absolute()),
        "Database": url,
        "Worker": worker,
        "Not set": ", ".join(_not_set(settings)) or "nothing that most sites need",
    }
    report = "\n".join(f"  {name:<10}{value}" for name, value in lines.items())
    return f"Storywire {version('storywire')} starts\n{report}"


def _not_set(settings: Settings) -> list[str]:
    missing = []
    if not settings.mail_url.get_secret_value():
        missing.append("STORYWIRE_MAIL_URL (no mail is sent)")
    if settings.mail_from == type(settings).model_fields["mail_from"].default:
        missing.append("STORYWIRE_MAIL_FROM (the sender of mails)")
    if settings.only_here:
        missing.append("STORYWIRE_BASE_URL (links lead to this machine)")
    if not settings.metrics_token.get_secret_value():
        missing.append("STORYWIRE_METRICS_TOKEN (/metrics answers this machine alone)")
    return missing


def start(
    settings: Settings,
    listener: socket.socket,
    extra: Sequence[ChildSpec] = (),
    *,
    web_only: bool = False,
) -> int:
    """Supervise the site's processes and ``extra`` ones until they are asked to stop; returns the
    exit code.
    """
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
    """The web process alone, as `serve` starts it."""
    settings = load_settings()
    set_up_logging(settings, "web")
    web_server.run(settings, APPLICATION)
    web_server.end_process()
