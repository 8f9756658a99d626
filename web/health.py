"""`/healthz` and `/readyz`, for supervisors, load balancers and monitors."""

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
# On SQLite's disk: the write-ahead log needs some megabytes until its checkpoint.
MIN_FREE_BYTES = 16_000_000
# SQLite checks the file for so long, and no more often than this, whatever number of requests ask.
FILE_CHECK_SECONDS = 0.1
FILE_CHECK_INTERVAL_SECONDS = 10.0


@health.get("/healthz")
def alive() -> ResponseReturnValue:
    return "ok\n", 200, _HEADERS


@health.get("/readyz")
def ready() -> ResponseReturnValue:
    """200 if the database answers and is intact, its disk has room, and a worker runs."""
    problem = _problem(service().db)
    if problem:
        return f"{problem}\n", 503, _HEADERS
    return "ready\n", 200, _HEADERS


def _problem(db: Database) -> str:
    """The reason why the site is not ready; empty if it is. Public, so it contains no paths."""
    try:
        if db.file is not None:
            db.file.look_inside(seconds=FILE_CHECK_SECONDS, every=FILE_CHECK_INTERVAL_SECONDS)
        with db.read() as tx:
            current_seq(tx)
            worker_runs = any_worker_runs(tx)
    except DatabaseFileFault:
        return "The database file is missing, replaced or damaged."
    except SQLAlchemyError:
        return "The database does not answer, or has no tables yet."
    if _disk_is_full(db):
        return "The disk is full."
    return "" if worker_runs else "No worker runs, so no alerts are sent."


def _disk_is_full(db: Database) -> bool:
    if db.file is None:
        return False
    disk = os.statvfs(db.file.path.parent)
    return disk.f_bavail * disk.f_frsize < MIN_FREE_BYTES
