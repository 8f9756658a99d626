"""Tallies: how many deliveries of an alert came to each state, added where it happens, so that
nobody counts the rows.
"""

import os
import platform
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from models.db.database import driver_text
from models.tables.ledger import DeliveryState, Lane, Tally

Change = tuple[int, Lane, DeliveryState]
"""Alert, lane, and the state that its deliveries came to; QUEUED stands for all that were owed."""


def worker_name(pid: int) -> str:
    """The name of a process of this machine, of 64 characters at most."""
    return f"{platform.node()}:{pid}"[-64:]


WORKER_NAME = worker_name(os.getpid())
"""Each process adds to rows of its own, so none waits for another's commit."""


ADD_TALLY_SQL = """
    INSERT INTO tally (alert_id, worker, lane, state, number) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (alert_id, worker, lane, state) DO UPDATE SET number = tally.number + excluded.number
"""


def add_to_tallies(tx: Session, changes: Mapping[Change, int]) -> None:
    """Add ``changes`` in the transaction that makes them, as its last statement, so that no two
    wait for each other.

    A number below zero takes back: an unknown delivery that is owed again.
    """
    if rows := tally_rows(changes):
        tx.connection().exec_driver_sql(driver_text(tx.connection(), ADD_TALLY_SQL), rows)
    for (alert_id, lane, state), number in sorted(changes.items(), key=lambda change: change[0][0]):
        if number < 0:
            mine = (
                Tally.alert_id == alert_id,
                Tally.worker == WORKER_NAME,
                Tally.lane == lane,
                Tally.state == state,
            )
            tx.execute(update(Tally).where(*mine).values(taken_back=Tally.taken_back - number))


def tally_rows(changes: Mapping[Change, int]) -> list[tuple[Any, ...]]:
    """The values of `ADD_TALLY_SQL`, in the one order in which everybody takes these rows."""
    return sorted(
        (alert_id, WORKER_NAME, lane.value, state.value, number)
        for (alert_id, lane, state), number in changes.items()
        if number
    )


def tally_totals(tx: Session, alert_ids: Iterable[int]) -> dict[int, dict[DeliveryState, int]]:
    """The sums of all workers and lanes; an alert without any is left out."""
    query = select(Tally.alert_id, Tally.state, func.sum(Tally.number)).where(
        Tally.alert_id.in_(list(alert_ids))
    )
    found: dict[int, dict[DeliveryState, int]] = {}
    for alert_id, state, number in tx.execute(query.group_by(Tally.alert_id, Tally.state)):
        found.setdefault(alert_id, {})[state] = int(number)
    return found


def condense_tallies(tx: Session, alert_id: int) -> None:
    """One row for each lane and state, whoever counted: for an alert to which nothing is added any
    more.
    """
    sums = tx.execute(
        select(Tally.lane, Tally.state, func.sum(Tally.number), func.sum(Tally.taken_back))
        .where(Tally.alert_id == alert_id)
        .group_by(Tally.lane, Tally.state)
    ).all()
    tx.execute(delete(Tally).where(Tally.alert_id == alert_id))
    tx.add_all(
        Tally(
            alert_id=alert_id,
            worker="",
            lane=lane,
            state=state,
            number=int(number),
            taken_back=int(taken_back),
        )
        for lane, state, number, taken_back in sums
    )
