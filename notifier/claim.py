"""Claiming: rows become one worker's for a while, and are looked at once more before anything is sent."""

import secrets
import time
from collections import Counter
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, select, update
from sqlalchemy.orm import Session

from models import Alert, Delivery, DeliveryState, Lane, Recipient, RevisionKind, Subscription, SubscriptionExcept
from models.audience import owed
from models.clock import now
from models.database import Database
from models.tallies import tally
from notifier import pause
from notifier.lease import LEASE, QUEUED, Lease, skipped
from notifier.sql import among, changed, taken
from notifier.topics import About, abouts
from notifier.verdict import Send, Skip, Standing, Wait, Wish, judge, judge_notice

_URGENT_FIRST = (Delivery.priority, Delivery.due_at, Delivery.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A claimed delivery, with what sending it needs."""

    id: int
    uid: str
    alert_id: int
    lane: Lane
    priority: int
    recipient_id: int
    recipient_uid: str
    address: str
    service: str
    sealed_url: str | None
    attempts: int  # this one included
    created_at: datetime
    follows_all: bool  # its subscription is to all streams
    told: bool  # its recipient heard of an earlier revision
    notice: bool = False  # it tells no entry, but what its recipient alone is to know
    folded_into: int | None = None  # it was told, or may have been, inside the message of that delivery


@dataclass(frozen=True, slots=True)
class Claim:
    """Rows that are ours until the lease is lost.  ``probe``: one row, to see whether the mail server is back."""

    lease: Lease
    messages: Sequence[Message]
    taken: int  # rows looked at, those that nobody wants any more included
    probe: bool = False


def claim(db: Database, lane: Lane, limit: int, *, monotonic: Callable[[], float] = time.monotonic) -> Claim | None:
    """Take at most ``limit`` due rows of a lane, the most urgent first; None where nothing may be sent or nothing is due.

    A row that is no longer wanted is settled here, so ``messages`` may be empty although rows were taken.
    """
    token = secrets.token_hex(16)
    lease = Lease(db, token, monotonic=monotonic)
    with db.begin() as tx:
        gate = pause.gate(tx, lane, lock=True)
        if gate is pause.Gate.SHUT:
            return None
        ids = _take(tx, _due(tx, lane).order_by(*_URGENT_FIRST).limit(1 if gate is pause.Gate.PROBE else limit), token)
        if not ids:
            return None
        messages = _wanted(tx, lane, ids)
        if gate is pause.Gate.PROBE and messages:
            pause.probing(tx)
        return Claim(lease, messages, len(ids), gate is pause.Gate.PROBE)


def more_urgent_due(db: Database, lane: Lane, priority: int) -> bool:
    """True where a row is due that goes before those of ``priority``; reads only, and costs the same however many wait."""
    with db.read() as tx:
        return tx.scalar(_due(tx, lane).where(Delivery.priority < priority).limit(1)) is not None


def _due(tx: Session, lane: Lane) -> Select[int]:
    due = (Delivery.state == DeliveryState.QUEUED, Delivery.lane == lane, Delivery.due_at <= now(tx))
    return select(Delivery.id).where(*due)


def claim_also(tx: Session, lane: Lane, which: Select[int], token: str) -> list[Message]:
    """Take more rows into a claim that is under way: those queued ones that ``which`` picks and that are still wanted."""
    ids = _take(tx, which.where(Delivery.state == DeliveryState.QUEUED, Delivery.lane == lane), token)
    return _wanted(tx, lane, ids) if ids else []


def _take(tx: Session, due: Select[int], token: str) -> Sequence[int]:
    claimed: dict[str, Any] = {
        "state": DeliveryState.CLAIMED,
        "claim_token": token,
        "lease_until": now(tx) + LEASE,
        "attempts": Delivery.attempts + 1,
        "started_at": None,
    }
    take = update(Delivery).where(taken(tx, Delivery.id, due)).values(claimed).returning(Delivery.id)
    return tx.scalars(take.execution_options(synchronize_session=False)).all()


def _wanted(tx: Session, lane: Lane, ids: Sequence[int]) -> list[Message]:
    """The rows that are to be sent now; the others are skipped or put back."""
    rows = _rows(tx, ids)
    about = abouts(tx, {row.alert_id for row in rows})
    stopped = _stopped(tx, {row.alert_id for row in rows} - about.keys())
    held = pause.hold_late(tx, about.values(), tried={row.alert_id for row in rows if row.attempts > 1})
    others = {alert_id: _others(tx, one, rows) for alert_id, one in about.items()}
    left = _left_out(tx, rows)
    again = {alert_id: _still_owed(tx, one, rows) for alert_id, one in about.items()}
    wanted: list[Message] = []
    unwanted: dict[Skip | Wait, list[Any]] = {}
    for row in rows:
        one, verdict = about.get(row.alert_id), judge_notice(row.state, stopped=row.alert_id in stopped)
        if one is not None:
            earlier, later = others[one.alert_id].get(row.recipient_id, ([], []))
            subscribed = (row.subscribed and (row.subscription_id, one.stream_id) not in left) or row.recipient_id in again[one.alert_id]
            wish = Wish(recipient=row.state, subscribed=subscribed, earlier=earlier, later=later)
            verdict = judge(_standing(one, held=one.alert_id in held), wish, now(tx))
        if isinstance(verdict, Send):
            wanted.append(_message(row, told=verdict.told or (one is not None and one.told_long_ago), notice=one is None))
        else:
            unwanted.setdefault(verdict, []).append(row)
    for other, put in unwanted.items():
        changed(tx, update(Delivery).where(among(tx, Delivery.id, [row.id for row in put])).values(_put(other, now(tx))))
    skips = (row for other, put in unwanted.items() if isinstance(other, Skip) for row in put)
    tally(tx, Counter((row.alert_id, lane, DeliveryState.SKIPPED) for row in skips))
    return wanted


def _rows(tx: Session, ids: Sequence[int]) -> Sequence[Any]:
    query = (
        select(
            Delivery.id,
            Delivery.uid,
            Delivery.alert_id,
            Delivery.lane,
            Delivery.priority,
            Delivery.recipient_id,
            Delivery.attempts,
            Delivery.created_at,
            Delivery.folded_into,
            Recipient.uid.label("recipient_uid"),
            Recipient.state,
            Recipient.address,
            Recipient.service,
            Recipient.sealed_url,
            Delivery.subscription_id,
            (Subscription.id.is_not(None) & Subscription.ended_at.is_(None)).label("subscribed"),
            (Subscription.id.is_not(None) & Subscription.stream_id.is_(None)).label("follows_all"),
        )
        .join(Recipient, Recipient.id == Delivery.recipient_id)
        .outerjoin(Subscription, Subscription.id == Delivery.subscription_id)
        .where(among(tx, Delivery.id, ids))
        .order_by(*_URGENT_FIRST)
    )
    return tx.execute(query).all()


def _stopped(tx: Session, notices: Set[int]) -> Set[int]:
    """Which of these, that are of no revision, were stopped."""
    query = select(Alert.id).where(Alert.id.in_(notices), Alert.stopped_at.is_not(None))
    return set(tx.scalars(query)) if notices else set()


def _standing(one: About, *, held: bool) -> Standing:
    return Standing(
        revision=one.kind,
        entry=one.entry_state,
        stream=one.stream_state,
        stopped=one.stopped_at is not None,
        held=held,
        retraction_at=one.retraction_at,
    )


def _others(tx: Session, one: About, rows: Sequence[Any]) -> dict[int, tuple[list[DeliveryState], list[RevisionKind]]]:
    """What these recipients have of the entry's other revisions: states of earlier ones, kinds of later ones."""
    found: dict[int, tuple[list[DeliveryState], list[RevisionKind]]] = {}
    later = one.later
    if not one.siblings:
        return found
    recipients = [row.recipient_id for row in rows if row.alert_id == one.alert_id]
    own = {row.id for row in rows}
    query = select(Delivery.id, Delivery.recipient_id, Delivery.alert_id, Delivery.state).where(
        Delivery.alert_id.in_([*one.earlier, *later]), among(tx, Delivery.recipient_id, recipients)
    )
    for id_, recipient_id, alert_id, state in tx.execute(query):
        states, kinds = found.setdefault(recipient_id, ([], []))
        if alert_id in later:
            kinds.append(later[alert_id])
        elif id_ not in own:  # one in this very claim is superseded by it, not being sent
            states.append(state)
    return found


def _left_out(tx: Session, rows: Sequence[Any]) -> Set[tuple[int, int]]:
    """What subscriptions to all streams, that brought some of these, leave out by now: subscription and stream."""
    these = {row.subscription_id for row in rows if row.follows_all}
    if not these:
        return set()
    query = select(SubscriptionExcept.subscription_id, SubscriptionExcept.stream_id)
    return {(one, stream_id) for one, stream_id in tx.execute(query.where(among(tx, SubscriptionExcept.subscription_id, list(these))))}


def _still_owed(tx: Session, one: About, rows: Sequence[Any]) -> set[int]:
    """Recipients whose subscription has ended, but whom another one still brings this alert."""
    doubtful = [row.recipient_id for row in rows if row.alert_id == one.alert_id and not row.subscribed]
    if not doubtful:
        return set()
    query = owed(one.topic(tx), confirmed_by=one.created_at).where(among(tx, Recipient.id, doubtful))
    return {row.recipient_id for row in tx.execute(query)}


def _put(verdict: Skip | Wait, moment: datetime) -> dict[str, Any]:
    if isinstance(verdict, Wait):
        return {**QUEUED, "due_at": verdict.until, "attempts": Delivery.attempts - 1}
    return skipped(verdict.reason, moment, verdict.words) | {"attempts": Delivery.attempts - 1}


def _message(row: Any, *, told: bool, notice: bool) -> Message:
    return Message(
        id=row.id,
        uid=row.uid,
        alert_id=row.alert_id,
        lane=row.lane,
        priority=row.priority,
        recipient_id=row.recipient_id,
        recipient_uid=row.recipient_uid,
        address=row.address,
        service=row.service,
        sealed_url=row.sealed_url,
        attempts=row.attempts,
        created_at=row.created_at,
        follows_all=bool(row.follows_all),
        told=told,
        notice=notice,
        folded_into=row.folded_into,
    )
