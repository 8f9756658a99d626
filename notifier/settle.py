"""Settling: what became of each message goes into the ledger right after its answer, before the next is sent."""

import random
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from models import Delivery, DeliveryState, Recipient
from models.audience import suppress
from models.clock import now
from models.database import Database
from notifier.claim import Message
from notifier.errors import SendError, Sent
from notifier.lease import LEASE, QUEUED
from notifier.retry import Attempt, Next, decide_after
from notifier.sql import changed


class LeaseLost(Exception):
    """The row is no longer ours: another worker has it, or it was settled."""


def settle(db: Database, message: Message, token: str, outcome: Sent | SendError, *, max_age: timedelta, **rules: Any) -> Next:
    """Write down what became of an attempt and what follows; raises LeaseLost.

    ``rules`` are `Attempt`'s ``tries_if_unknown`` and ``server_shared``.
    """
    with db.begin() as tx:
        age = now(tx) - message.created_at
        jitter = random.random()  # noqa: S311  it spreads load and guards nothing
        follows = decide_after(outcome, Attempt(attempts=message.attempts, age=age, max_age=max_age, jitter=jitter, **rules))
        if follows.suppress:
            suppress(tx, message.recipient_id, follows.reply)
        if follows.hold_target:
            tx.execute(update(Recipient).where(Recipient.id == message.recipient_id).values(next_at=now(tx) + follows.hold_target))
        _write(tx, message, token, _values(follows, now(tx)))
        return follows


def put_off(db: Database, message: Message, token: str, until: datetime) -> None:
    """Put a row back untried, due at ``until`` or a moment later; raises LeaseLost."""
    spread = timedelta(seconds=random.uniform(0.0, 0.05))  # noqa: S311  so that a target's rows do not come back as one
    with db.begin() as tx:
        _write(tx, message, token, {**QUEUED, "due_at": until + spread, "attempts": Delivery.attempts - 1})


def begin_attempt(db: Database, message: Message, token: str, pace: timedelta) -> datetime | None:
    """Commit that the attempt begins, since what is sent to a chat cannot be taken back; raises LeaseLost.

    Returns None where it may be sent now, else the moment before which the target takes nothing more: the pace is
    one conditional update, so it holds for all workers together.
    """
    with db.begin() as tx:
        free = or_(Recipient.next_at.is_(None), Recipient.next_at <= now(tx))
        grant = update(Recipient).where(Recipient.id == message.recipient_id, free).values(next_at=now(tx) + pace)
        if not changed(tx, grant):
            return tx.execute(select(Recipient.next_at).where(Recipient.id == message.recipient_id)).scalar_one()
        _write(tx, message, token, {"started_at": now(tx), "lease_until": now(tx) + LEASE})
        return None


def _values(follows: Next, moment: datetime) -> dict[str, Any]:
    if follows.state is DeliveryState.QUEUED:
        back = {} if follows.counted else {"attempts": Delivery.attempts - 1}
        return {**QUEUED, **back, "due_at": moment + follows.wait, "last_reply": follows.reply}
    return {"state": follows.state, "claim_token": None, "lease_until": None, "settled_at": moment, "last_reply": follows.reply}


def _write(tx: Session, message: Message, token: str, values: dict[str, Any]) -> None:
    ours = (Delivery.id == message.id, Delivery.claim_token == token, Delivery.state == DeliveryState.CLAIMED)
    if not changed(tx, update(Delivery).where(*ours).values(values)):
        raise LeaseLost(message.uid)
