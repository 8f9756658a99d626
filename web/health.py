"""What a supervisor, a load balancer or a monitor asks."""

import os

from flask import Blueprint
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import SQLAlchemyError

from models.db.database import Database
from models.db.database_file import DatabaseFileFault
from models.db.heartbeats import any_worker_runs
from models.db.site import current_seq
from web.context import service

health = Blueprint("health", __name__)

_HEADERS = {"Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-store"}
LEAST_FREE_BYTES = 16_000_000
"""Of the disk that SQLite writes to: its log needs some megabytes while it is carried into the file."""
LOOK_SECONDS, LOOK_EVERY_SECONDS = 0.1, 10.0
"""For how long, and how often, SQLite looks inside the file, however often it is asked."""


@health.get("/healthz")
def alive() -> ResponseReturnValue:
    """This process answers."""
    return "ok\n", 200, _HEADERS


@health.get("/readyz")
def ready() -> ResponseReturnValue:
    """The site can do its work: its database answers and is whole, its disk has room, and a worker
    runs.
    """
    if problem := _problem(service().db):
        return f"{problem}\n", 503, _HEADERS
    return "ready\n", 200, _HEADERS


def _problem(db: Database) -> str:
    """What keeps the site from its work, as a sentence without paths: anybody may ask."""
    try:
        if db.file is not None:
            db.file.look_inside(seconds=LOOK_SECONDS, every=LOOK_EVERY_SECONDS)
        with db.read() as tx:
            current_seq(tx)
            runs = any_worker_runs(tx)
    except DatabaseFileFault:
        return "The database file is missing, replaced or damaged."
    except SQLAlchemyError:
        return "The database does not answer, or has no tables yet."
    if _disk_is_full(db):
        return "The disk is full."
    return "" if runs else "No worker runs, so no alerts are sent."


def _disk_is_full(db: Database) -> bool:
    if db.file is None:
        return False
    found = os.statvfs(db.file.path.parent)
    return found.f_bavail * found.f_frsize < LEAST_FREE_BYTES
