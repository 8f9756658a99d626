"""Merging: where much is owed to one chat channel, one message tells it all, so that nobody is
flooded after an outage.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence

from sqlalchemy import Select, func, select, update
from sqlalchemy.orm import Session

from models import Alert, AlertKind, Delivery, DeliveryState, Lane
from models.db.database import Database
from notifier.ledger.claim import Message, claim_also
from notifier.ledger.lease import QUEUED
from notifier.ledger.ledger_sql import among, changed
from notifier.services import SERVICES

MERGE_ABOVE = 5
"""Messages that a channel gets one by one; more are merged."""
MAX_MERGED = 40
"""Messages in one: what is owed beyond them goes into the next."""


def merge(db: Database, messages: Sequence[Message], token: str) -> list[list[Message]]:
    """Messages of a claim as groups that go out as one each, in the order of the claim.

    Others that wait for the same channels, whenever they are due, are claimed by the same token.
    """
    by_channel: defaultdict[int, list[Message]] = defaultdict(list)
    for message in messages:
        if _may_merge(message):
            by_channel[message.recipient_id].append(message)
    if not by_channel:
        return [[message] for message in messages]
    with db.read() as tx:
        waiting: defaultdict[int, list[int]] = defaultdict(list)
        for recipient_id, delivery_id in tx.execute(_waiting(by_channel)):
            waiting[recipient_id].append(delivery_id)
    groups: dict[int, list[list[Message]]] = {}
    for recipient_id, mine in by_channel.items():
        ids = waiting[recipient_id][: max(0, MAX_MERGED - len(mine))]
        if len(mine) + len(ids) > MERGE_ABOVE:
            groups[recipient_id] = _groups(mine + _claim(db, ids, token, len(mine)))
    merged: list[list[Message]] = []
    for message in messages:
        if not _may_merge(message) or message.recipient_id not in groups:
            merged.append([message])
        else:
            merged += groups[message.recipient_id]
            groups[message.recipient_id] = []
    return merged


def _may_merge(message: Message) -> bool:
    service = SERVICES.get(message.service)
    return message.kind is AlertKind.REVISION and service is not None and service.folds


def _groups(messages: Sequence[Message]) -> list[list[Message]]:
    ordered = sorted(messages, key=lambda message: message.id)
    groups: list[list[Message]] = []
    for start in range(0, len(ordered), MAX_MERGED):
        group = ordered[start : start + MAX_MERGED]
        if len(group) > MERGE_ABOVE:
            groups.append(group)
        else:
            groups += [[message] for message in group]
    return groups


def _claim(db: Database, ids: Sequence[int], token: str, mine: int) -> list[Message]:
    """Claim more for a channel, unless too few of them are still wanted: those may not be due."""
    if not ids:
        return []
    with db.begin() as tx:
        which = select(Delivery.id).where(among(tx, Delivery.id, ids))
        more = claim_also(tx, Lane.FAST, which, token)
        if mine + len(more) > MERGE_ABOVE:
            return more
        _put_back(tx, more)
    return []


def _waiting(recipient_ids: Collection[int]) -> Select[int, int]:
    """Queued deliveries of these channels, the oldest of each; those that tell no entry, or are
    held, stay by themselves.
    """
    place = func.row_number().over(partition_by=Delivery.recipient_id, order_by=Delivery.id)
    queued = (
        select(Delivery.recipient_id, Delivery.id, place.label("place"))
        .join(Alert, Alert.id == Delivery.alert_id)
        .where(
            Delivery.recipient_id.in_(recipient_ids),
            Delivery.state == DeliveryState.QUEUED,
            Delivery.lane == Lane.FAST,
            Alert.kind == AlertKind.REVISION,
            Delivery.held_at.is_(None),
        )
        .subquery()
    )
    return select(queued.c.recipient_id, queued.c.id).where(queued.c.place <= MAX_MERGED)


def _put_back(tx: Session, messages: Sequence[Message]) -> None:
    ids = [message.id for message in messages]
    back = {**QUEUED, "attempts": Delivery.attempts - 1}
    changed(tx, update(Delivery).where(among(tx, Delivery.id, ids)).values(back))
