"""Foretelling: how many would be told of something if it went out now, and which channels; in one
query each, whoever follows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import and_, case, func, select
from sqlalchemy.orm import Session

from models.db.clock import now
from models.recipients.audience import (
    AlertTopic,
    eligible_recipients,
    subscribers_query,
    wants_immediately,
)
from models.tables.ledger import MAY_HAVE_BEEN_TOLD, Alert, Delivery, Recipient, RecipientKind
from models.tables.stories import Entry, Revision

_NOBODY = dict.fromkeys(RecipientKind, 0)


@dataclass(frozen=True)
class Forecast:
    """Recipients that get an alert at once, by kind; that read it in a digest; and that have
    paused.
    """

    told: Mapping[RecipientKind, int]
    digest: int = 0
    paused: int = 0

    @property
    def all(self) -> int:
        """Recipients of every kind."""
        return sum(self.told.values())


def forecast(tx: Session, topic: AlertTopic) -> Forecast:
    """Forecast for an alert that goes out now. Quiet hours are ignored: they only delay."""
    chosen = (
        subscribers_query(topic)
        .add_columns(func.max(case((wants_immediately(topic), 1), else_=0)).label("at_once"))
        .subquery()
    )
    waits = and_(
        chosen.c.at_once == 1, Recipient.paused_until.is_not(None), Recipient.paused_until > now(tx)
    )
    sums = (func.count(), func.sum(chosen.c.at_once), func.sum(case((waits, 1), else_=0)))
    query = (
        select(Recipient.kind, *sums)
        .select_from(chosen)
        .join(Recipient, Recipient.id == chosen.c.recipient_id)
    )
    rows = tx.execute(query.group_by(Recipient.kind)).all()
    return Forecast(
        told=_NOBODY
        | {kind: wants_immediately - paused for kind, _, wants_immediately, paused in rows},
        digest=sum(wanted - wants_immediately for _, wanted, wants_immediately, _ in rows),
        paused=sum(paused for *_, paused in rows),
    )


def forecast_retraction(tx: Session, entry: Entry) -> Forecast:
    """Forecast for a retraction, which goes to those who got the entry."""
    query = select(Recipient.kind, func.count(Delivery.recipient_id.distinct())).join(
        Delivery, Delivery.recipient_id == Recipient.id
    )
    query = query.join(Alert, Alert.id == Delivery.alert_id).join(
        Revision, Revision.id == Alert.revision_id
    )
    rows = tx.execute(
        query.where(Revision.entry_id == entry.id, MAY_HAVE_BEEN_TOLD).group_by(Recipient.kind)
    ).all()
    return Forecast(_NOBODY | {kind: number for kind, number in rows})  # noqa: C416  rows are no pairs to the type checker


def channels_owed(tx: Session, topic: AlertTopic, limit: int) -> Sequence[Recipient]:
    """The first channels that would be told, by name."""
    chosen = eligible_recipients(topic).where(Recipient.kind == RecipientKind.CHANNEL).subquery()
    query = select(Recipient).join(chosen, chosen.c.recipient_id == Recipient.id)
    return tx.scalars(query.order_by(func.lower(Recipient.address)).limit(limit)).all()
