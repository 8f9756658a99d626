"""Recipients that a digest has told of an entry: derived, since the ledger does not store it."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, func, or_, select
from sqlalchemy.orm import Session

from models import Alert, AlertKind, Delivery, DeliveryState, Revision, RevisionKind
from models.recipients.audience import digest_subscribers_query
from models.tables.ledger import IS_DIGEST, MAY_HAVE_BEEN_TOLD, TOLD_STATE
from notifier.ledger.alert_context import AlertContext

READ_AHEAD = timedelta(seconds=30)
"""Time before it is settled when a digest may have been read: it holds an entry that was hidden
only afterwards."""


def recipients_reached_by_digest(
    tx: Session, about: AlertContext
) -> Select[*tuple[Any, ...]] | None:
    """Query for (recipient_id, lane, subscription_id, state): the digests that have told, or may
    have, of the entry's earlier alerts.

    These are subscribers to digests of the entry that got one which reaches so far and was read
    before the entry was hidden. None where no digest reaches so far.
    """
    if not about.earlier:
        return None
    earlier = select(
        func.min(Alert.id),
        func.min(Alert.seq),
        func.min(Alert.created_at),
        func.min(Alert.public_seq),
    ).where(Alert.id.in_(about.earlier))
    first_id, first_seq, out_at, public_seq = tx.execute(earlier).one()
    # no alert was made, or it is older than digests
    if first_id is None or first_seq is None or out_at is None:
        return None
    reaches = (Alert.kind == AlertKind.DIGEST, Alert.seq >= first_seq)
    if tx.scalar(select(Alert.id).where(*reaches).limit(1)) is None:
        return None
    followers = digest_subscribers_query(
        about.topic(tx), first_seq, confirmed_by=out_at, before_seq=public_seq
    ).subquery()
    query = (
        select(
            followers.c.recipient_id,
            followers.c.lane,
            followers.c.subscription_id,
            TOLD_STATE.label("state"),
        )
        .join(Delivery, Delivery.recipient_id == followers.c.recipient_id)
        .join(Alert, Alert.id == Delivery.alert_id)
        .where(
            IS_DIGEST,
            Delivery.alert_id > first_id,
            *reaches,
            MAY_HAVE_BEEN_TOLD,
        )
    )
    hidden_at = _hidden_at(tx, about)
    if hidden_at is None:
        return query
    arrived_at = func.coalesce(Delivery.may_have_arrived_at, Delivery.settled_at)
    return query.where(
        or_(Delivery.state == DeliveryState.CLAIMED, arrived_at <= hidden_at + READ_AHEAD)
    )


def _hidden_at(tx: Session, about: AlertContext) -> datetime | None:
    """A retraction hides its entry at once, and alerts when its undo time is over."""
    if about.kind is not RevisionKind.RETRACTION:
        return None
    query = (
        select(Revision.created_at)
        .join(Alert, Alert.revision_id == Revision.id)
        .where(Alert.id == about.alert_id)
    )
    return tx.execute(query).scalar_one()
