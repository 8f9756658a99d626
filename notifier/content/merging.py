"""Folding: where much is owed to one chat channel, one message tells it all, so that nobody is
flooded after an outage.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Select, select, update
from sqlalchemy.orm import Session

from models import Alert, AlertKind, Delivery, DeliveryState, Lane
from models.db.clock import now
from models.db.database import Database
from notifier.ledger.claim import Message, claim_also
from notifier.ledger.lease import LEASE, QUEUED
from notifier.ledger.ledger_sql import among, changed
from notifier.ledger.settle import LeaseLost, begin_attempt
from notifier.services.base import Service

FOLD_ABOVE = 5
MOST = 40
"""Messages in one: what is owed beyond them goes into the next, so that the transaction stays short."""


@dataclass(frozen=True, slots=True)
class Begun:
    """An attempt whose beginning is committed: what it tells, in order, and the uid that it bears
    on every attempt.
    """

    messages: tuple[Message, ...]
    uid: str


def begin(
    db: Database, message: Message, token: str, service: Service, mine: Sequence[Message]
) -> Begun | datetime:
    """Begin to send a message, with what else is owed to its channel if that is much; or the moment
    before which it must wait.

    ``mine`` are those of the same claim and channel that were not begun yet.  Raises LeaseLost.
    """
    with db.begin() as tx:
        until = begin_attempt(tx, message, token, timedelta(seconds=service.pace_seconds))
        if until is not None:
            return until
        if not service.folds or message.kind is not AlertKind.REVISION:
            return Begun((message,), message.uid)
        return _gather(tx, message, token, [one for one in mine if one.kind is AlertKind.REVISION])


def _gather(tx: Session, message: Message, token: str, mine: Sequence[Message]) -> Begun:
    leader = message.folded_into or message.id
    mine = sorted(
        _still_ours(tx, mine, token), key=lambda one: leader not in (one.id, one.folded_into)
    )[: MOST - 1]
    queued = tx.execute(_owed(message).limit(MOST - 1 - len(mine))).all()
    known = [(one.id, one.folded_into) for one in mine] + [
        (row.id, row.folded_into) for row in queued
    ]
    # What may have arrived together is told together again, and nothing else with it: its receiver
    # drops it as a double.
    again = {id_ for id_, into in known if leader in (id_, into)}
    together = again or {id_ for id_, into in known if into is None and message.folded_into is None}
    others: list[Message] = []
    if again or len(together) >= FOLD_ABOVE:
        here = [one for one in mine if one.id in together]
        more = claim_also(
            tx, Lane.FAST, _these(tx, [row.id for row in queued if row.id in together]), token
        )
        if again or len(here) + len(more) >= FOLD_ABOVE:
            others = here + more
            _begin(tx, others, leader, token)
        else:
            _put_back(tx, more)
    uid = (
        message.uid
        if leader == message.id
        else tx.execute(select(Delivery.uid).where(Delivery.id == leader)).scalar_one()
    )
    return Begun(tuple(sorted([message, *others], key=lambda one: one.id)), uid)


def _owed(message: Message) -> Select[int, int | None]:
    """What else waits for the same channel, whenever it is due; what tells no entry, and what is
    held, stays by itself.
    """
    queued = (
        Delivery.recipient_id == message.recipient_id,
        Delivery.state == DeliveryState.QUEUED,
        Delivery.lane == Lane.FAST,
    )
    query = select(Delivery.id, Delivery.folded_into).join(Alert, Alert.id == Delivery.alert_id)
    return query.where(
        *queued, Alert.kind == AlertKind.REVISION, Delivery.held_at.is_(None)
    ).order_by(Delivery.id)


def _these(tx: Session, ids: Sequence[int]) -> Select[int]:
    return select(Delivery.id).where(among(tx, Delivery.id, ids))


def _still_ours(tx: Session, mine: Sequence[Message], token: str) -> list[Message]:
    """Without those that another thread, whose pass has ended, has given back meanwhile; locked."""
    if not mine:
        return []
    query = select(Delivery.id).where(
        among(tx, Delivery.id, [one.id for one in mine]), Delivery.claim_token == token
    )
    ours = set(tx.scalars(query.with_for_update()))
    return [one for one in mine if one.id in ours]


def _begin(tx: Session, others: Sequence[Message], leader: int, token: str) -> None:
    begun = {"started_at": now(tx), "lease_until": now(tx) + LEASE, "folded_into": leader}
    ours = (among(tx, Delivery.id, [one.id for one in others]), Delivery.claim_token == token)
    if changed(tx, update(Delivery).where(*ours).values(begun)) != len(others):
        raise LeaseLost(others[0].uid)


def _put_back(tx: Session, messages: Sequence[Message]) -> None:
    back = {**QUEUED, "attempts": Delivery.attempts - 1}
    changed(
        tx,
        update(Delivery).where(among(tx, Delivery.id, [one.id for one in messages])).values(back),
    )
