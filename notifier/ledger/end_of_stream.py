"""Announcement that a story has ended: to all followers of that story, whatever their filters and
cadence, but not to followers of all stories, for whom others go on.

A story that is opened and ended again without an entry is announced once to each.
"""

from collections import Counter
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, func, select, update
from sqlalchemy.orm import Session

from models import (
    Alert,
    AlertKind,
    Delivery,
    DeliveryState,
    Entry,
    Lane,
    Recipient,
    RecipientState,
    SkipReason,
    Subscription,
    TallyKind,
)
from models.db.clock import now
from models.db.tallies import Change
from models.recipients.audience import started_before
from models.tables.ledger import MAY_HAVE_BEEN_TOLD
from notifier.ledger.lease import skipped


def replace_earlier(
    tx: Session, alert: Alert, lane: Lane, part: ColumnElement[bool]
) -> Counter[Change]:
    """Skip queued deliveries of an earlier ending; ``part`` is a condition on their recipients.

    A delivery that may have arrived is sent again as it is, with the Message-ID by which mailboxes
    drop a double.
    """
    queued = (
        Delivery.alert_id.in_(_earlier(alert)),
        Delivery.lane == lane,
        Delivery.state == DeliveryState.QUEUED,
        Delivery.may_have_arrived_at.is_(None),
        part,
    )
    skip = (
        update(Delivery)
        .where(*queued)
        .values(skipped(SkipReason.SUPERSEDED, now(tx)))
        .returning(Delivery.alert_id)
    )
    ids = tx.scalars(skip.execution_options(synchronize_session=False))
    return Counter((alert_id, lane, TallyKind.SKIPPED) for alert_id in ids)


def owed_ending(alert: Alert, lane: Lane) -> Select[*tuple[Any, ...]]:
    """Query for (recipient_id, lane, subscription_id): followers that have not got it yet."""
    already_sent = exists().where(
        Delivery.alert_id.in_(_earlier(alert)),
        Delivery.recipient_id == Recipient.id,
        MAY_HAVE_BEEN_TOLD,
    )
    return (
        select(
            Recipient.id.label("recipient_id"),
            Recipient.lane,
            Subscription.id.label("subscription_id"),
        )
        .join(
            Subscription,
            and_(
                Subscription.recipient_id == Recipient.id, Subscription.stream_id == alert.stream_id
            ),
        )
        .where(
            Recipient.lane == lane,
            Recipient.state == RecipientState.CONFIRMED,
            started_before(alert.created_at, alert.public_seq),
            Subscription.ended_at.is_(None),
            ~already_sent,
        )
    )


def _earlier(alert: Alert) -> Select[int]:
    """Earlier endings of the same story, after which no entry came out."""
    last = select(func.max(Entry.seq)).where(Entry.stream_id == alert.stream_id).scalar_subquery()
    same = (Alert.kind == AlertKind.ENDING, Alert.stream_id == alert.stream_id, Alert.id < alert.id)
    return select(Alert.id).where(*same, Alert.seq > func.coalesce(last, 0))
