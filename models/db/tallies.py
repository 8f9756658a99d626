"""Tallies of deliveries by alert and kind, updated by each change, so that no rows are counted."""

import os
import platform
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from models.db.database import driver_text
from models.tables.ledger import Lane, Tally, TallyKind

Change = tuple[int, Lane, TallyKind]
"""Id of an alert, lane, and what changed."""


def worker_name(pid: int) -> str:
    """The name of a process of this machine, of 64 characters at most."""
    return f"{platform.node()}:{pid}"[-64:]


WORKER_NAME = worker_name(os.getpid())
"""Each process adds to its own rows, so none waits for another's commit."""
ENDS = (TallyKind.SENT, TallyKind.FAILED, TallyKind.UNKNOWN, TallyKind.SKIPPED)

ADD_TALLY_SQL = """
    INSERT INTO tally (alert_id, worker, lane, state, number) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (alert_id, worker, lane, state)
    DO UPDATE SET number = tally.number + excluded.number
"""


def add_to_tallies(tx: Session, changes: Mapping[Change, int]) -> None:
    """Add ``changes`` in the transaction that makes them, as its last statement, so that no two
    wait for each other.

    A number below zero takes back, such as an unknown delivery that is queued again.
    """
    if rows := tally_rows(changes):
        tx.connection().exec_driver_sql(driver_text(tx.connection(), ADD_TALLY_SQL), rows)
    for (alert_id, lane, kind), number in sorted(changes.items(), key=lambda change: change[0][0]):
        if number < 0:
            mine = (
                Tally.alert_id == alert_id,
                Tally.worker == WORKER_NAME,
                Tally.lane == lane,
                Tally.kind == kind,
            )
            tx.execute(update(Tally).where(*mine).values(taken_back=Tally.taken_back - number))


def tally_rows(changes: Mapping[Change, int]) -> list[tuple[Any, ...]]:
    """Values of `ADD_TALLY_SQL`, in the same order in all processes, to avoid deadlocks."""
    return sorted(
        (alert_id, WORKER_NAME, lane.value, kind.value, number)
        for (alert_id, lane, kind), number in changes.items()
        if number
    )


def tally_totals(tx: Session, alert_ids: Iterable[int]) -> dict[int, dict[TallyKind, int]]:
    """Sums of all workers and lanes by alert; an alert without any tally is left out."""
    query = select(Tally.alert_id, Tally.kind, func.sum(Tally.number)).where(
        Tally.alert_id.in_(list(alert_ids))
    )
    sums_by_alert: dict[int, dict[TallyKind, int]] = {}
    for alert_id, kind, number in tx.execute(query.group_by(Tally.alert_id, Tally.kind)):
        sums_by_alert.setdefault(alert_id, {})[kind] = int(number)
    return sums_by_alert


def pending_deliveries(sums: Mapping[TallyKind, int]) -> int:
    """The number of deliveries that are not settled."""
    return sums.get(TallyKind.OWED, 0) - sum(sums.get(kind, 0) for kind in ENDS)


def fully_settled(tx: Session, alert_ids: Iterable[int]) -> set[int]:
    """The alerts, of ``alert_ids``, of which every delivery is settled."""
    ids = set(alert_ids)
    sums_by_alert = tally_totals(tx, ids)
    return {
        alert_id for alert_id in ids if pending_deliveries(sums_by_alert.get(alert_id, {})) == 0
    }


def condense_tallies(tx: Session, alert_id: int) -> None:
    """Merge the tallies of all workers, for an alert that has come to its end."""
    sums = tx.execute(
        select(Tally.lane, Tally.kind, func.sum(Tally.number), func.sum(Tally.taken_back))
        .where(Tally.alert_id == alert_id)
        .group_by(Tally.lane, Tally.kind)
    ).all()
    tx.execute(delete(Tally).where(Tally.alert_id == alert_id))
    tx.add_all(
        Tally(
            alert_id=alert_id,
            worker="",
            lane=lane,
            kind=kind,
            number=int(number),
            taken_back=int(taken_back),
        )
        for lane, kind, number, taken_back in sums
    )
