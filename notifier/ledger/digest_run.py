"""Making digests: a due digest becomes one delivery for each recipient, a slice of subscriptions at
a time.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time
from typing import Any

from sqlalchemy import ColumnElement, and_, func, select, text, update
from sqlalchemy.orm import Session

from models import (
    Alert,
    AlertKind,
    Cadence,
    Delivery,
    DeliveryState,
    Fanout,
    Lane,
    Priority,
    Recipient,
    RecipientState,
    SkipReason,
    Subscription,
    TallyKind,
)
from models.db.clock import now
from models.db.database import Database
from models.db.dialects import dialect_of, insert_into
from models.db.site import current_seq
from models.db.tallies import Change, add_to_tallies
from models.db.write_throttle import WriteThrottle
from models.recipients.digest_rules import EntryChanges, Served, is_served
from models.recipients.digest_times import next_slot, slot_name
from models.tables.ledger import IS_DIGEST, MAY_EXPAND
from notifier.ledger.digest_source import (
    SUBSCRIPTION_COLUMNS,
    entries_changed_since,
    read_wanted,
)
from notifier.ledger.fan_out import ANALYZE_FROM, enqueue_deliveries
from notifier.ledger.lease import skipped
from notifier.ledger.ledger_sql import among, changed
from notifier.ledger.quiet_hours import put_off

SLICE = 2_000
SLICE_OF_SQLITE = 100
"""Subscriptions of one transaction; fewer on SQLite, where nobody else writes meanwhile: half the
time of a slice of an alert."""
_DUE = Subscription.next_digest_at.is_not(None) & Subscription.ended_at.is_(None)


@dataclass(slots=True)
class _Run:
    """One digest in one transaction: subscriptions whose recipients get it, by lane, and those
    without news.
    """

    alert_id: int | None
    upto: int
    brought: dict[Lane, list[Any]] = field(default_factory=dict)
    empty: list[int] = field(default_factory=list)


def digests_due(tx: Session) -> bool:
    """Whether any digest is due; reads one row of an index."""
    return (
        tx.scalar(
            select(Subscription.id).where(_DUE, Subscription.next_digest_at <= now(tx)).limit(1)
        )
        is not None
    )


def make_digests(db: Database, *, go_on: Callable[[], bool], ring: Callable[[Lane], None]) -> int:
    """Make slice after slice while ``go_on`` and while any is due; returns the number of
    deliveries.

    Any number of nodes may do so at once, and go on after a crash: the deliveries of a slice and
    the progress of its subscriptions are committed together, and the ledger takes one row for each
    digest and recipient.
    """
    made = 0
    throttle = WriteThrottle(db)
    with db.read() as tx:
        due = digests_due(tx)
    while due and go_on():
        with throttle.writing():
            done = make_slice(db)
        for lane in done or ():
            ring(lane)
        made += sum((done or {}).values())
        due = done is not None
    if made >= ANALYZE_FROM and not db.embedded:
        with db.begin() as tx:
            tx.execute(text("ANALYZE delivery"))
    return made


def make_slice(db: Database) -> Counter[Lane] | None:
    """Serve some due subscriptions; returns the number of deliveries by lane, or None where none is
    due, or may be made.
    """
    with db.begin() as tx:
        rows = _take(tx, SLICE_OF_SQLITE if db.embedded else SLICE)
        # Before the check: an alert that is made after it belongs to a later digest.
        seq = current_seq(tx)
        if not rows or _expanding(tx):
            return None
        made = Counter[Lane]()
        changes = Counter[Change]()
        for (slot, cadence), run in _runs(tx, rows, seq).items():
            for lane, brought in run.brought.items():
                run.alert_id = run.alert_id or _alert(tx, slot, cadence, run.upto)
                made[lane] += _owe(tx, run.alert_id, cadence, lane, brought, changes)
            if run.empty:
                _update(tx, run.empty, digested_seq=run.upto)
        _move_on(tx, rows)
        add_to_tallies(tx, changes)
        return made


def _take(tx: Session, limit: int) -> Sequence[Any]:
    """The longest due subscriptions; those that another node has locked are skipped."""
    query = (
        select(
            *SUBSCRIPTION_COLUMNS,
            Recipient.lane,
            Recipient.timezone,
            Recipient.state,
            Recipient.paused_until,
        )
        .join(Recipient, Recipient.id == Subscription.recipient_id)
        .where(_DUE, Subscription.next_digest_at <= now(tx))
        .order_by(Subscription.next_digest_at, Subscription.id)
        .limit(limit)
    )
    return tx.execute(query.with_for_update(of=Subscription, skip_locked=True)).all()


def _expanding(tx: Session) -> bool:
    """Whether an alert is not fully expanded: a digest would tell its recipients the same."""
    query = (
        select(Fanout.id)
        .join(Alert, Alert.id == Fanout.alert_id)
        .where(Fanout.done_at.is_(None), MAY_EXPAND)
    )
    return tx.scalar(query.limit(1)) is not None


def _runs(tx: Session, rows: Sequence[Any], seq: int) -> dict[tuple[datetime, Cadence], _Run]:
    """Digests that are due, and their subscriptions with news: decided once for equal filters."""
    wanted = read_wanted(tx, rows)
    news = entries_changed_since(tx, min(row.digested_seq for row in rows), seq, hidden=True)
    runs: dict[tuple[datetime, Cadence], _Run] = {}
    known: dict[tuple[object, ...], bool] = {}
    for row in rows:
        key = (row.next_digest_at, row.cadence)
        run = runs.get(key)
        if run is None:
            run = runs[key] = _begun(tx, *key, seq)
        if _brings(row, Served(wanted[row.id], row.digested_seq), news, run.upto, known, now(tx)):
            run.brought.setdefault(row.lane, []).append(row)
        else:
            run.empty.append(row.id)
    return runs


def _brings(
    row: Any,
    served: Served,
    news: Sequence[EntryChanges],
    upto: int,
    known: dict[tuple[object, ...], bool],
    now: datetime,
) -> bool:
    """Whether a subscription has news. Entries published in a pause are not told later, as with
    immediate alerts.
    """
    if row.state is not RecipientState.CONFIRMED or (
        row.paused_until is not None and now < row.paused_until
    ):
        return False
    want = served.wanted
    same = (
        upto,
        served.digested_seq,
        want.stream_id,
        want.least_importance,
        want.left_out,
        want.tags,
        want.news,
        want.corrections,
    )
    if same not in known:
        known[same] = is_served(served, news, upto)
    return known[same]


def _begun(tx: Session, slot: datetime, cadence: Cadence, seq: int) -> _Run:
    """Digest of a slot; one that an earlier slice has made covers the same entries for all."""
    made = tx.execute(select(Alert.id, Alert.seq).where(_is(slot, cadence))).one_or_none()
    return _Run(made.id, made.seq) if made else _Run(None, seq)


def _alert(tx: Session, slot: datetime, cadence: Cadence, seq: int) -> int:
    values = {
        "kind": AlertKind.DIGEST,
        "slot": slot_name(slot),
        "cadence": cadence,
        "seq": seq,
        "priority": Priority.DIGEST,
        "created_at": now(tx),
    }
    insert = insert_into(dialect_of(tx), Alert).values(values)
    tx.execute(insert.on_conflict_do_nothing())
    return tx.execute(select(Alert.id).where(_is(slot, cadence))).scalar_one()


def _is(slot: datetime, cadence: Cadence) -> ColumnElement[bool]:
    return and_(Alert.slot == slot_name(slot), Alert.cadence == cadence)


def _owe(
    tx: Session,
    alert_id: int,
    cadence: Cadence,
    lane: Lane,
    rows: Sequence[Any],
    changes: Counter[Change],
) -> int:
    """Queue one delivery for each recipient; it replaces an earlier digest that is still queued."""
    recipients = (
        select(
            Subscription.recipient_id,
            func.max(Recipient.lane).label("lane"),
            func.min(Subscription.id).label("subscription_id"),
        )
        .join(Recipient, Recipient.id == Subscription.recipient_id)
        .where(among(tx, Subscription.id, [row.id for row in rows]))
        .group_by(Subscription.recipient_id)
    )
    made = enqueue_deliveries(tx, alert_id, Priority.DIGEST, recipients)
    changes[alert_id, lane, TallyKind.OWED] += made
    ids = sorted({row.recipient_id for row in rows})
    put_off(tx, and_(Delivery.alert_id == alert_id, among(tx, Delivery.recipient_id, ids)))
    waiting = (
        select(Delivery.id, Delivery.alert_id)
        .join(Alert, Alert.id == Delivery.alert_id)
        .where(
            IS_DIGEST,
            among(tx, Delivery.recipient_id, ids),
            Delivery.state == DeliveryState.QUEUED,
            Alert.cadence == cadence,
            Alert.id < alert_id,
            among(tx, Delivery.subscription_id, [row.id for row in rows]),
        )
    )
    replaced = tx.execute(waiting).all()
    if replaced:
        changed(
            tx,
            update(Delivery)
            .where(among(tx, Delivery.id, [row.id for row in replaced]))
            .values(skipped(SkipReason.SUPERSEDED, now(tx))),
        )
        changes.update((row.alert_id, lane, TallyKind.SKIPPED) for row in replaced)
    return made


def _move_on(tx: Session, rows: Iterable[Any]) -> None:
    """Set when each subscription is due next: after now, so that digests missed while no worker ran
    come as one.
    """
    slots: dict[tuple[Cadence, int | None, time | None, int | None, str], datetime] = {}
    due: dict[datetime, list[int]] = {}
    for row in rows:
        rhythm = (row.cadence, row.every_minutes, row.digest_time, row.digest_day, row.timezone)
        if rhythm not in slots:
            slots[rhythm] = next_slot(*rhythm, now(tx))
        due.setdefault(slots[rhythm], []).append(row.id)
    for due_at, ids in due.items():
        _update(tx, ids, next_digest_at=due_at)


def _update(tx: Session, ids: Sequence[int], **values: object) -> None:
    changed(tx, update(Subscription).where(among(tx, Subscription.id, ids)).values(**values))
