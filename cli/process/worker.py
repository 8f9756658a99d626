"""`storywire worker`: the process that sends alerts."""

import threading
from contextlib import nullcontext, suppress

import click

from cli.command_context import open_context
from cli.process.parent_watch import GRACE_SECONDS, on_stop
from cli.process.worker_lock import worker_lock
from config.keys import make_data_dir
from config.logging import set_up_logging
from config.settings import BadSettings
from models import Lane
from models.db.approval_rules import ApprovalRules
from models.db.database import open_database
from notifier.worker.engine import run_worker


@click.command()
@click.option(
    "--lane",
    "lanes",
    multiple=True,
    type=click.Choice([lane.value for lane in Lane]),
    help=(
        "Only this lane: urgent (chat, push, notices) or bulk (e-mail). Repeatable. Default: all."
    ),
)
def worker(lanes: tuple[str, ...]) -> None:
    """Run a worker, which sends alerts.

    Stops on Ctrl+C or SIGTERM, after messages in flight are finished. `storywire serve` already
    includes one worker. With SQLite there can be only one; with PostgreSQL any number, on any node.
    """
    context = open_context()
    settings = context.settings
    set_up_logging(settings, "worker")
    context.db.engine.dispose()  # opened only to refuse one that needs an upgrade
    keys = context.keys
    stop = threading.Event()
    on_stop(stop.set)
    # A node on PostgreSQL can do without, but may not notice then that its database was restored.
    with suppress(BadSettings):
        make_data_dir(settings)
    with (
        worker_lock(settings.data_dir, wait=GRACE_SECONDS + 1)
        if settings.embedded
        else nullcontext()
    ):
        # A power loss may repeat the last messages but never lose one, so the worker need not wait
        # for the disk at each commit.
        db = open_database(
            settings.resolved_database_url,
            synchronous="NORMAL",
            approval_rules=ApprovalRules.of(settings),
            mark_path=settings.data_dir / "send-mark",
            connections=settings.database_connections,
            process="worker",
        )
        run_worker(settings, keys, db, stop, frozenset(map(Lane, lanes)) or frozenset(Lane))
        db.engine.dispose()
