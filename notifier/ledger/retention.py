"""Retention: an alert whose deliveries have all ended is finished, and later compacted to its
tallies.
"""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import delete, exists, or_, select, update
from sqlalchemy.orm import Session

from models import Alert, Delivery, Fanout
from models.alerts.alerts import clear_notice_values
from models.db.clock import now
from models.db.database import Database, rows_changed
from models.db.tallies import condense_tallies, fully_settled
from models.db.write_throttle import WriteThrottle

SLICE = 500
"""Rows deleted in one transaction: some 5 ms of SQLite's write lock."""
SLICES = 20
"""Slices of one pass: the caller has other things to do, and calls again."""
ALERTS = 200
"""Alerts looked at in one transaction; after an upgrade a site may have a hundred thousand to
finish."""


def finish_ended(db: Database) -> None:
    """Mark alerts that are fully settled as finished. Writes only where there are any."""
    throttle = WriteThrottle(db)
    after = 0
    for _ in range(SLICES):
        with db.read() as tx:
            part = _expanded(tx, after)
            settled = fully_settled(tx, part)
        if settled:
            with throttle.writing(), db.begin() as tx:
                ended = fully_settled(
                    tx, [alert_id for alert_id in _expanded(tx, after) if alert_id in settled]
                )
                tx.execute(update(Alert).where(Alert.id.in_(ended)).values(finished_at=now(tx)))
        if len(part) < ALERTS:
            return
        after = part[-1]


def fold_old(db: Database, keep: timedelta) -> int:
    """Compact alerts that were finished ``keep`` ago: delete their deliveries, some at a time;
    returns how many.

    An alert is marked before its first row goes: from then on it never expands, and is never
    retried.
    """
    with db.read() as tx:
        old = tx.scalars(
            select(Alert.id)
            .where(Alert.compacted_at.is_(None), Alert.finished_at < now(tx) - keep)
            .limit(ALERTS)
        ).all()
    throttle = WriteThrottle(db)
    total = 0
    for alert_id in old:
        with throttle.writing(), db.begin() as tx:
            _fold(tx, alert_id)
    for _ in range(SLICES):
        with db.read() as tx:
            compacted_id = tx.scalar(
                select(Alert.id)
                .where(
                    Alert.compacted_at.is_not(None), exists().where(Delivery.alert_id == Alert.id)
                )
                .limit(1)
            )
        if compacted_id is None:
            break
        with throttle.writing(), db.begin() as tx:
            some = select(Delivery.id).where(Delivery.alert_id == compacted_id).limit(SLICE)
            total += rows_changed(
                tx,
                delete(Delivery)
                .where(Delivery.id.in_(some))
                .execution_options(synchronize_session=False),
            )
    return total


def _expanded(tx: Session, after: int) -> Sequence[int]:
    """The next alerts that are not finished and whose fan-out has ended."""
    undone = exists().where(Fanout.alert_id == Alert.id, Fanout.done_at.is_(None))
    query = select(Alert.id).where(
        Alert.id > after, Alert.finished_at.is_(None), or_(~undone, Alert.stopped_at.is_not(None))
    )
    return tx.scalars(query.order_by(Alert.id).limit(ALERTS)).all()


def _fold(tx: Session, alert_id: int) -> None:
    locked = tx.scalar(select(Alert).where(Alert.id == alert_id).with_for_update())
    if locked is None or not fully_settled(tx, [alert_id]):  # it is owed to somebody again
        return
    locked.compacted_at = now(tx)
    clear_notice_values(locked)
    tx.execute(
        update(Fanout)
        .where(Fanout.alert_id == alert_id, Fanout.done_at.is_(None))
        .values(done_at=now(tx))
    )
    condense_tallies(tx, alert_id)
