"""Recipients of each alert of an entry: by channel, and in numbers for mail, which may go to a
million.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session

from models import (
    Alert,
    AlertState,
    Delivery,
    DeliveryState,
    Lane,
    Recipient,
    RecipientKind,
    Revision,
    RevisionKind,
    SkipReason,
    Tally,
    TallyKind,
)
from notifier.ledger.ledger_sql import IN_TROUBLE
from notifier.reports.delivery_report import DeliveryLine, delivery_line, numbers

MOST_CHANNELS = 200  # lines
# mails of an alert of which the reasons why some were skipped are counted: no number of it is kept
MOST_COUNTED = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Recipients of one alert. ``sums`` and ``mail`` are as in `alert_sums`; ``failed``: mails, the
    latest; ``skipped``: mails by reason.
    """

    alert_id: int
    revision_no: int
    kind: RevisionKind | None
    stopped: bool
    sums: dict[str, int]
    mail: dict[str, int]
    channels: list[DeliveryLine]
    failed: list[DeliveryLine]
    skipped: dict[SkipReason, int]

    @property
    def missed(self) -> int:
        """Deliveries that may be sent again."""
        return self.sums["failed"]


def reach(
    tx: Session, *, entry_id: int | None = None, alert_id: int | None = None, failed: int = 50
) -> list[Reach]:
    """Alerts of an entry, the latest first, or one alert; the number of queries does not depend on
    their number.

    The cost depends on the number of channels and of failures, not on that of mails.
    """
    query = select(Alert.id, Alert.state, Revision.no, Revision.kind).outerjoin(
        Revision, Revision.id == Alert.revision_id
    )
    which = Alert.id == alert_id if entry_id is None else Revision.entry_id == entry_id
    alerts = tx.execute(query.where(which).order_by(Alert.id.desc())).all()
    ids = [alert.id for alert in alerts]
    lanes = _tallies(tx, ids)
    channels = _channels(tx, ids)
    troubles = _failed(tx, ids, failed)
    sums = {id_: numbers(_sum(lanes.get(id_, {}).values())) for id_ in ids}
    mail = {id_: numbers(lanes.get(id_, {}).get(Lane.BULK, {})) for id_ in ids}
    skipped = _skipped(
        tx, [id_ for id_ in ids if mail[id_]["skipped"] and mail[id_]["owed"] <= MOST_COUNTED]
    )
    return [
        Reach(
            alert_id=alert.id,
            revision_no=alert.no or 0,
            kind=alert.kind,
            stopped=alert.state is AlertState.STOPPED,
            sums=sums[alert.id],
            mail=mail[alert.id],
            channels=channels.get(alert.id, []),
            failed=troubles.get(alert.id, []),
            skipped=skipped.get(alert.id, {}),
        )
        for alert in alerts
    ]


def _sum(lanes: Iterable[dict[TallyKind, int]]) -> dict[TallyKind, int]:
    total = Counter[TallyKind]()
    for counts in lanes:
        total.update(counts)
    return total


def _tallies(tx: Session, ids: Sequence[int]) -> dict[int, dict[Lane, dict[TallyKind, int]]]:
    query = (
        select(Tally.alert_id, Tally.lane, Tally.kind, func.sum(Tally.number))
        .where(Tally.alert_id.in_(ids))
        .group_by(Tally.alert_id, Tally.lane, Tally.kind)
    )
    sums: dict[int, dict[Lane, dict[TallyKind, int]]] = {}
    for alert_id, lane, kind, number in tx.execute(query):
        sums.setdefault(alert_id, {}).setdefault(lane, {})[kind] = int(number)
    return sums


def _channels(tx: Session, ids: Sequence[int]) -> dict[int, list[DeliveryLine]]:
    """Deliveries to channels, found by the unique index from the channels, which are few."""
    channels = select(Recipient.id).where(Recipient.lane == Lane.FAST)
    query = _lines(Delivery.alert_id.in_(ids), Delivery.recipient_id.in_(channels)).order_by(
        func.lower(Recipient.address)
    )
    return _by_alert(tx, query.limit(MOST_CHANNELS * max(len(ids), 1)))


def _failed(tx: Session, ids: Sequence[int], limit: int) -> dict[int, list[DeliveryLine]]:
    query = (
        select(Delivery.id)
        .where(Delivery.alert_id.in_(ids), IN_TROUBLE, Delivery.lane == Lane.BULK)
        .order_by(Delivery.id.desc())
    )
    delivery_ids = tx.scalars(query.limit(limit)).all()
    return _by_alert(tx, _lines(Delivery.id.in_(delivery_ids)).order_by(Delivery.id.desc()))


def _skipped(tx: Session, ids: Sequence[int]) -> dict[int, dict[SkipReason, int]]:
    query = select(Delivery.alert_id, Delivery.reason, func.count()).group_by(
        Delivery.alert_id, Delivery.reason
    )
    skipped = (
        Delivery.alert_id.in_(ids),
        Delivery.state == DeliveryState.SKIPPED,
        Delivery.lane == Lane.BULK,
    )
    by_alert: dict[int, dict[SkipReason, int]] = {}
    for alert_id, reason, number in tx.execute(query.where(*skipped)) if ids else ():
        if reason is not None:
            by_alert.setdefault(alert_id, {})[reason] = number
    return by_alert


def _lines(*which: ColumnElement[bool]) -> Select[Delivery, RecipientKind, str, str, str, int]:
    query = select(
        Delivery,
        Recipient.kind,
        Recipient.address,
        Recipient.service,
        Recipient.masked_url,
        func.coalesce(Revision.no, 0),
    )
    query = query.join(Recipient, Recipient.id == Delivery.recipient_id).join(
        Alert, Alert.id == Delivery.alert_id
    )
    return query.outerjoin(Revision, Revision.id == Alert.revision_id).where(*which)


def _by_alert(
    tx: Session, query: Select[Delivery, RecipientKind, str, str, str, int]
) -> dict[int, list[DeliveryLine]]:
    lines: dict[int, list[DeliveryLine]] = {}
    for row in tx.execute(query):
        lines.setdefault(row[0].alert_id, []).append(delivery_line(*row))
    return lines
