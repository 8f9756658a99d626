"""Heartbeats of worker processes: which workers run, and which one stopped without saying so.

To ask whether any worker runs: ``any_worker_runs(tx)``.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from models.db.clock import now
from models.db.database import Database
from models.db.tallies import WORKER_NAME, worker_name
from models.tables.ledger import Lane, WorkerHeartbeat
from models.tables.stories import Site

HEARTBEAT_SECONDS = 30.0
SILENT_AFTER = timedelta(minutes=2)
"""Age of a heartbeat from which a worker counts as dead: four beats, as a database may be busy."""
FORGET_AFTER = timedelta(hours=1)
"""Age at which the row of a dead worker is deleted: a replaced node must not alarm for good."""


@dataclass(frozen=True, slots=True)
class Worker:
    """One worker process; ``age`` is the time since its last heartbeat."""

    name: str
    lanes: frozenset[Lane]
    age: timedelta

    @property
    def runs(self) -> bool:
        """Whether its last heartbeat is recent."""
        return self.age <= SILENT_AFTER


def record_heartbeat(db: Database, lanes: Iterable[Lane], *, starting: bool = False) -> None:
    """Note that this process works on ``lanes``; called at its start and every HEARTBEAT_SECONDS.

    ``starting``: also delete the rows of workers that this one replaces.  Those are processes of
    this machine that are gone and, on SQLite, every other one: the caller holds the lock of its
    only worker.
    """
    with db.begin() as tx:
        beat_at = now(tx)
        heartbeat = tx.get(WorkerHeartbeat, WORKER_NAME)
        if heartbeat is None:
            heartbeat = WorkerHeartbeat(worker=WORKER_NAME, started_at=beat_at)
        heartbeat.lanes = " ".join(sorted(lane.value for lane in lanes))
        heartbeat.beat_at = beat_at
        tx.add(heartbeat)
        if starting:
            _forget_replaced(tx, embedded=db.embedded)
        too_old = WorkerHeartbeat.beat_at < beat_at - FORGET_AFTER
        tx.execute(delete(WorkerHeartbeat).where(too_old))


def remove_heartbeat(db: Database) -> None:
    """Note that this process ends as it should."""
    with db.begin() as tx:
        tx.execute(delete(WorkerHeartbeat).where(WorkerHeartbeat.worker == WORKER_NAME))


def workers(tx: Session) -> list[Worker]:
    """Every worker that runs or died within FORGET_AFTER, by name."""
    query = select(WorkerHeartbeat).order_by(WorkerHeartbeat.worker)
    return [
        Worker(
            heartbeat.worker,
            frozenset(map(Lane, heartbeat.lanes.split())),
            max(now(tx) - heartbeat.beat_at, timedelta(0)),
        )
        for heartbeat in tx.scalars(query)
    ]


def any_worker_runs(tx: Session) -> bool:
    """Whether at least one worker of any node had a heartbeat within SILENT_AFTER.

    While nodes are upgraded one by one, workers of the version before write only the site's
    heartbeat, so that one counts where no worker has a row.
    """
    known = workers(tx)
    if known:
        return any(worker.runs for worker in known)
    beat_at = tx.scalar(select(Site.heartbeat_at))
    return beat_at is not None and now(tx) - beat_at <= SILENT_AFTER


def _forget_replaced(tx: Session, *, embedded: bool) -> None:
    others = select(WorkerHeartbeat.worker).where(WorkerHeartbeat.worker != WORKER_NAME)
    for name in tx.scalars(others).all():
        if embedded or _is_gone(name):
            tx.execute(delete(WorkerHeartbeat).where(WorkerHeartbeat.worker == name))


def _is_gone(worker: str) -> bool:
    """Whether ``worker`` was a process of this machine that has ended."""
    pid = int(worker.rpartition(":")[2])
    if worker != worker_name(pid):
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
