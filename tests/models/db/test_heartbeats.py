"""Each worker process has a heartbeat of its own, so that a dead one among several is seen."""

import os
import platform
import subprocess
import sys
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from models import Lane, Site, WorkerHeartbeat
from models.db.database import Database
from models.db.heartbeats import (
    FORGET_AFTER,
    SILENT_AFTER,
    any_worker_runs,
    record_heartbeat,
    remove_heartbeat,
    workers,
)
from models.db.tallies import WORKER_NAME
from tests.support.clock import StandingClock
from tests.support.newsroom import Newsroom

ELSEWHERE = "another.example:77"


def add_worker(db: Database, clock: StandingClock, name: str, *, age: timedelta) -> None:
    with db.begin() as tx:
        beat_at = clock.now - age
        tx.add(WorkerHeartbeat(worker=name, lanes="bulk", started_at=beat_at, beat_at=beat_at))


def names(db: Database) -> set[str]:
    with db.read() as tx:
        return {worker.name for worker in workers(tx)}


def ended_process() -> int:
    """The id of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.parametrize(
    ("age", "runs"),
    [(timedelta(0), True), (SILENT_AFTER, True), (SILENT_AFTER + timedelta(seconds=1), False)],
)
def test_a_worker_that_died_is_seen_beside_one_that_runs(
    newsroom: Newsroom, clock: StandingClock, age: timedelta, runs: bool
) -> None:
    record_heartbeat(newsroom.db, Lane)
    add_worker(newsroom.db, clock, ELSEWHERE, age=age)
    with newsroom.db.read() as tx:
        found = {worker.name: worker for worker in workers(tx)}
        assert any_worker_runs(tx)
    assert (found[WORKER_NAME].runs, found[WORKER_NAME].lanes) == (True, frozenset(Lane))
    assert (found[ELSEWHERE].runs, found[ELSEWHERE].age) == (runs, age)


def test_no_worker_runs_when_each_ended_or_is_silent(
    newsroom: Newsroom, clock: StandingClock
) -> None:
    with newsroom.db.read() as tx:
        assert not any_worker_runs(tx)
    record_heartbeat(newsroom.db, Lane)
    clock.forward(seconds=SILENT_AFTER.total_seconds() + 1)
    with newsroom.db.read() as tx:
        assert not any_worker_runs(tx)
    record_heartbeat(newsroom.db, Lane)
    remove_heartbeat(newsroom.db)
    with newsroom.db.read() as tx:
        assert workers(tx) == []
        assert not any_worker_runs(tx)


def test_a_worker_of_the_version_before_counts_while_nodes_are_upgraded(
    newsroom: Newsroom, clock: StandingClock
) -> None:
    with newsroom.db.begin() as tx:
        tx.execute(update(Site).values(heartbeat_at=clock.now - SILENT_AFTER))
    with newsroom.db.read() as tx:
        assert any_worker_runs(tx)
    clock.forward(seconds=1)
    with newsroom.db.read() as tx:
        assert not any_worker_runs(tx)


def test_a_dead_worker_is_forgotten_after_an_hour(newsroom: Newsroom, clock: StandingClock) -> None:
    add_worker(newsroom.db, clock, ELSEWHERE, age=FORGET_AFTER)
    record_heartbeat(newsroom.db, Lane)
    assert names(newsroom.db) == {WORKER_NAME, ELSEWHERE}
    clock.forward(seconds=1)
    record_heartbeat(newsroom.db, Lane)
    assert names(newsroom.db) == {WORKER_NAME}


def test_a_worker_that_starts_replaces_processes_of_its_machine_that_are_gone(
    newsroom: Newsroom, clock: StandingClock
) -> None:
    here = platform.node()
    gone, runs = f"{here}:{ended_process()}", f"{here}:{os.getppid()}"
    alike = gone[1:]  # of a machine whose name is the end of this one's
    for name in (gone, runs, alike, ELSEWHERE):
        add_worker(newsroom.db, clock, name, age=timedelta(0))
    record_heartbeat(newsroom.db, Lane)
    assert gone in names(newsroom.db), "only a start looks"
    record_heartbeat(newsroom.db, Lane, starting=True)
    expected = {WORKER_NAME} if newsroom.db.embedded else {WORKER_NAME, runs, alike, ELSEWHERE}
    assert names(newsroom.db) == expected


def test_a_heartbeat_keeps_its_start(newsroom: Newsroom, clock: StandingClock) -> None:
    started = clock.now
    record_heartbeat(newsroom.db, [Lane.BULK])
    clock.forward(seconds=30)
    record_heartbeat(newsroom.db, [Lane.BULK])
    with newsroom.db.read() as tx:
        found = tx.scalars(select(WorkerHeartbeat)).one()
    assert (found.started_at, found.beat_at, found.lanes) == (started, clock.now, "bulk")
