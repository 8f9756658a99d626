"""Subscriptions as the rules of digests want them, many in a few statements."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import InstrumentedAttribute, Session

from models import Subscription, SubscriptionExcept, SubscriptionTag
from models.recipients.deciding import Wanted
from notifier.ledger.ledger_sql import among

COLUMNS: tuple[InstrumentedAttribute[Any], ...] = (
    Subscription.id,
    Subscription.recipient_id,
    Subscription.stream_id,
    Subscription.least_importance,
    Subscription.news,
    Subscription.corrections,
    Subscription.cadence,
    Subscription.at_once_from,
    Subscription.every_minutes,
    Subscription.digest_time,
    Subscription.digest_day,
    Subscription.next_digest_at,
    Subscription.digested_seq,
    Subscription.created_at,
    Subscription.started_seq,
)


def wanted_by(tx: Session, subscriptions: Sequence[Any]) -> dict[int, Wanted]:
    """What each wants, by its id; ``subscriptions`` are rows with `COLUMNS`."""
    ids = [one.id for one in subscriptions]
    tagged = select(SubscriptionTag.subscription_id, SubscriptionTag.slug).where(
        among(tx, SubscriptionTag.subscription_id, ids)
    )
    tags = _sets(tx.execute(tagged))
    to_all = [one.id for one in subscriptions if one.stream_id is None]
    left = select(SubscriptionExcept.subscription_id, SubscriptionExcept.stream_id)
    left_out = (
        _sets(tx.execute(left.where(among(tx, SubscriptionExcept.subscription_id, to_all))))
        if to_all
        else {}
    )
    return {
        one.id: Wanted(
            created_at=one.created_at,
            started_seq=one.started_seq,
            stream_id=one.stream_id,
            least_importance=one.least_importance,
            left_out=frozenset(left_out.get(one.id, ())),
            tags=frozenset(tags.get(one.id, ())),
            news=one.news,
            corrections=one.corrections,
            cadence=one.cadence,
            at_once_from=one.at_once_from,
        )
        for one in subscriptions
    }


def _sets(rows: Iterable[Any]) -> dict[int, set[Any]]:
    found: dict[int, set[Any]] = {}
    for id_, value in rows:
        found.setdefault(id_, set()).add(value)
    return found
