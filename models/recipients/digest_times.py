"""When a digest is due next: pure, over the days on which the clocks change, too."""

from datetime import UTC, datetime, time, timedelta

from config.settings import zone as zone_of
from models.tables.ledger import Cadence

MORNING = time(8)
"""When a daily or weekly digest comes if nobody says otherwise, in the recipient's zone."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def slot_name(slot: datetime) -> str:
    """Name that an alert gives to the time of its digest."""
    return slot.astimezone(UTC).isoformat(timespec="seconds")


def repeated_name(name: str, number: int) -> str:
    """A name for a moment that comes a second time, ``number`` telling it from others; it sorts and
    reads as the moment does.
    """
    slot = datetime.fromisoformat(name)
    return slot.replace(microsecond=1 + number % 999_999).isoformat(timespec="microseconds")


def named_slot(name: str) -> datetime:
    """The moment for which a digest of that name was made."""
    return datetime.fromisoformat(name).replace(microsecond=0)


def next_slot(
    cadence: Cadence,
    every_minutes: int | None,
    at: time | None,
    day: int | None,
    zone: str,
    after: datetime,
) -> datetime:
    """The first moment later than ``after`` at which such a digest is due, in UTC.

    Intervals and hours are counted from midnight UTC of 1970, so that all who chose the same share
    their slots. Daily and weekly ones come at ``at`` in that time zone, once a day: of a time that
    comes twice the first is meant, and one that the clocks skip comes as much later as they skip.
    ``day``: Monday is 0. ValueError for what is no digest.
    """
    if cadence is Cadence.AT_ONCE:
        raise ValueError("what goes out at once has no slot")
    if cadence in (Cadence.DAILY, Cadence.WEEKLY):
        return _next_day(
            at or MORNING, (day or 0) if cadence is Cadence.WEEKLY else None, zone, after
        )
    step = timedelta(minutes=(every_minutes or 60) if cadence is Cadence.INTERVAL else 60)
    return _EPOCH + ((after - _EPOCH) // step + 1) * step


def _next_day(at: time, weekday: int | None, zone: str, after: datetime) -> datetime:
    place = zone_of(zone)
    date = after.astimezone(place).date()
    while True:
        due_at = datetime.combine(date, at, place).astimezone(UTC)
        if due_at > after and weekday in (None, date.weekday()):
            return due_at
        date += timedelta(days=1)
