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
        "Work on this lane only: urgent (chat, push, notices) or bulk (mail). May be given again;"
        " default: all."
    ),
)
def worker(lanes: tuple[str, ...]) -> None:
    """Send alerts until Ctrl+C or SIGTERM, then settle what is in flight and end.

    `storywire serve` starts one by itself. On SQLite there can be only one; on PostgreSQL any
    number, on any node.
    """
    context = open_context()
    settings = context.settings
    set_up_logging(settings, "worker")
    context.db.engine.dispose()  # opened to refuse a database that waits for its migrations
    keys = context.keys
    stop = threading.Event()
    on_stop(stop.set)
    # a node on PostgreSQL can do without, but a restored database may go unnoticed then
    with suppress(BadSettings):
        make_data_dir(settings)
    with (
        worker_lock(settings.data_dir, wait=GRACE_SECONDS + 1)
        if settings.embedded
        else nullcontext()
    ):
        # A power loss may repeat the last messages, never lose one, so the worker need not wait for
        # the disk at each commit.
        db = open_database(
            settings.resolved_database_url,
            synchronous="NORMAL",
            gates=ApprovalRules.of(settings),
            mark_path=settings.data_dir / "send-mark",
            connections=settings.database_connections,
            process="worker",
        )
        run_worker(settings, keys, db, stop, frozenset(map(Lane, lanes)) or frozenset(Lane))
        db.engine.dispose()
