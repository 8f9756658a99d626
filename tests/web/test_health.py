"""`/readyz` answers 503 with a sentence where the site cannot do its work."""

import os
from collections.abc import Callable
from datetime import timedelta
from importlib import import_module
from types import SimpleNamespace

import pytest
from flask import Flask
from sqlalchemy import update

from models import Lane, Site, WorkerHeartbeat
from models.db.clock import now
from models.db.database import Database
from models.db.heartbeats import SILENT_AFTER, record_heartbeat
from tests.support.newsroom import Newsroom
from tests.support.web_person import Person

health = import_module("web.health")  # the package's attribute of that name is the blueprint


@pytest.fixture
def db(sqlite_db: Database) -> Database:
    """A file of its own, since these tests damage it."""
    return sqlite_db


@pytest.fixture
def ready(newsroom: Newsroom, reader: Person, monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    """What `/readyz` says, of a site whose worker runs; empty where all is well."""
    monkeypatch.setattr(health, "FILE_CHECK_INTERVAL_SECONDS", 0.0)
    record_heartbeat(newsroom.db, Lane)

    def ask() -> str:
        answer = reader.get("/readyz")
        assert answer.headers["Cache-Control"] == "no-store"
        assert reader.get("/healthz").status_code == 200, "the process answers, whatever is wrong"
        return "" if answer.status_code == 200 else f"{answer.status_code} {answer.text.strip()}"

    assert ask() == ""
    return ask


def test_a_worker_that_stopped_is_not_ready(ready: Callable[[], str], newsroom: Newsroom) -> None:
    with newsroom.db.begin() as tx:
        tx.execute(
            update(WorkerHeartbeat).values(beat_at=now(tx) - SILENT_AFTER - timedelta(seconds=1))
        )
    assert ready() == "503 No worker runs, so no alerts are sent."
    record_heartbeat(newsroom.db, Lane)
    assert ready() == ""


def test_before_a_worker_ran_it_is_not_ready(ready: Callable[[], str], newsroom: Newsroom) -> None:
    with newsroom.db.begin() as tx:
        tx.execute(update(Site).values(heartbeat_at=None))
        tx.query(WorkerHeartbeat).delete()
    assert ready() == "503 No worker runs, so no alerts are sent."


@pytest.mark.parametrize("free", [0, health.MIN_FREE_BYTES - 1, health.MIN_FREE_BYTES])
def test_a_full_disk_is_not_ready(
    ready: Callable[[], str], monkeypatch: pytest.MonkeyPatch, free: int
) -> None:
    monkeypatch.setattr(os, "statvfs", lambda path: SimpleNamespace(f_bavail=free, f_frsize=1))
    assert ready() == ("503 The disk is full." if free < health.MIN_FREE_BYTES else "")


def delete(db: Database) -> None:
    db.file.path.unlink()  # type: ignore[union-attr]


def empty(db: Database) -> None:
    os.truncate(db.file.path, 0)  # type: ignore[union-attr]


def damage(db: Database) -> None:
    with db.engine.connect() as connection:
        connection.commit()
        connection.connection.driver_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # type: ignore[union-attr]
    size = db.file.path.stat().st_size  # type: ignore[union-attr]
    with db.file.path.open("r+b") as file:  # type: ignore[union-attr]
        file.seek(8192)
        file.write(b"\xa5" * (size - 8192))


@pytest.mark.parametrize("lose", [delete, empty, damage])
def test_a_file_that_is_lost_or_damaged_is_not_ready_and_takes_no_post(
    ready: Callable[[], str],
    app: Flask,
    newsroom: Newsroom,
    reader: Person,
    lose: Callable[[Database], None],
) -> None:
    lose(app.extensions["storywire"].db)
    assert ready() == "503 The database file is missing, replaced or damaged."
    answer = reader.get("/search?q=river")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"
