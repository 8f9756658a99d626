"""Settling: what became of each message goes into the ledger right after its answer, before the
next is sent.

The statements are built once: building one anew costs more than a mail.
"""

import logging
import random
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import Table, bindparam, case, func, or_, select, update
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import Update

from models import Delivery, DeliveryState, Recipient, Subscription, TallyKind
from models.alerts.send_mark import note_sends
from models.db.clock import now
from models.db.database import Database
from models.db.tallies import add_to_tallies
from models.db.write_throttle import WriteThrottle
from models.recipients.audience import suppress
from notifier.ledger.alert_failure import tell_operators_once
from notifier.ledger.attempt_log import log_attempt
from notifier.ledger.breaker import evaluate, persist
from notifier.ledger.claim import Message
from notifier.ledger.db_retry import retry_while_db_unavailable
from notifier.ledger.ended_addresses import disabled_for_long, hold_instead, refusals_are_doubted
from notifier.ledger.lease import LEASE
from notifier.ledger.retry import REPLY, Attempt, Next, decide_after
from notifier.ledger.sent import SentDelivery, SentWriter
from notifier.message.send_errors import RenderError, SendError, Sent, Unknown

log = logging.getLogger(__name__)

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
_NEXT = _ours.values(started_at=bindparam("moment"))
_STARTED = _ours.values(started_at=bindparam("moment"), lease_until=bindparam("until"))
_UNMERGE = update(_delivery).where(_delivery.c.id == bindparam("target")).values(folded_into=None)
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
    """The row is no longer ours: another worker has it, or it was settled."""


@dataclass(slots=True, eq=False)
class _Settlement:
    """One attempt's end on its way into the ledger."""

    message: Message
    token: str
    outcome: Sent | SendError
    max_age: timedelta
    rules: dict[str, Any]
    carried: Sequence[Message] = ()  # others that were told in the same message
    next_id: int | None = None  # the delivery whose attempt begins as this one ends
    follows: Next | None = None
    error: Exception | None = None

    @property
    def told(self) -> Sequence[Message]:
        return (self.message, *self.carried)


class Settler:
    """Writes down what became of attempts, for all threads of a worker.

    Each thread waits until its own answer is committed, so a crash repeats one message a connection
    at most. Those that wait meanwhile go into one transaction: on SQLite only one can write anyway.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        self._throttle = WriteThrottle(db)
        self._sent = SentWriter(db)
        self._pending: list[_Settlement] = []
        self._adding, self._writing = threading.Lock(), threading.Lock()

    def settle(
        self,
        message: Message,
        token: str,
        outcome: Sent | SendError,
        *,
        max_age: timedelta,
        carried: Sequence[Message] = (),
        next_id: int | None = None,
        **rules: Any,
    ) -> Next:
        """Settle an attempt and say what follows; raises LeaseLost.

        ``carried`` were told in the same message, and are settled in the same transaction, which
        also notes that the attempt of the delivery ``next_id``, of the same claim, begins.
        ``rules`` are `Attempt`'s ``tries_if_unknown`` and ``server_shared``.
        """
        own = _Settlement(message, token, outcome, max_age, rules, carried, next_id)
        return retry_while_db_unavailable(lambda: self._try(own))

    def _try(self, own: _Settlement) -> Next:
        own.error = None
        with self._adding:
            self._pending.append(own)
        with self._writing:
            if own.follows is None and own.error is None:
                self._write_pending()
        if own.error is not None:
            raise own.error
        assert own.follows is not None
        return own.follows

    def _write_pending(self) -> None:
        with self._adding:
            batch, self._pending = self._pending, []
        sent = [one for one in batch if isinstance(one.outcome, Sent) and not one.carried]
        try:
            self._write_sent(sent)
        except Exception as exc:
            # one of them, or the database: each for itself then, so that no other suffers from it
            log.debug("what was sent is settled one by one: %s", type(exc).__name__)
        for one in batch:
            if one.follows is None:
                try:
                    self._write_alone(one)
                except Exception as exc:
                    one.error = exc
        note_sends(self._db)

    def _write_sent(self, sent: Sequence[_Settlement]) -> None:
        """What nearly all come to; one that is no longer ours, or of which more is to be written,
        is left as it is.
        """
        if not sent:
            return
        told = [
            SentDelivery(one.message, one.token, cast(Sent, one.outcome).reply[:REPLY], one.next_id)
            for one in sent
        ]
        written = self._sent.write(told)
        for one, its in zip(sent, told, strict=True):
            if its.message.id in written:
                one.follows = Next(state=DeliveryState.SENT, reply=its.reply)
                log_attempt(one.message, one.follows)

    def close(self) -> None:
        """Give the kept connection back; the next settlement takes another."""
        with self._writing:
            self._sent.close()

    def _write_alone(self, one: _Settlement) -> None:
        jitter = random.random()  # noqa: S311  it spreads load and guards nothing
        with self._throttle.writing(), self._db.begin() as tx:
            follows = [_settle(tx, one, message, jitter) for message in one.told]
            if one.next_id is not None:
                _changed(tx, _NEXT, {"row": one.next_id, "token": one.token, "moment": now(tx)})
            ended = (
                (message.alert_id, message.lane, TallyKind(each.state.value))
                for message, each in zip(one.told, follows, strict=True)
                if each.state is not DeliveryState.QUEUED
            )
            add_to_tallies(tx, Counter(ended))
        one.follows = follows[0]
        for message, each in zip(one.told, follows, strict=True):
            log_attempt(message, each)


def _settle(tx: Session, one: _Settlement, message: Message, jitter: float) -> Next:
    """Settle one message of an attempt in all that follows from it; raises LeaseLost. Where its
    channel is judged, the first counts.
    """
    moment = now(tx)
    age, pulse = (
        moment - message.created_at,
        evaluate(tx, message, one.outcome, counts=message is one.message),
    )
    attempt = Attempt(
        attempts=message.attempts,
        age=age,
        max_age=one.max_age,
        jitter=jitter,
        rest=pulse.after.rest,
        **one.rules,
    )
    follows = decide_after(one.outcome, attempt)
    if _left_behind(tx, message):
        follows = replace(follows, reply="", suppress=False)
    elif disabled_for_long(tx, message, one.outcome):
        follows = replace(follows, suppress=True)
    follows = _unless_doubted(tx, message, follows)
    arrived = moment if isinstance(one.outcome, Unknown) else None
    if follows.state is DeliveryState.QUEUED:
        again = {
            "due": moment + follows.wait,
            "returned": 0 if follows.counted else 1,
            "reply": follows.reply,
            "arrived": arrived,
        }
        _write(tx, message, one.token, _REQUEUE, again)
        if one.carried and not isinstance(one.outcome, Unknown):
            _changed(tx, _UNMERGE, {"target": message.id})
    else:
        settled = {
            "new_state": follows.state,
            "moment": moment,
            "reply": follows.reply,
            "arrived": arrived,
        }
        _write(tx, message, one.token, _SETTLED, settled)
        if follows.state is not DeliveryState.FAILED:
            _digested(tx, message)
    if isinstance(one.outcome, RenderError) and follows.state is DeliveryState.FAILED:
        tell_operators_once(tx, message.alert_id, message.id, follows.reply)
    if follows.suppress:
        suppress(tx, message.recipient_id, follows.reply)
    if follows.hold_target:
        _changed(
            tx, _BACK_OFF, {"target": message.recipient_id, "until": moment + follows.hold_target}
        )
    persist(tx, message, pulse, follows.reply)
    return follows


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


def put_off(db: Database, message: Message, token: str, until: datetime) -> None:
    """Put a row back untried, due at ``until`` or a moment later; raises LeaseLost."""
    spread = timedelta(seconds=random.uniform(0.0, 0.05))  # noqa: S311  so that a target's rows do not come back as one
    with db.begin() as tx:
        _write(tx, message, token, _DEFER, {"due": until + spread})


def begin_mail(db: Database, message: Message, token: str) -> bool:
    """Note that the attempt of a mail begins, where no settlement did so; False where its lease is
    lost.
    """
    with db.begin() as tx:
        return _changed(tx, _NEXT, {"row": message.id, "token": token, "moment": now(tx)}) == 1


def begin_attempt(tx: Session, message: Message, token: str, pace: timedelta) -> datetime | None:
    """Note that the attempt begins, since what is sent to a chat cannot be taken back; raises
    LeaseLost.

    Returns None where it may be sent now, else the moment before which the target takes nothing
    more: the pace is one conditional update, so it holds for all workers together.
    """
    moment = now(tx)
    if not _changed(
        tx,
        _ACQUIRE_RATE_SLOT,
        {
            "target": message.recipient_id,
            "moment": moment,
            "until": moment + pace,
            "ended": moment + LEASE,
        },
    ):
        return tx.execute(
            select(Recipient.next_at).where(Recipient.id == message.recipient_id)
        ).scalar_one()
    _write(tx, message, token, _STARTED, {"moment": moment, "until": moment + LEASE})
    return None


def _write(
    tx: Session, message: Message, token: str, statement: Update, values: dict[str, Any]
) -> None:
    """Raises LeaseLost where the row is no longer ours."""
    if not _changed(tx, statement, {"row": message.id, "token": token, **values}):
        raise LeaseLost(message.uid)


def _changed(tx: Session, statement: Update, values: dict[str, Any]) -> int:
    return tx.connection().execute(statement, values).rowcount
