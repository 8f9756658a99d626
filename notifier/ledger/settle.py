"""Starting and settling attempts: all that may follow from an outcome, for one message at a time.

`notifier.ledger.fast_path` writes down the usual case. The statements are built once: building
one anew costs more than a mail.
"""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, cast

from sqlalchemy import Table, bindparam, case, func, or_, select, update
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import Update

from models import Delivery, DeliveryState, Lane, Recipient, Subscription, TallyKind
from models.db.clock import now
from models.db.database import Database
from models.db.tallies import Change, add_to_tallies
from models.recipients.audience import suppress
from notifier.ledger.alert_failure import tell_operators_once
from notifier.ledger.attempt_log import log_attempt
from notifier.ledger.breaker import evaluate, persist
from notifier.ledger.claim import Message
from notifier.ledger.ended_addresses import disabled_for_long, hold_instead, refusals_are_doubted
from notifier.ledger.lease import LEASE
from notifier.ledger.retry import Attempt, Next, decide_after
from notifier.message.send_errors import RenderError, SendError, Sent, Unknown
from notifier.services import SERVICES

MAIL_TRIES_IF_UNKNOWN, NOTICE_TRIES_IF_UNKNOWN = 5, 2
"""A mail keeps its Message-ID, so mailboxes can drop a double; a server that breaks off each time must not make many."""

_delivery = cast(Table, Delivery.__table__)
_recipient = cast(Table, Recipient.__table__)
_ours = update(_delivery).where(
    _delivery.c.id == bindparam("row"), _delivery.c.claim_token == bindparam("token")
)
_arrived = func.coalesce(
    _delivery.c.may_have_arrived_at,
    bindparam("arrived", type_=_delivery.c.may_have_arrived_at.type),
)
_SETTLED = _ours.values(
    may_have_arrived_at=_arrived,
    state=bindparam("new_state"),
    claim_token=None,
    lease_until=None,
    settled_at=bindparam("moment"),
    last_reply=bindparam("reply"),
)
_REQUEUE = _ours.values(
    may_have_arrived_at=_arrived,
    state=DeliveryState.QUEUED,
    claim_token=None,
    lease_until=None,
    started_at=None,
    due_at=bindparam("due"),
    attempts=_delivery.c.attempts - bindparam("returned"),
    lost_leases=0,
    last_reply=bindparam("reply"),
)
_DEFER = _ours.values(
    state=DeliveryState.QUEUED,
    claim_token=None,
    lease_until=None,
    started_at=None,
    due_at=bindparam("due"),
    attempts=_delivery.c.attempts - 1,
)
_DIGESTED = (
    update(Subscription)
    .where(Subscription.id == bindparam("served"), Subscription.digested_seq < bindparam("upto"))
    .values(digested_seq=bindparam("upto"))
)
_STARTED = _ours.values(started_at=bindparam("moment"), lease_until=bindparam("until"))
_BACK_OFF = (
    update(_recipient)
    .where(_recipient.c.id == bindparam("target"))
    .values(next_at=bindparam("until"))
)
_ACQUIRE_RATE_SLOT = (
    update(_recipient)
    .where(
        _recipient.c.id == bindparam("target"),
        or_(_recipient.c.next_at.is_(None), _recipient.c.next_at <= bindparam("moment")),
    )
    # A sick channel is tried by one message at a time, so nobody else sends before that has ended.
    .values(
        next_at=case(
            (_recipient.c.sick_since.is_not(None), bindparam("ended")), else_=bindparam("until")
        )
    )
)


class LeaseLost(Exception):
    """Another worker has the row, or it was settled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedAttempt:
    """One attempt's outcome, on its way into the ledger.

    ``carried``: deliveries that were sent in the same message, and are settled with it.
    """

    message: Message
    token: str
    outcome: Sent | SendError
    max_age: timedelta
    carried: Sequence[Message] = ()

    @property
    def messages(self) -> Sequence[Message]:
        return (self.message, *self.carried)


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """An attempt that begins: ``messages`` go out as one, to a target that keeps ``pace``.

    ``allowed`` is asked just before; it may ask the database.
    """

    messages: Sequence[Message]
    token: str
    pace: timedelta = timedelta(0)
    allowed: Callable[[], bool] = lambda: True


def settle(db: Database, ended: EndedAttempt) -> list[Next]:
    """Record an outcome with all that follows from it, in one transaction; raises LeaseLost.

    Returns what follows for each of ``ended.messages``.
    """
    jitter = random.random()  # noqa: S311  it spreads load and guards nothing
    with db.begin() as tx:
        follows = [_settle(tx, ended, message, jitter) for message in ended.messages]
        changes: Counter[Change] = Counter()
        for message, following in zip(ended.messages, follows, strict=True):
            if following.state is not DeliveryState.QUEUED:
                changes[message.alert_id, message.lane, TallyKind(following.state.value)] += 1
        add_to_tallies(tx, changes)
    for message, following in zip(ended.messages, follows, strict=True):
        log_attempt(message, following)
    return follows


def start(db: Database, attempt: Start) -> bool:
    """Record that an attempt begins, since a sent message cannot be taken back; raises LeaseLost.

    False where its target takes nothing yet: the messages are put back untried. The pace is one
    conditional update, so it holds for all workers together.
    """
    first, token = attempt.messages[0], attempt.token
    with db.begin() as tx:
        moment = now(tx)
        slot = {
            "target": first.recipient_id,
            "moment": moment,
            "until": moment + attempt.pace,
            "ended": moment + LEASE,
        }
        if first.lane is Lane.FAST and not _changed(tx, _ACQUIRE_RATE_SLOT, slot):
            _defer(tx, attempt.messages, token)
            return False
        for message in attempt.messages:
            _write(tx, message, token, _STARTED, {"moment": moment, "until": moment + LEASE})
    return True


def _defer(tx: Session, messages: Sequence[Message], token: str) -> None:
    recipient_id = messages[0].recipient_id
    next_at = select(Recipient.next_at).where(Recipient.id == recipient_id)
    # A little spread, so that a target's rows do not come back as one.
    spread = timedelta(seconds=random.uniform(0.0, 0.05))  # noqa: S311
    due = (tx.scalar(next_at) or now(tx)) + spread
    for message in messages:
        _write(tx, message, token, _DEFER, {"due": due})


def _settle(tx: Session, ended: EndedAttempt, message: Message, jitter: float) -> Next:
    """One message of an attempt; of several that went out as one, the first counts for its channel."""
    moment = now(tx)
    age, pulse = (
        moment - message.created_at,
        evaluate(tx, message, ended.outcome, counts=message is ended.message),
    )
    attempt = Attempt(
        attempts=message.attempts,
        age=age,
        max_age=ended.max_age,
        jitter=jitter,
        rest=pulse.after.rest,
        tries_if_unknown=_tries_if_unknown(message),
        server_shared=message.lane is Lane.BULK,
    )
    follows = decide_after(ended.outcome, attempt)
    if _left_behind(tx, message):
        follows = replace(follows, reply="", suppress=False)
    elif disabled_for_long(tx, message, ended.outcome):
        follows = replace(follows, suppress=True)
    follows = _unless_doubted(tx, message, follows)
    arrived = moment if isinstance(ended.outcome, Unknown) else None
    if follows.state is DeliveryState.QUEUED:
        again = {
            "due": moment + follows.wait,
            "returned": 0 if follows.counted else 1,
            "reply": follows.reply,
            "arrived": arrived,
        }
        _write(tx, message, ended.token, _REQUEUE, again)
    else:
        settled = {
            "new_state": follows.state,
            "moment": moment,
            "reply": follows.reply,
            "arrived": arrived,
        }
        _write(tx, message, ended.token, _SETTLED, settled)
        if follows.state is not DeliveryState.FAILED:
            _digested(tx, message)
    if isinstance(ended.outcome, RenderError) and follows.state is DeliveryState.FAILED:
        tell_operators_once(tx, message.alert_id, message.id, follows.reply)
    if follows.suppress:
        suppress(tx, message.recipient_id, follows.reply)
    if follows.hold_target:
        _changed(
            tx, _BACK_OFF, {"target": message.recipient_id, "until": moment + follows.hold_target}
        )
    persist(tx, message, pulse, follows.reply)
    return follows


def _tries_if_unknown(message: Message) -> int | None:
    if message.lane is Lane.BULK:
        return MAIL_TRIES_IF_UNKNOWN
    service = SERVICES.get(message.service)
    if service is None:
        return NOTICE_TRIES_IF_UNKNOWN
    return None if service.retry_unknown else 1


def _unless_doubted(tx: Session, message: Message, follows: Next) -> Next:
    """``follows``, unless it ends an address by words that are doubted: then a mail waits, and a
    notice fails alone.
    """
    if not follows.suppress:
        return follows
    if message.notice:
        return replace(follows, suppress=not refusals_are_doubted(tx))
    if hold_instead(tx, message, follows.reply):
        return Next(state=DeliveryState.QUEUED, reply=follows.reply, counted=False)
    return follows


def _left_behind(tx: Session, message: Message) -> bool:
    """Whether its reader was erased or has moved since it was claimed: what is said of that address
    says nothing of them then.
    """
    same = (Recipient.id == message.recipient_id, Recipient.address == message.address)
    return message.sealed_url is None and tx.scalar(select(Recipient.id).where(*same)) is None


def _digested(tx: Session, message: Message) -> None:
    """Whoever got a digest, or may have, has had everything up to there; what another should have
    told stands in the next.
    """
    for subscription_id in message.serves:
        _changed(tx, _DIGESTED, {"served": subscription_id, "upto": message.upto})


def _write(
    tx: Session, message: Message, token: str, statement: Update, values: dict[str, Any]
) -> None:
    """Raises LeaseLost where the row is no longer ours."""
    if not _changed(tx, statement, {"row": message.id, "token": token, **values}):
        raise LeaseLost(message.uid)


def _changed(tx: Session, statement: Update, values: dict[str, Any]) -> int:
    return tx.connection().execute(statement, values).rowcount
