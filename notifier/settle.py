"""Settling: what became of each message goes into the ledger right after its answer, before the next is sent.

The statements are built once: building one anew costs more than a mail.
"""

import random
import threading
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import Table, bindparam, case, or_, select, update
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import Update

from models import Delivery, DeliveryState, Recipient
from models.audience import suppress
from models.clock import now
from models.courtesy import Courtesy
from models.database import Database
from models.tallies import tally
from notifier.breaker import feel, note
from notifier.claim import Message
from notifier.errors import SendError, Sent
from notifier.lease import LEASE
from notifier.retry import Attempt, Next, decide_after

_delivery = cast(Table, Delivery.__table__)
_recipient = cast(Table, Recipient.__table__)
_ours = update(_delivery).where(
    _delivery.c.id == bindparam("row"), _delivery.c.claim_token == bindparam("token"), _delivery.c.state == DeliveryState.CLAIMED
)
_SETTLED = _ours.values(
    state=bindparam("new_state"),
    claim_token=None,
    lease_until=None,
    settled_at=bindparam("moment"),
    last_reply=bindparam("reply"),
)
_AGAIN = _ours.values(
    state=DeliveryState.QUEUED,
    claim_token=None,
    lease_until=None,
    started_at=None,
    due_at=bindparam("due"),
    attempts=_delivery.c.attempts - bindparam("returned"),
    last_reply=bindparam("reply"),
)
_PUT_OFF = _ours.values(
    state=DeliveryState.QUEUED,
    claim_token=None,
    lease_until=None,
    started_at=None,
    due_at=bindparam("due"),
    attempts=_delivery.c.attempts - 1,
)
_STARTED = _ours.values(started_at=bindparam("moment"), lease_until=bindparam("until"))
_HOLD = update(_recipient).where(_recipient.c.id == bindparam("target")).values(next_at=bindparam("until"))
_GRANT = (
    update(_recipient)
    .where(_recipient.c.id == bindparam("target"), or_(_recipient.c.next_at.is_(None), _recipient.c.next_at <= bindparam("moment")))
    # A sick channel is tried by one message at a time, so nobody else sends before that has ended.
    .values(next_at=case((_recipient.c.sick_since.is_not(None), bindparam("ended")), else_=bindparam("until")))
)


class LeaseLost(Exception):
    """The row is no longer ours: another worker has it, or it was settled."""


@dataclass(slots=True)
class _Settlement:
    """One attempt's end on its way into the ledger."""

    message: Message
    token: str
    outcome: Sent | SendError
    max_age: timedelta
    rules: dict[str, Any]
    follows: Next | None = None
    lost: bool = False
    error: Exception | None = None


class Settler:
    """Writes down what became of attempts, for all threads of a worker.

    Each thread waits until its own answer is committed, so a crash repeats one message a connection at most.  Those
    that wait meanwhile go into one transaction: on SQLite only one can write anyway.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        self._courtesy = Courtesy(db)
        self._pending: list[_Settlement] = []
        self._adding, self._writing = threading.Lock(), threading.Lock()

    def settle(self, message: Message, token: str, outcome: Sent | SendError, *, max_age: timedelta, **rules: Any) -> Next:
        """Settle an attempt and say what follows; raises LeaseLost.

        ``rules`` are `Attempt`'s ``tries_if_unknown`` and ``server_shared``.
        """
        own = _Settlement(message, token, outcome, max_age, rules)
        with self._adding:
            self._pending.append(own)
        with self._writing:
            if own.follows is None and own.error is None:
                self._write_pending()
        if own.error is not None:
            raise own.error
        if own.lost:
            raise LeaseLost(message.uid)
        assert own.follows is not None
        return own.follows

    def _write_pending(self) -> None:
        with self._adding:
            batch, self._pending = self._pending, []
        try:
            with self._courtesy.writing(), self._db.begin() as tx:
                for one in batch:
                    _settle(tx, one)
                ended = [(one, one.follows.state) for one in batch if one.follows and not one.lost]
                tally(
                    tx,
                    Counter((one.message.alert_id, one.message.lane, state) for one, state in ended if state is not DeliveryState.QUEUED),
                )
        except Exception as exc:
            for one in batch:
                one.error = exc


def _settle(tx: Session, one: _Settlement) -> None:
    moment, message = now(tx), one.message
    jitter = random.random()  # noqa: S311  it spreads load and guards nothing
    age, pulse = moment - message.created_at, feel(tx, message, one.outcome)
    attempt = Attempt(attempts=message.attempts, age=age, max_age=one.max_age, jitter=jitter, rest=pulse.after.rest, **one.rules)
    one.follows = follows = decide_after(one.outcome, attempt)
    if follows.state is DeliveryState.QUEUED:
        again = {"due": moment + follows.wait, "returned": 0 if follows.counted else 1, "reply": follows.reply}
        one.lost = not _write(tx, message, one.token, _AGAIN, again)
    else:
        settled = {"new_state": follows.state, "moment": moment, "reply": follows.reply}
        one.lost = not _write(tx, message, one.token, _SETTLED, settled)
    if follows.suppress and not one.lost:
        suppress(tx, message.recipient_id, follows.reply)
    if follows.hold_target:
        _changed(tx, _HOLD, {"target": message.recipient_id, "until": moment + follows.hold_target})
    note(tx, message, pulse, follows.reply)


def put_off(db: Database, message: Message, token: str, until: datetime) -> None:
    """Put a row back untried, due at ``until`` or a moment later; raises LeaseLost."""
    spread = timedelta(seconds=random.uniform(0.0, 0.05))  # noqa: S311  so that a target's rows do not come back as one
    with db.begin() as tx:
        if not _write(tx, message, token, _PUT_OFF, {"due": until + spread}):
            raise LeaseLost(message.uid)


def begin_attempt(db: Database, message: Message, token: str, pace: timedelta) -> datetime | None:
    """Commit that the attempt begins, since what is sent to a chat cannot be taken back; raises LeaseLost.

    Returns None where it may be sent now, else the moment before which the target takes nothing more: the pace is
    one conditional update, so it holds for all workers together.
    """
    with db.begin() as tx:
        moment = now(tx)
        if not _changed(tx, _GRANT, {"target": message.recipient_id, "moment": moment, "until": moment + pace, "ended": moment + LEASE}):
            return tx.execute(select(Recipient.next_at).where(Recipient.id == message.recipient_id)).scalar_one()
        if not _write(tx, message, token, _STARTED, {"moment": moment, "until": moment + LEASE}):
            raise LeaseLost(message.uid)
        return None


def _write(tx: Session, message: Message, token: str, statement: Update, values: dict[str, Any]) -> bool:
    """False where the row is no longer ours."""
    return _changed(tx, statement, {"row": message.id, "token": token, **values}) == 1


def _changed(tx: Session, statement: Update, values: dict[str, Any]) -> int:
    return tx.connection().execute(statement, values).rowcount
