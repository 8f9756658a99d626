"""Stopping, resuming and retrying one alert."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, or_, select, true, update
from sqlalchemy.orm import Session

from config.languages import mark
from models.db.approval_rules import (
    NEEDS_SECOND_EDITOR,
    OVER_HOURLY_LIMIT,
    last_author_id,
    needs_second_editor,
)
from models.db.clock import now
from models.db.database import Database
from models.db.site import lock_site, next_seq
from models.db.tallies import Change, add_to_tallies
from models.db.write_throttle import WriteThrottle
from models.tables.ledger import (
    Alert,
    AlertState,
    Delivery,
    DeliveryState,
    Fanout,
    SkipReason,
    TallyKind,
)
from models.tables.people import Role
from models.tables.stories import Entry, EntryState, Revision, RevisionKind, RevisionState
from models.text.actor import Actor
from models.text.errors import Conflict, Forbidden, NotFound

SLICE = 1_000
"""Recipients looked at in one transaction: some 4 ms of the write lock of SQLite, measured with
100,000."""
_SECOND = mark("Another editor has to approve this alert.")
# The second condition of both: how a node of the version before marks such a delivery.
_IS_STOPPED = or_(
    Delivery.reason == SkipReason.STOPPED,
    and_(
        Delivery.reason == SkipReason.CANCELLED,
        Delivery.last_reply == "The alert was stopped.",
    ),
)
_IS_HELD = or_(Delivery.held_at.is_not(None), Delivery.due_at > datetime(8999, 1, 1, tzinfo=UTC))


def find_alert(tx: Session, name: str) -> Alert:
    """An alert by its id, or the latest of an entry by the entry's uid."""
    if (
        name.isascii()
        and name.isdigit()
        and len(name) < 19
        and (alert := tx.get(Alert, int(name))) is not None
    ):
        return alert
    of_entry = (
        select(Alert)
        .join(Revision, Revision.id == Alert.revision_id)
        .join(Entry, Entry.id == Revision.entry_id)
    )
    alert = tx.scalar(of_entry.where(Entry.uid == name).order_by(Alert.id.desc()).limit(1))
    if alert is None:
        raise NotFound("alert", name)
    return alert


def stop_alert(db: Database, actor: Actor, alert_id: int) -> Alert:
    """Stop an alert; stopping it again changes nothing.

    The cost does not depend on the number of deliveries: workers check at each claim, and while
    they send, whether their alert was stopped, and skip its deliveries.
    """
    actor.must_be(Role.EDITOR)
    with db.begin() as tx:
        alert = _alert(tx, alert_id)
        if alert.state is AlertState.FINISHED:
            raise Conflict("This alert has already been sent.")
        alert.stopped_at = alert.stopped_at or now(tx)
    if alert.held_at is not None or alert.waits_for is not None:  # for workers to skip
        _queue_again(db, alert_id, {DeliveryState.QUEUED: _IS_HELD})
    return alert


def resume_alert(db: Database, actor: Actor, alert_id: int) -> int:
    """Resume an alert that was stopped or held, or approve one; returns how many deliveries are
    queued again.

    May be called again, also after a crash. Forbidden where another editor has to approve.
    """
    actor.must_be(Role.EDITOR)
    with db.begin() as tx:
        lock_site(tx)  # before the alert, as what changes an entry does
        alert = _alert(tx, alert_id)
        earlier = _let_go(tx, actor, alert)
        alert.stopped_at = alert.held_at = alert.finished_at = None
        alert.resumed_at = now(tx)
    held_deliveries = {DeliveryState.QUEUED: _IS_HELD}
    number = _queue_again(db, alert_id, {DeliveryState.SKIPPED: _IS_STOPPED, **held_deliveries})
    for earlier_id in earlier:
        number += _queue_again(db, earlier_id, held_deliveries)
    return number


def _let_go(tx: Session, actor: Actor, alert: Alert) -> Sequence[int]:
    """Approve an alert, and those of earlier revisions that wait with it, whose ids are returned: a
    recipient of several gets the last one as new.
    """
    if alert.waits_for is None:
        return []
    revision = tx.get_one(Revision, alert.revision_id)
    own = tx.scalar(select(last_author_id(revision.entry_id))) == actor.account_id
    if alert.waits_for == NEEDS_SECOND_EDITOR and own:
        raise Forbidden(_SECOND)
    earlier = select(Revision.id).where(
        Revision.entry_id == revision.entry_id, Revision.no < revision.no
    )
    may = Alert.waits_for == OVER_HOURLY_LIMIT if own else Alert.waits_for.is_not(None)
    waits = or_(
        Alert.id == alert.id, and_(Alert.revision_id.in_(earlier), may, Alert.stopped_at.is_(None))
    )
    unheard = ~exists().where(Fanout.alert_id == Alert.id, Fanout.done_at.is_not(None))
    # Digests that were made meanwhile have passed it over: the next one comes to it.
    tx.execute(
        update(Alert)
        .where(waits, Alert.waits_for == NEEDS_SECOND_EDITOR, unheard)
        .values(seq=next_seq(tx))
    )
    released = tx.scalars(
        update(Alert).where(waits).values(waits_for=None, resumed_at=now(tx)).returning(Alert.id)
    ).all()
    return [alert_id for alert_id in released if alert_id != alert.id]


def retry_alert(db: Database, actor: Actor, alert_id: int, *, unknown: bool = False) -> int:
    """Queue the failed deliveries of an alert again; returns how many.

    ``unknown``: also those that may have arrived, so somebody may get the alert twice. Recipients
    that no longer want it get nothing. Raises Conflict where the alert is stopped, held or waits
    for approval, or where what it tells is out of date.
    """
    actor.must_be(Role.EDITOR)
    with db.read() as tx:
        _must_be_true_still(tx, actor, _alert(tx, alert_id))
    states = [DeliveryState.FAILED, *([DeliveryState.UNKNOWN] if unknown else [])]
    return _queue_again(db, alert_id, {state: true() for state in states})


def _alert(tx: Session, alert_id: int) -> Alert:
    alert = tx.get(Alert, alert_id, with_for_update=True)
    if alert is None:
        raise NotFound("alert", str(alert_id))
    if alert.state is AlertState.COMPACTED:
        raise Conflict("This alert is too old to change.")
    return alert


def _must_be_true_still(tx: Session, actor: Actor, alert: Alert) -> None:
    if alert.state in (AlertState.STOPPED, AlertState.HELD, AlertState.WAITING_FOR_APPROVAL):
        raise Conflict("This alert is stopped, on hold or waiting for approval. Resume it first.")
    revision = tx.get(Revision, alert.revision_id) if alert.revision_id is not None else None
    if revision is None:
        return
    later = (
        select(Alert.id)
        .join(Revision, Revision.id == Alert.revision_id)
        .where(Revision.entry_id == revision.entry_id)
    )
    if tx.scalar(later.where(Revision.no > revision.no).limit(1)) is not None:
        raise Conflict("A later alert replaced this one. Retry that one.")
    entry = tx.get_one(Entry, revision.entry_id)
    withdrawn = entry.state is EntryState.RETRACTED
    if withdrawn is not (revision.kind is RevisionKind.RETRACTION):
        raise Conflict(
            mark("The entry is retracted.") if withdrawn else mark("The entry was restored.")
        )
    changed = select(Revision.id).where(
        Revision.entry_id == entry.id,
        Revision.no > revision.no,
        Revision.state == RevisionState.APPLIED,
    )
    if (
        needs_second_editor(tx, entry.importance)
        and tx.scalar(changed.limit(1))
        and tx.scalar(select(last_author_id(entry.id))) == actor.account_id
    ):
        raise Forbidden(_SECOND)


def _queue_again(
    db: Database, alert_id: int, which: dict[DeliveryState, ColumnElement[bool]]
) -> int:
    """Queue the deliveries of an alert that have a state and meet its condition, a slice of
    recipients in each transaction.
    """
    total, after, throttle = 0, 0, WriteThrottle(db)
    while True:
        with throttle.writing(), db.begin() as tx:
            alert = _alert(tx, alert_id)
            of_alert = (Delivery.alert_id == alert_id, Delivery.recipient_id > after)
            last = (
                select(Delivery.recipient_id)
                .where(*of_alert)
                .order_by(Delivery.recipient_id)
                .offset(SLICE - 1)
                .limit(1)
            )
            upto = tx.scalar(last)
            part = (
                and_(*of_alert, Delivery.recipient_id <= upto)
                if upto is not None
                else and_(*of_alert)
            )
            if queued := _queue_slice(tx, alert_id, part, which):
                alert.finished_at = None
            total += queued
        if upto is None:
            return total
        after = upto


def _queue_slice(
    tx: Session,
    alert_id: int,
    part: ColumnElement[bool],
    which: dict[DeliveryState, ColumnElement[bool]],
) -> int:
    anew: dict[str, Any] = {
        "state": DeliveryState.QUEUED,
        "reason": None,
        "attempts": 0,
        "lost_leases": 0,
        "created_at": now(tx),  # from now on it has its full age once more
        "due_at": now(tx),
        "held_at": None,
        "settled_at": None,
        "started_at": None,
        "folded_into": None,
    }
    number = 0
    taken_back = Counter[Change]()
    for state, condition in which.items():
        again = (
            update(Delivery)
            .where(part, Delivery.state == state, condition)
            .values(anew)
            .returning(Delivery.lane)
        )
        lanes = tx.scalars(again.execution_options(synchronize_session=False)).all()
        number += len(lanes)
        if state is not DeliveryState.QUEUED:
            taken_back.update((alert_id, lane, TallyKind(state.value)) for lane in lanes)
    add_to_tallies(tx, {change: -count for change, count in taken_back.items()})
    return number
