"""Claiming: rows become one worker's for a while, and are looked at once more before anything is
sent.
"""

import random
import secrets
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, func, select, update
from sqlalchemy.orm import Session

from models import (
    AlertKind,
    AlertState,
    Delivery,
    DeliveryState,
    Importance,
    Lane,
    Priority,
    Recipient,
    Revision,
    RevisionKind,
    RevisionState,
    Subscription,
    SubscriptionExcept,
    TallyKind,
)
from models.db.clock import now
from models.db.database import Database
from models.db.tallies import add_to_tallies
from models.recipients.audience import eligible_recipients
from models.tables.ledger import IS_DIGEST, TOLD_STATE
from notifier.ledger import pause
from notifier.ledger.alert_context import (
    AlertContext,
    NonRevisionAlert,
    load_contexts,
    load_non_revision_alerts,
)
from notifier.ledger.digest_reach import recipients_reached_by_digest
from notifier.ledger.lease import LEASE, QUEUED, SUSPECT_AFTER_LOST_LEASES, Lease, skipped
from notifier.ledger.ledger_sql import among, changed, taken
from notifier.ledger.quiet_hours import may_go_at
from notifier.ledger.verdict import (
    AlertFacts,
    DeliveryPreferences,
    HoldDelivery,
    NotNow,
    SendNow,
    SkipDelivery,
    WaitUntil,
    judge,
    judge_digest,
    judge_ending,
    judge_notice,
)

_URGENT_FIRST = (Delivery.priority, Delivery.due_at, Delivery.id)
_SHORT = timedelta(seconds=1)
LEAST = 10
"""Rows that are not worth sharing: a claim costs as much as some ten mails."""


PROBED_AMONG = 1_000
"""Due rows of which one is tried while the mail server is said to refuse."""


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
    created_at: datetime  # or when it could first go, where that was later
    follows_all: bool  # its subscription is to all streams
    told: bool  # its recipient heard of an earlier revision
    # when it was claimed nothing might go to its channel yet, which is sick or asked for a rest
    at_rest: bool = False
    kind: AlertKind = AlertKind.REVISION
    # it was told, or may have been, inside the message of that delivery
    folded_into: int | None = None
    language: str = "en"  # its recipient's
    timezone: str = "UTC"
    shared: bool = False  # several people read its mailbox
    subscription_id: int | None = None  # why one gets it
    # of a digest: the subscriptions that have had everything ``upto`` when it arrives
    serves: tuple[int, ...] = ()
    upto: int = 0

    @property
    def notice(self) -> bool:
        """It tells what its recipient alone is to know."""
        return self.kind is AlertKind.NOTICE


@dataclass(frozen=True, slots=True)
class Claim:
    """Rows that are ours until the lease is lost.

    ``probe``: one row, to see whether the mail server is back. ``of_hold``: while all sending is
    held, notices that say so.
    """

    lease: Lease
    messages: Sequence[Message]
    taken: int  # rows looked at, those that nobody wants any more included
    probe: bool = False
    of_hold: bool = False


def claim(
    db: Database,
    lane: Lane,
    limit: int,
    *,
    sharers: int = 1,
    monotonic: Callable[[], float] = time.monotonic,
) -> Claim | None:
    """Take at most ``limit`` due rows of a lane, the most urgent first; None where nothing may be
    sent or nothing is due.

    Where few are due, no more than leave some for ``sharers``, so that the last ones do not all
    wait for one of them. A row that is no longer wanted is settled here, so ``messages`` may be
    empty although rows were taken.
    """
    token = secrets.token_hex(16)
    lease = Lease(db, token, monotonic=monotonic)
    with db.begin() as tx:
        gate = pause.gate(tx, lane, lock=True)
        if gate is pause.Gate.SHUT:
            return None
        probe = gate is pause.Gate.PROBE
        skip = _anyone(tx, lane) if probe else 0
        limit = 1 if probe else _share(tx, lane, limit, sharers)
        lost_leases = _take(
            tx, _due(tx, lane, gate).order_by(*_URGENT_FIRST).offset(skip).limit(limit), token
        )
        if not lost_leases:
            return None
        ids = _alone_if_suspect(tx, lost_leases)
        messages = drop_unwanted(tx, lane, ids)
        if probe and messages:
            pause.probing(tx)
        return Claim(lease, messages, len(ids), probe, of_hold=gate is pause.Gate.OF_HOLD)


def may_claim(tx: Session, lane: Lane) -> bool:
    """Whether a claim would find a row; reads only."""
    gate = pause.gate(tx, lane)
    return gate is not pause.Gate.SHUT and tx.scalar(_due(tx, lane, gate).limit(1)) is not None


def more_urgent_due(db: Database, lane: Lane, priority: int) -> bool:
    """True where a row is due that goes before those of ``priority``; reads only, and costs the
    same however many wait.
    """
    with db.read() as tx:
        return tx.scalar(_due(tx, lane).where(Delivery.priority < priority).limit(1)) is not None


def _share(tx: Session, lane: Lane, limit: int, sharers: int) -> int:
    if limit <= LEAST or sharers == 1:
        return limit
    due = _count(tx, lane, limit * sharers)
    return min(limit, max(LEAST, -(-due // sharers)))


def _anyone(tx: Session, lane: Lane) -> int:
    """How many due rows a probe passes over: the first ones may be those whose own servers refuse."""
    return random.randrange(max(1, _count(tx, lane, PROBED_AMONG)))  # noqa: S311  it guards nothing


def _count(tx: Session, lane: Lane, most: int) -> int:
    return tx.scalar(select(func.count()).select_from(_due(tx, lane).limit(most).subquery())) or 0


def _due(tx: Session, lane: Lane, gate: pause.Gate = pause.Gate.OPEN) -> Select[int]:
    due = (
        Delivery.state == DeliveryState.QUEUED,
        Delivery.lane == lane,
        Delivery.held_at.is_(None),
        Delivery.due_at <= now(tx),
    )
    query = select(Delivery.id).where(*due)
    return (
        query.where(Delivery.priority == Priority.HOLD_NOTICE)
        if gate is pause.Gate.OF_HOLD
        else query
    )


def claim_also(tx: Session, lane: Lane, which: Select[int], token: str) -> list[Message]:
    """Take more rows into a claim that is under way: those queued ones that ``which`` picks and
    that are still wanted.
    """
    lost_leases = _take(
        tx, which.where(Delivery.state == DeliveryState.QUEUED, Delivery.lane == lane), token
    )
    return drop_unwanted(tx, lane, list(lost_leases)) if lost_leases else []


def _take(tx: Session, due: Select[int], token: str) -> dict[int, int]:
    """The rows by their ids, with how many leases of each were lost."""
    claimed: dict[str, Any] = {
        "state": DeliveryState.CLAIMED,
        "claim_token": token,
        "lease_until": now(tx) + LEASE,
        "attempts": Delivery.attempts + 1,
        "started_at": None,
    }
    take = (
        update(Delivery)
        .where(taken(tx, Delivery.id, due))
        .values(claimed)
        .returning(Delivery.id, Delivery.lost_leases)
    )
    return {
        row.id: row.lost_leases
        for row in tx.execute(take.execution_options(synchronize_session=False))
    }


def _alone_if_suspect(tx: Session, lost_leases: dict[int, int]) -> Sequence[int]:
    """These rows, or one of them alone that may be what ended its workers; the others go back then,
    untried.
    """
    suspects = [
        (lost, id_) for id_, lost in lost_leases.items() if lost >= SUSPECT_AFTER_LOST_LEASES
    ]
    if not suspects:
        return list(lost_leases)
    # The one that lost the fewest first: what was only near the one that ends its workers must not
    # wait for that.
    _, first = min(suspects)
    others = [id_ for id_ in lost_leases if id_ != first]
    if others:
        back = update(Delivery).where(among(tx, Delivery.id, others))
        changed(tx, back.values(**QUEUED, attempts=Delivery.attempts - 1))
    return [first]


def drop_unwanted(tx: Session, lane: Lane, ids: Sequence[int]) -> list[Message]:
    """The rows that are to be sent now; the others are skipped or put back."""
    rows = _rows(tx, ids)
    about = load_contexts(tx, {row.alert_id for row in rows})
    occasion = load_non_revision_alerts(tx, {row.alert_id for row in rows} - about.keys())
    held = pause.hold_late(
        tx,
        about.values(),
        tried={row.alert_id for row in rows if is_retry_or_quiet_hours(row, about, now(tx))},
    )
    busy = blocked_digests(
        tx,
        [
            row
            for row in rows
            if row.alert_id in occasion and occasion[row.alert_id].kind is AlertKind.DIGEST
        ],
    )
    others = {alert_id: sibling_deliveries(tx, one, rows) for alert_id, one in about.items()}
    left = excluded_streams(tx, rows)
    again = {
        alert_id: covered_by_other_subscription(tx, one, rows) for alert_id, one in about.items()
    }
    standing = {
        alert_id: alert_facts(one, held=alert_id in held) for alert_id, one in about.items()
    }
    wanted: list[Message] = []
    unwanted: dict[NotNow, list[Any]] = {}
    for row in rows:
        one, kind = about.get(row.alert_id), AlertKind.REVISION
        if one is not None:
            earlier, later = others[one.alert_id].get(row.recipient_id, ([], []))
            subscribed = (
                row.subscribed and (row.subscription_id, one.stream_id) not in left
            ) or row.recipient_id in again[one.alert_id]
            wish = delivery_preferences(
                row,
                now(tx),
                subscribed=subscribed,
                earlier=earlier,
                later=later,
                hush=one.importance is not Importance.BREAKING,
            )
            verdict = judge(standing[one.alert_id], wish, now(tx))
        else:
            kind = occasion[row.alert_id].kind
            verdict = _judge_occasion(occasion[row.alert_id], row, busy.get(row.id), now(tx))
        if isinstance(verdict, SendNow):
            wanted.append(
                _message(
                    row, told=verdict.told or (one is not None and one.told_long_ago), kind=kind
                )
            )
        else:
            unwanted.setdefault(verdict, []).append(row)
    for other, put in unwanted.items():
        changed(
            tx,
            update(Delivery)
            .where(among(tx, Delivery.id, [row.id for row in put]))
            .values(columns_for(other, now(tx))),
        )
    skips = (
        row for other, put in unwanted.items() if isinstance(other, SkipDelivery) for row in put
    )
    add_to_tallies(tx, Counter((row.alert_id, lane, TallyKind.SKIPPED) for row in skips))
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
            Recipient.language,
            Recipient.timezone,
            Recipient.shared,
            Recipient.quiet_from,
            Recipient.quiet_until,
            Recipient.paused_until,
            (Recipient.sick_since.is_not(None) | (Recipient.next_at > now(tx))).label("at_rest"),
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


def delivery_preferences(
    row: Any, moment: datetime, *, subscribed: bool, hush: bool = True, **others: Any
) -> DeliveryPreferences:
    """What its recipient wants now; ``hush``: quiet hours count."""
    quiet = may_go_at(row, moment) if hush else moment
    paused = row.paused_until is not None and moment < row.paused_until
    return DeliveryPreferences(
        recipient=row.state,
        subscribed=subscribed,
        paused=paused,
        quiet_until=quiet if quiet > moment else None,
        **others,
    )


def _judge_occasion(
    one: NonRevisionAlert, row: Any, busy_until: datetime | None, moment: datetime
) -> SendNow | NotNow:
    if one.kind is AlertKind.DIGEST:  # which of its subscriptions go on is found when it is written
        return judge_digest(
            delivery_preferences(row, moment, subscribed=True),
            stopped=one.stopped,
            busy_until=busy_until,
        )
    if one.kind is AlertKind.ENDING and one.stream_state is not None:
        return judge_ending(
            delivery_preferences(row, moment, subscribed=row.subscribed),
            stopped=one.stopped,
            stream=one.stream_state,
        )
    return judge_notice(row.state, stopped=one.stopped)


def is_retry_or_quiet_hours(row: Any, about: dict[int, AlertContext], moment: datetime) -> bool:
    """It comes back from a try that failed, or from the quiet hours of its recipient, so it does
    not show that its alert is late.
    """
    one = about.get(row.alert_id)
    if row.attempts > 1 or one is None or one.importance is Importance.BREAKING:
        return bool(row.attempts > 1)
    could_go = may_go_at(row, one.created_at)
    return could_go > one.created_at and moment - could_go <= pause.LATE


def blocked_digests(tx: Session, rows: Collection[Any]) -> dict[int, datetime]:
    """When to look again at those of these digests that cannot be written yet: their recipients
    have an earlier one that is not settled.
    """
    if not rows:
        return {}
    query = select(Delivery.recipient_id, Delivery.alert_id, Delivery.due_at).where(
        IS_DIGEST,
        among(tx, Delivery.recipient_id, [row.recipient_id for row in rows]),
        Delivery.state.in_([DeliveryState.QUEUED, DeliveryState.CLAIMED]),
    )
    unsettled: dict[int, list[tuple[int, datetime]]] = {}
    for recipient_id, alert_id, due_at in tx.execute(query):
        unsettled.setdefault(recipient_id, []).append((alert_id, due_at))
    hidden = (Revision.state == RevisionState.PENDING, Revision.kind == RevisionKind.RETRACTION)
    # until then nobody knows what is to be left out
    undone_at = tx.scalar(select(func.max(Revision.apply_at)).where(*hidden))
    also = [undone_at] if undone_at is not None else []
    earlier = {
        row.id: [
            due_at
            for alert_id, due_at in unsettled.get(row.recipient_id, ())
            if alert_id < row.alert_id
        ]
        for row in rows
    }
    return {id_: max(now(tx), *due, *also) + _SHORT for id_, due in earlier.items() if due or also}


def alert_facts(one: AlertContext, *, held: bool) -> AlertFacts:
    return AlertFacts(
        revision=one.kind,
        entry=one.entry_state,
        stream=one.stream_state,
        stopped=one.state is AlertState.STOPPED,
        held=held,
        retraction_at=one.retraction_at,
    )


def sibling_deliveries(
    tx: Session, one: AlertContext, rows: Sequence[Any]
) -> dict[int, tuple[list[DeliveryState], list[RevisionKind]]]:
    """What these recipients have of the entry's other revisions: states of earlier ones, kinds of
    later ones.
    """
    found: dict[int, tuple[list[DeliveryState], list[RevisionKind]]] = {}
    later = one.later
    if not one.siblings:
        return found
    recipients = [row.recipient_id for row in rows if row.alert_id == one.alert_id]
    if (by_digest := recipients_reached_by_digest(tx, one)) is not None:
        told = by_digest.subquery()
        for recipient_id, state in tx.execute(
            select(told.c.recipient_id, told.c.state).where(
                among(tx, told.c.recipient_id, recipients)
            )
        ):
            found.setdefault(recipient_id, ([], []))[0].append(state)
    own = {row.id for row in rows}
    query = select(Delivery.id, Delivery.recipient_id, Delivery.alert_id, TOLD_STATE).where(
        Delivery.alert_id.in_([*one.earlier, *later]), among(tx, Delivery.recipient_id, recipients)
    )
    for id_, recipient_id, alert_id, state in tx.execute(query):
        states, kinds = found.setdefault(recipient_id, ([], []))
        if alert_id in later:
            kinds.append(later[alert_id])
        elif id_ not in own:  # one in this very claim is superseded by it, not being sent
            states.append(state)
    return found


def excluded_streams(tx: Session, rows: Sequence[Any]) -> Set[tuple[int, int]]:
    """What subscriptions to all streams, that brought some of these, leave out by now: subscription
    and stream.
    """
    these = {row.subscription_id for row in rows if row.follows_all}
    if not these:
        return set()
    query = select(SubscriptionExcept.subscription_id, SubscriptionExcept.stream_id)
    return {
        (one, stream_id)
        for one, stream_id in tx.execute(
            query.where(among(tx, SubscriptionExcept.subscription_id, list(these)))
        )
    }


def covered_by_other_subscription(tx: Session, one: AlertContext, rows: Sequence[Any]) -> set[int]:
    """Recipients whose subscription has ended, but whom another one still brings this alert."""
    doubtful = [
        row.recipient_id for row in rows if row.alert_id == one.alert_id and not row.subscribed
    ]
    if not doubtful:
        return set()
    query = eligible_recipients(
        one.topic(tx), confirmed_by=one.created_at, before_seq=one.public_seq
    ).where(among(tx, Recipient.id, doubtful))
    return {row.recipient_id for row in tx.execute(query)}


def columns_for(verdict: NotNow, moment: datetime) -> dict[str, Any]:
    if isinstance(verdict, WaitUntil):
        return {**QUEUED, "due_at": verdict.until, "attempts": Delivery.attempts - 1}
    if isinstance(verdict, HoldDelivery):
        return {**QUEUED, "held_at": moment, "attempts": Delivery.attempts - 1}
    return skipped(verdict.reason, moment, verdict.words) | {"attempts": Delivery.attempts - 1}


def _message(row: Any, *, told: bool, kind: AlertKind) -> Message:
    hush = kind is not AlertKind.NOTICE and row.priority > Priority.IMMEDIATE
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
        created_at=may_go_at(row, row.created_at) if hush else row.created_at,
        follows_all=bool(row.follows_all),
        told=told,
        at_rest=bool(row.at_rest),
        kind=kind,
        folded_into=row.folded_into,
        language=row.language,
        timezone=row.timezone,
        shared=row.shared,
        subscription_id=row.subscription_id,
    )
