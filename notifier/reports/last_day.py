"""The last 24 hours in numbers, for the desk: by story, and hour by hour."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, and_, func, select
from sqlalchemy.orm import Session

from models import Alert, Delivery, DeliveryState, Entry, Recipient, Revision, Tally, TallyKind
from models.db.clock import now
from models.db.tallies import pending_deliveries
from models.tables.ledger import Lane, RecipientKind, RecipientState

HOURS = 24
MAX_FAILING_CHANNELS = 10


@dataclass(frozen=True, slots=True)
class LastDay:
    """Sums of the alerts that were made within 24 hours, of any kind; ``begins``: each hour's
    beginning, the present one last.

    ``sent`` and ``failed`` are by the hour in which the alert was made; ``owed_of`` and
    ``failed_of`` by the ids of streams.
    """

    begins: Sequence[datetime]
    sent: Sequence[int]
    failed: Sequence[int]
    unknown: int
    owed: int
    owed_of: Mapping[int, int]
    failed_of: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class FailingChannel:
    """A channel that no message reaches; ``waiting``: number of its pending deliveries."""

    uid: str
    name: str
    service: str
    since: datetime
    reason: str
    waiting: int


@dataclass(frozen=True, slots=True)
class Channels:
    """Channels in use, how many are failing, and which: the longest failing first,
    MAX_FAILING_CHANNELS at most.
    """

    number: int
    failing_number: int
    failing: Sequence[FailingChannel]


def last_day(tx: Session) -> LastDay:
    """Read one statement over the tallies, of which an alert has few, however many it told."""
    hour = now(tx).replace(minute=0, second=0, microsecond=0)
    begins = [hour - timedelta(hours=n) for n in reversed(range(HOURS))]
    by_hour = {kind: [0] * HOURS for kind in TallyKind}
    owed_of = Counter[int]()
    failed_of = Counter[int]()
    for stream_id, kind, *sums_by_hour in tx.execute(_by_stream(tx, begins)):
        numbers = [int(number or 0) for number in sums_by_hour]
        for hour_no, number in enumerate(numbers):
            by_hour[kind][hour_no] += number
        if stream_id is not None:
            total = sum(numbers)
            owed_of[stream_id] += total if kind is TallyKind.OWED else -total
            failed_of[stream_id] += total if kind is TallyKind.FAILED else 0
    sums = {kind: sum(numbers) for kind, numbers in by_hour.items()}
    return LastDay(
        begins=begins,
        sent=by_hour[TallyKind.SENT],
        failed=by_hour[TallyKind.FAILED],
        unknown=sums[TallyKind.UNKNOWN],
        owed=pending_deliveries(sums),
        owed_of=owed_of,
        failed_of=failed_of,
    )


def _by_stream(tx: Session, begins: Sequence[datetime]) -> Select[*tuple[Any, ...]]:
    """Query for a stream's id, a kind of tally, and its sum in each hour."""
    first = select(Alert.id).where(Alert.created_at < begins[0])
    older = tx.scalar(first.order_by(Alert.id.desc()).limit(1)) or 0
    hours = []
    for at in begins:
        within = and_(Alert.created_at >= at, Alert.created_at < at + timedelta(hours=1))
        hours.append(func.sum(Tally.number).filter(within))
    return (
        select(Entry.stream_id, Tally.kind, *hours)
        .select_from(Alert)
        .join(Tally, Tally.alert_id == Alert.id)
        .outerjoin(Revision, Revision.id == Alert.revision_id)
        .outerjoin(Entry, Entry.id == Revision.entry_id)
        .where(Alert.id > older)
        .group_by(Entry.stream_id, Tally.kind)
    )


def channels(tx: Session) -> Channels:
    """Read the channels, in three statements."""
    wired = (Recipient.kind == RecipientKind.CHANNEL, Recipient.state == RecipientState.CONFIRMED)
    number = tx.execute(select(func.count()).select_from(Recipient).where(*wired)).scalar_one()
    owed = select(func.count()).where(
        Delivery.recipient_id == Recipient.id,
        Delivery.state == DeliveryState.QUEUED,
        Delivery.lane == Lane.FAST,
    )
    since = func.coalesce(Recipient.failing_since, Recipient.sick_since)
    columns = (
        Recipient.uid,
        Recipient.address,
        Recipient.service,
        since,
        Recipient.reason,
        owed.scalar_subquery(),
    )
    failing = select(*columns).where(Recipient.failing).order_by(Recipient.sick_since)
    count = tx.execute(
        select(func.count()).select_from(Recipient).where(Recipient.failing)
    ).scalar_one()
    return Channels(
        number,
        count,
        [FailingChannel(*row) for row in tx.execute(failing.limit(MAX_FAILING_CHANNELS))],
    )
