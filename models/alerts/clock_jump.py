"""Repairs after a jump of the clock: due times, leases and rests that are hours ahead, or a silence
that was none.

Order is decided by the site's counter. But due times are compared with the clock, so after a jump
backwards everything would wait until the clock has caught up.
"""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Interval, and_, func, literal, select, type_coerce, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from models.alerts.send_hold import HEARTBEAT
from models.db.clock import now
from models.db.database import Database
from models.db.dialects import dialect_of
from models.recipients.digest_times import next_slot, repeated_name, slot_name
from models.tables.base import UtcDateTime
from models.tables.ledger import (
    Alert,
    AlertKind,
    Delivery,
    DeliveryState,
    Pause,
    Recipient,
    Subscription,
)
from models.tables.people import Throttle
from models.tables.stories import Entry, EntryState, Revision, RevisionState, Site

log = logging.getLogger(__name__)

TOLERANCE = timedelta(seconds=30)
"""A jump that is no longer is waited out."""


def mend_backward_jump(db: Database) -> timedelta | None:
    """Bring nearer what a clock that was put back has moved away; by how much, or None where it was
    not put back.

    The last heartbeat of any worker tells: it lies in the future then. Any number of nodes may call
    it at once; one mends.
    """
    with db.read() as tx:
        if _ahead(tx, tx.scalar(select(Site.heartbeat_at))) is None:
            return None
    with db.begin() as tx:
        site = tx.scalars(select(Site).with_for_update()).one()
        back = _ahead(tx, site.heartbeat_at)
        if back is None:
            return None
        back += HEARTBEAT  # which is how old the heartbeat may have been
        for column, which in _shifted(now(tx)):
            _shift(tx, column, which, back)
        _mend_digests(tx)
        site.heartbeat_at = now(tx)
    log.warning(
        "the clock was put back by about %s; what waits was brought nearer by as much", back
    )
    return back


def mend_forward_jump(db: Database, lease: timedelta) -> None:
    """Give every claim a whole ``lease`` from now on, and the site a heartbeat: to be called where
    the clock jumped ahead.

    Otherwise claims that are worked on would be given to others, and a silence be seen that was
    none.
    """
    with db.begin() as tx:
        site = tx.scalars(select(Site).with_for_update()).one()
        if site.heartbeat_at is not None and site.heartbeat_at < now(tx):
            site.heartbeat_at = now(tx)
        claimed = update(Delivery).where(
            Delivery.state == DeliveryState.CLAIMED, Delivery.lease_until < now(tx) + lease
        )
        tx.execute(
            claimed.values(lease_until=now(tx) + lease).execution_options(synchronize_session=False)
        )


def _ahead(tx: Session, beat: datetime | None) -> timedelta | None:
    ahead = beat - now(tx) if beat is not None else timedelta(0)
    return ahead if ahead > TOLERANCE else None


def _mend_digests(tx: Session) -> None:
    """Bring digests back into their rhythm, and let them be made for moments that come a second
    time.

    A digest that is due within two of its periods keeps its time: a daily one that has come today
    does not come again.
    """
    again = select(Alert).where(Alert.kind == AlertKind.DIGEST, Alert.slot > slot_name(now(tx)))
    for alert in tx.scalars(again):
        alert.slot = repeated_name(alert.slot or "", alert.id)
    rhythm = (
        Subscription.cadence,
        Subscription.every_minutes,
        Subscription.digest_time,
        Subscription.digest_day,
        Recipient.timezone,
    )
    waits = (Subscription.ended_at.is_(None), Subscription.next_digest_at > now(tx))
    query = select(*rhythm).join(Recipient, Recipient.id == Subscription.recipient_id).where(*waits)
    for row in tx.execute(query.distinct()).all():
        first = next_slot(*row, now(tx))
        second = next_slot(*row, first)
        same = [
            column.is_not_distinct_from(value)
            for column, value in zip(rhythm[:-1], row[:-1], strict=True)
        ]
        there = Subscription.recipient_id.in_(
            select(Recipient.id).where(Recipient.timezone == row.timezone)
        )
        far = update(Subscription).where(
            *same, there, Subscription.ended_at.is_(None), Subscription.next_digest_at > second
        )
        tx.execute(far.values(next_digest_at=first).execution_options(synchronize_session=False))


_Shift = tuple[InstrumentedAttribute[Any], ColumnElement[bool]]


def _shifted(moment: datetime) -> Sequence[_Shift]:
    """Times that were reckoned from the clock's former now. Those that a person chose are left as
    they are.
    """
    undo_time = Entry.publish_at.is_distinct_from(Entry.dated_at)
    return [
        (
            Delivery.due_at,
            and_(Delivery.state == DeliveryState.QUEUED, Delivery.due_at > moment),
        ),
        (
            Delivery.lease_until,
            and_(Delivery.state == DeliveryState.CLAIMED, Delivery.lease_until > moment),
        ),
        (Recipient.next_at, Recipient.next_at > moment),
        (Recipient.failing_since, Recipient.failing_since > moment),
        (Throttle.window_at, Throttle.window_at > moment),
        (Pause.until, Pause.until > moment),
        (
            Revision.apply_at,
            and_(Revision.state == RevisionState.PENDING, Revision.apply_at > moment),
        ),
        (
            Entry.publish_at,
            and_(Entry.state == EntryState.SCHEDULED, Entry.publish_at > moment, undo_time),
        ),
    ]


def _shift(
    tx: Session, column: InstrumentedAttribute[Any], which: ColumnElement[bool], back: timedelta
) -> None:
    earlier: ColumnElement[Any]
    if dialect_of(tx) == "sqlite":
        # Written as SQLAlchemy stores a moment, in microseconds, since it is compared as text.
        text = func.strftime("%Y-%m-%d %H:%M:%f", column, f"-{back.total_seconds():.3f} seconds")
        earlier = type_coerce(text.concat("000"), UtcDateTime())
    else:
        earlier = column - literal(back, Interval())
    values = {column.key: earlier}
    tx.execute(
        update(column.class_)
        .where(which)
        .values(values)
        .execution_options(synchronize_session=False)
    )
