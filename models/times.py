"""Times as people write them."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from config.settings import zone
from models.errors import Invalid


def parse_time(field: str, value: str, timezone: str) -> datetime:
    """The UTC moment of an ISO 8601 ``value``; without an offset it is local time in ``timezone``.

    A local time that the clocks skip is refused with its neighbours; of one that comes twice the first is meant.
    """
    try:
        moment = datetime.fromisoformat(value.strip())
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
        return _local(field, moment, zone(timezone))
    except (ValueError, OverflowError) as exc:
        raise Invalid(field, f"{value!r:.40} is not a time; write it like 2026-03-14T09:42 or 2026-03-14T09:42+01:00.") from exc


def _local(field: str, moment: datetime, place: ZoneInfo) -> datetime:
    utc = moment.replace(tzinfo=place).astimezone(UTC)
    if utc.astimezone(place).replace(tzinfo=None) == moment:
        return utc
    gap = moment.replace(tzinfo=place, fold=0).utcoffset(), moment.replace(tzinfo=place, fold=1).utcoffset()
    after = utc.astimezone(place) if gap[0] is None or gap[1] is None else _first_after(utc, place, gap[1] - gap[0])
    before = (after.astimezone(UTC) - timedelta(minutes=1)).astimezone(place)
    raise Invalid(field, f"{moment:%H:%M} does not exist in {place.key} that night. Nearest: {before:%H:%M} and {after:%H:%M}.")


def _first_after(utc: datetime, place: ZoneInfo, width: timedelta) -> datetime:
    """The first minute after the gap that ``utc`` lies beside; a gap is at most ``width`` wide."""
    offset = (utc - abs(width)).astimezone(place).utcoffset()
    moment = utc - abs(width)
    while moment.astimezone(place).utcoffset() == offset:
        moment += timedelta(minutes=1)
    return moment.replace(second=0, microsecond=0).astimezone(place)


def zone_name(field: str, value: str) -> str:
    """``value`` where it names a time zone; raises Invalid."""
    try:
        return zone(value).key
    except ValueError as exc:
        raise Invalid(field, f"{exc}.") from exc
