"""Fan-out: an alert becomes one delivery for each of its recipients, a slice of recipients at a
time.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    case,
    exists,
    func,
    literal,
    select,
    text,
    true,
    union_all,
    update,
)
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from models import (
    Alert,
    AlertKind,
    Delivery,
    DeliveryState,
    Fanout,
    Importance,
    Lane,
    Recipient,
    RevisionKind,
    SkipReason,
    Subscription,
    TallyKind,
)
from models.db.clock import now
from models.db.database import Database, rows_changed
from models.db.dialects import dialect_of, insert_into
from models.db.tallies import Change, add_to_tallies
from models.db.write_throttle import WriteThrottle
from models.recipients.audience import eligible_recipients
from models.tables.base import random_uid
from models.tables.ledger import MAY_EXPAND, MAY_HAVE_BEEN_TOLD
from notifier.ledger.alert_context import AlertContext, load_contexts
from notifier.ledger.digest_reach import recipients_reached_by_digest
from notifier.ledger.end_of_stream import owed_ending, replace_earlier
from notifier.ledger.lease import skipped
from notifier.ledger.quiet_hours import put_off

SLICE = 2_000
"""Recipients looked at in one transaction: some 2 ms of SQLite's write lock."""
ANALYZE_FROM = 5_000
"""Deliveries made after which PostgreSQL analyzes the table again: with old statistics claims take
four times as long."""

Walk = tuple[InstrumentedAttribute[int], ColumnElement[bool]]
"""A column of recipients' ids, and where it is to be walked."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Result of one transaction."""

    alert_id: int
    lane: Lane
    made: int
    done: bool  # the fanout is complete


@dataclass(frozen=True, slots=True)
class _Range:
    """Recipients with ids above ``after`` and, unless it is None, up to ``upto``."""

    after: int
    upto: int | None

    def holds(self, column: InstrumentedAttribute[int] | ColumnElement[int]) -> ColumnElement[bool]:
        return and_(column > self.after, column <= self.upto if self.upto is not None else true())


def expand_all(db: Database, *, go_on: Callable[[], bool], ring: Callable[[Lane], None]) -> int:
    """Expand slice after slice while ``go_on`` and while any fan-out is left; returns the number of
    deliveries.

    ``ring`` is called with each lane that has new rows.
    """
    made = 0
    throttle = WriteThrottle(db, half=True)
    while go_on():
        with throttle.writing():
            done = expand_slice(db)
        if done is None:
            break
        made += done.made
        if done.made:
            ring(done.lane)
    if made >= ANALYZE_FROM and not db.embedded:
        with db.begin() as tx:
            tx.execute(text("ANALYZE delivery"))
    return made


def expand_slice(db: Database) -> Slice | None:
    """Expand one slice of the most urgent fan-out, its cursor moved in the same transaction; None
    where none is left.

    Any number of workers may call it at once, and again after a crash: the ledger takes one row per
    alert and recipient.
    """
    with db.begin() as tx:
        fanout = _next(tx)
        if fanout is None:
            return None
        about = load_contexts(tx, [fanout.alert_id]).get(fanout.alert_id)
        made = 0
        upto = None
        if about is not None:
            upto = _upto(tx, _walks(tx, about, fanout.lane), fanout)
            made = _fill(tx, about, fanout.lane, _Range(fanout.cursor, upto))
        elif (alert := tx.get_one(Alert, fanout.alert_id)).kind is AlertKind.ENDING:
            upto = _upto(tx, _followers(alert.stream_id, fanout.lane), fanout)
            made = _fill_ending(tx, alert, fanout.lane, _Range(fanout.cursor, upto))
        fanout.cursor = upto if upto is not None else fanout.cursor
        fanout.done_at = None if upto is not None else now(tx)
        return Slice(fanout.alert_id, fanout.lane, made, upto is None)


def _next(tx: Session) -> Fanout | None:
    """Next fan-out, locked: chat before mail, since it is short, then by priority."""
    waiting = (
        select(Fanout)
        .join(Alert, Alert.id == Fanout.alert_id)
        .where(Fanout.done_at.is_(None), MAY_EXPAND)
    )
    urgent_first = case((Fanout.lane == Lane.FAST, 0), else_=1)
    ordered = waiting.order_by(urgent_first, Alert.priority, Fanout.id).limit(1)
    return tx.scalar(ordered.with_for_update(of=Fanout, skip_locked=True))


def _upto(tx: Session, walks: Iterable[Walk], fanout: Fanout) -> int | None:
    """Last recipient of this slice; None where the remaining ones fit into it."""
    ends = []
    for column, condition in walks:
        walk = (
            select(column)
            .where(condition, column > fanout.cursor)
            .order_by(column)
            .offset(SLICE - 1)
            .limit(1)
        )
        ends.append(tx.scalar(walk))
    return min((end for end in ends if end is not None), default=None)


def _walks(tx: Session, about: AlertContext, lane: Lane) -> Iterator[Walk]:
    """Indexes by recipient that hold the candidates: channels are few, followers of a stream may be
    many.
    """
    if about.kind is RevisionKind.RETRACTION:
        for alert_id in about.earlier:
            yield Delivery.recipient_id, Delivery.alert_id == alert_id
        if recipients_reached_by_digest(tx, about) is None:
            return
    yield from _followers(about.stream_id, lane)
    if lane is not Lane.FAST:
        yield Subscription.recipient_id, Subscription.stream_id.is_(None)


def _followers(stream_id: int | None, lane: Lane) -> Iterator[Walk]:
    if lane is Lane.FAST:
        yield Recipient.id, Recipient.lane == lane
    else:
        yield Subscription.recipient_id, Subscription.stream_id == stream_id


def _fill(tx: Session, about: AlertContext, lane: Lane, part: _Range) -> int:
    """Insert the deliveries of a slice and settle those that they replace."""
    if about.kind is RevisionKind.RETRACTION:
        # First, so that concurrent claims have ended when recipients are looked up.
        changes = _replace(tx, about, lane, part, SkipReason.RETRACTED)
        made = enqueue_deliveries(tx, about.alert_id, about.priority, _told(tx, about, lane, part))
    else:
        recipients = eligible_recipients(
            about.topic(tx), confirmed_by=about.created_at, before_seq=about.public_seq
        ).where(Recipient.lane == lane, part.holds(Recipient.id))
        made = enqueue_deliveries(tx, about.alert_id, about.priority, recipients)
        changes = _replace(tx, about, lane, part, SkipReason.SUPERSEDED)
    if about.importance is not Importance.BREAKING:
        put_off(tx, and_(Delivery.alert_id == about.alert_id, part.holds(Delivery.recipient_id)))
    changes[about.alert_id, lane, TallyKind.OWED] += made
    add_to_tallies(tx, changes)
    return made


def _fill_ending(tx: Session, alert: Alert, lane: Lane, part: _Range) -> int:
    """Insert the deliveries of a slice of a stream's ending, and settle those that they replace."""
    changes = replace_earlier(tx, alert, lane, part.holds(Delivery.recipient_id))
    made = enqueue_deliveries(
        tx, alert.id, alert.priority, owed_ending(alert, lane).where(part.holds(Recipient.id))
    )
    put_off(tx, and_(Delivery.alert_id == alert.id, part.holds(Delivery.recipient_id)))
    changes[alert.id, lane, TallyKind.OWED] += made
    add_to_tallies(tx, changes)
    return made


def _replace(
    tx: Session, about: AlertContext, lane: Lane, part: _Range, reason: SkipReason
) -> Counter[Change]:
    """Skip queued deliveries of earlier revisions: all of them for a retraction, else those that
    the new one replaces.
    """
    if not about.earlier:
        return Counter()
    replaced = and_(
        Delivery.alert_id.in_(about.earlier),
        Delivery.lane == lane,
        Delivery.state == DeliveryState.QUEUED,
        part.holds(Delivery.recipient_id),
    )
    if reason is SkipReason.SUPERSEDED:
        newer = aliased(Delivery)
        replaced = and_(
            replaced,
            exists().where(
                newer.alert_id == about.alert_id, newer.recipient_id == Delivery.recipient_id
            ),
        )
    skip = (
        update(Delivery)
        .where(replaced)
        .values(skipped(reason, now(tx)))
        .returning(Delivery.alert_id)
    )
    alerts = tx.scalars(skip.execution_options(synchronize_session=False))
    return Counter((alert_id, lane, TallyKind.SKIPPED) for alert_id in alerts)


def _told(tx: Session, about: AlertContext, lane: Lane, part: _Range) -> Select[*tuple[Any, ...]]:
    """Recipients that have, or may have, got the retracted entry, by an alert or in a digest."""
    here = (
        Delivery.alert_id.in_(about.earlier),
        MAY_HAVE_BEEN_TOLD,
        Delivery.lane == lane,
        part.holds(Delivery.recipient_id),
    )
    query: Any = select(Delivery.recipient_id, Delivery.lane, Delivery.subscription_id).where(*here)
    if (by_digest := recipients_reached_by_digest(tx, about)) is not None:
        reached = by_digest.subquery()
        also = select(reached.c.recipient_id, reached.c.lane, reached.c.subscription_id).where(
            reached.c.lane == lane, part.holds(reached.c.recipient_id)
        )
        query = union_all(query, also)
    all_ = query.subquery()
    last = func.max(all_.c.subscription_id).label("subscription_id")
    return select(all_.c.recipient_id, all_.c.lane, last).group_by(all_.c.recipient_id, all_.c.lane)


def enqueue_deliveries(
    tx: Session, alert_id: int, priority: int, recipients: Select[*tuple[Any, ...]]
) -> int:
    """Queue an alert for each of ``recipients`` that has no delivery of it yet; returns how many
    deliveries that made.

    ``recipients`` selects recipient_id, lane and subscription_id, one row each.
    """
    table = Delivery.__table__
    chosen = recipients.subquery()
    values = {
        "uid": random_uid(),
        "alert_id": literal(alert_id, table.c.alert_id.type),
        "recipient_id": chosen.c.recipient_id,
        "subscription_id": chosen.c.subscription_id,
        "lane": chosen.c.lane,
        "priority": literal(priority, table.c.priority.type),
        "state": literal(DeliveryState.QUEUED, table.c.state.type),
        "attempts": literal(0, table.c.attempts.type),
        "created_at": literal(now(tx), table.c.created_at.type),
        "due_at": literal(now(tx), table.c.due_at.type),
    }
    # Without a WHERE, SQLite would read ON CONFLICT as the condition of a join.
    rows = select(*values.values()).where(true()).order_by(chosen.c.recipient_id)
    insert = (
        insert_into(dialect_of(tx), table).from_select(list(values), rows).on_conflict_do_nothing()
    )
    return rows_changed(tx, insert.execution_options(preserve_rowcount=True))
