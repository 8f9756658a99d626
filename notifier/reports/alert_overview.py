"""One alert in full: its progress by lane and service, failures, and why it waits."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from models import (
    Alert,
    AlertKind,
    AlertState,
    Delivery,
    DeliveryState,
    Lane,
    Recipient,
    Revision,
    Tally,
    TallyKind,
)
from models.db.approval_rules import NEEDS_SECOND_EDITOR
from models.db.clock import now
from models.text.errors import NotFound
from notifier.ledger.ledger_sql import IN_TROUBLE
from notifier.ledger.pause import LATE_HOURS
from notifier.reports.delivery_report import (
    ENDED,
    DeliveryLine,
    alert_sums,
    delivery_line,
    numbers,
    why_waiting,
)
from notifier.reports.estimate import Estimate, ProgressSample, estimate

MAX_REASONS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """``sums`` are those of `alert_sums`; ``services``: mail as one, each kind of channel as one;
    ``troubles``: the latest.
    """

    sums: dict[str, Any]
    lanes: dict[str, dict[str, int]]
    services: dict[str, dict[str, int]]
    troubles: list[DeliveryLine]
    reasons: list[str]
    average: Estimate  # since it was made, or resumed
    folded: bool  # only its sums are left

    @property
    def done(self) -> bool:
        """Whether every delivery has ended."""
        return is_done(self.sums)

    @property
    def ended(self) -> int:
        """Deliveries that have ended, in any way."""
        return int(self.sums["owed"] - self.sums["queued"])


def is_done(sums: Mapping[str, Any]) -> bool:
    """Whether every delivery of an alert has ended, by the values of `alert_sums`."""
    return bool(sums["expanded"] or sums["stopped_at"]) and sums["queued"] <= 0


def overview(tx: Session, alert_id: int, *, troubles: int = 50) -> Overview:
    """Overview of one alert; the cost depends on its channels and failures, not on its mails."""
    alert = tx.get(Alert, alert_id)
    if alert is None:
        raise NotFound("alert", str(alert_id))
    (sums,) = alert_sums(tx, 1, alert_id=alert_id)
    lanes = _lanes(tx, alert_id)
    seconds = (now(tx) - (alert.resumed_at or alert.created_at)).total_seconds()
    looks = [ProgressSample(0.0, 0), ProgressSample(seconds, sums["owed"] - sums["queued"])]
    return Overview(
        sums=sums,
        lanes={lane.value: counts for lane, counts in lanes.items()},
        services=_services(tx, alert, lanes),
        troubles=_troubles(tx, alert_id, troubles),
        reasons=[] if is_done(sums) else _reasons(tx, alert, sums),
        folded=alert.state is AlertState.COMPACTED,
        average=estimate(looks, sums["owed"] if sums["expanded"] else None, window=math.inf),
    )


def _lanes(tx: Session, alert_id: int) -> dict[Lane, dict[str, int]]:
    query = (
        select(Tally.lane, Tally.kind, func.sum(Tally.number))
        .where(Tally.alert_id == alert_id)
        .group_by(Tally.lane, Tally.kind)
    )
    sums_by_lane: dict[Lane, dict[TallyKind, int]] = {}
    for lane, kind, number in tx.execute(query):
        sums_by_lane.setdefault(lane, {})[kind] = int(number)
    return {lane: numbers(sums_by_lane[lane]) for lane in Lane if lane in sums_by_lane}


def _services(
    tx: Session, alert: Alert, lanes: Mapping[Lane, dict[str, int]]
) -> dict[str, dict[str, int]]:
    """Sums by service. Mail is tallied; channels are few, so their deliveries are counted."""
    by_service = {"mail": lanes[Lane.BULK]} if Lane.BULK in lanes else {}
    if Lane.FAST not in lanes or alert.state is AlertState.COMPACTED:
        return by_service
    query = (
        select(Recipient.service, Delivery.state, func.count())
        .join(Delivery, Delivery.recipient_id == Recipient.id)
        .where(Delivery.alert_id == alert.id, Delivery.lane == Lane.FAST)
        .group_by(Recipient.service, Delivery.state)
    )
    if alert.kind is not AlertKind.NOTICE:  # a notice goes to few, and by mail, too
        query = query.where(
            Delivery.recipient_id.in_(select(Recipient.id).where(Recipient.lane == Lane.FAST))
        )
    counts: dict[str, dict[TallyKind, int]] = {}
    for service, state, number in tx.execute(query.order_by(Recipient.service)):
        of_service = counts.setdefault(service, {TallyKind.OWED: 0})
        of_service[TallyKind.OWED] += number
        if state in ENDED:
            of_service[TallyKind(state.value)] = number
    return by_service | {service: numbers(sums) for service, sums in counts.items()}


def _troubles(tx: Session, alert_id: int, limit: int) -> list[DeliveryLine]:
    ids = tx.scalars(
        select(Delivery.id)
        .where(Delivery.alert_id == alert_id, IN_TROUBLE)
        .order_by(Delivery.id.desc())
        .limit(limit)
    ).all()
    query = (
        select(
            Delivery,
            Recipient.kind,
            Recipient.address,
            Recipient.service,
            Recipient.masked_url,
            func.coalesce(Revision.no, 0),
        )
        .join(Recipient, Recipient.id == Delivery.recipient_id)
        .join(Alert, Alert.id == Delivery.alert_id)
        .outerjoin(Revision, Revision.id == Alert.revision_id)
        .where(Delivery.id.in_(ids))
        .order_by(Delivery.id.desc())
    )
    return [delivery_line(*row) for row in tx.execute(query)]


def _tried_again(tx: Session, alert_id: int) -> list[str]:
    """Replies of channels to which a message is tried again; for mail the pause has the reason."""
    query = select(Recipient.address, Delivery.last_reply).join(
        Recipient, Recipient.id == Delivery.recipient_id
    )
    waits = (
        Delivery.alert_id == alert_id,
        Delivery.state == DeliveryState.QUEUED,
        Delivery.last_reply.is_not(None),
    )
    channels = Delivery.recipient_id.in_(select(Recipient.id).where(Recipient.lane == Lane.FAST))
    rows = tx.execute(query.where(*waits, channels).order_by(Delivery.id).limit(MAX_REASONS))
    return [f"{address} is tried again: {reply}" for address, reply in rows]


def _reasons(tx: Session, alert: Alert, sums: Mapping[str, Any]) -> list[str]:
    if alert.state is AlertState.STOPPED:
        return [f"This alert was stopped at {alert.stopped_at:%Y-%m-%d %H:%M} UTC."]
    if alert.state is AlertState.WAITING_FOR_APPROVAL:
        approver = "a second editor" if alert.waits_for == NEEDS_SECOND_EDITOR else "an editor"
        return [f"This alert waits on the desk until {approver} lets it go."]
    reasons = []
    if alert.state is AlertState.HELD:
        reasons.append(
            f"This alert is held: it would come more than {LATE_HOURS} hours late. Resume or stop"
            " it."
        )
    if not sums["expanded"]:
        reasons.append("Recipients are still being found.")
    reasons += _tried_again(tx, alert.id)
    return reasons + why_waiting(tx, alerts=False)
