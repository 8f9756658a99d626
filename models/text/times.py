"""Times as people write them."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from config.settings import zone
from models.text.errors import Invalid

# Ends of a day and of a leap second, which Python knows in no version that we run on (ISO 8601; RFC
# 3339 section 5.6).
_CARRIED = (
    (
        re.compile(r"([T ])24(?=:?00(?::?00(?:[.,]0+)?)?(?:Z|[+-]|\Z))"),
        r"\g<1>00",
        timedelta(days=1),
    ),
    (re.compile(r"(:59):60"), r"\1:59", timedelta(seconds=1)),
)


def parse_time(field: str, value: str, timezone: str) -> datetime:
    """The UTC moment of an ISO 8601 ``value``; without an offset it is local time in ``timezone``.

    A local time that the clocks skip is refused with its neighbours; of one that comes twice the
    first is meant.
    """
    written = value.strip().upper()  # RFC 3339 section 5.6 takes t and z as well
    carried = timedelta(0)
    for pattern, replacement, carry in _CARRIED:
        if pattern.search(written):
            written = pattern.sub(replacement, written)
            carried = carry
    try:
        parsed = datetime.fromisoformat(written) + carried
        if parsed.tzinfo is not None:
            return parsed.astimezone(UTC)
        return _local(field, parsed, zone(timezone))
    except (ValueError, OverflowError) as exc:
        raise Invalid(
            field,
            "%(value)s is not a time. Enter it like 2026-03-14T09:42 or 2026-03-14T09:42+01:00.",
            value=f"{value!r:.40}",
        ) from exc


def iso_time(moment: datetime, timezone: str) -> str:
    """``moment`` in that zone as RFC 3339 and HTML take it; in UTC where its offset then had
    seconds, which they do not.
    """
    local = moment.astimezone(zone(timezone))
    offset = local.utcoffset()
    if offset is None or offset % timedelta(minutes=1):
        local = moment.astimezone(UTC)
    return local.isoformat(timespec="seconds")


def _local(field: str, moment: datetime, place: ZoneInfo) -> datetime:
    utc = moment.replace(tzinfo=place).astimezone(UTC)
    if utc.astimezone(place).replace(tzinfo=None) == moment:
        return utc
    gap = (
        moment.replace(tzinfo=place, fold=0).utcoffset(),
        moment.replace(tzinfo=place, fold=1).utcoffset(),
    )
    after = (
        utc.astimezone(place)
        if gap[0] is None or gap[1] is None
        else _first_after(utc, place, gap[1] - gap[0])
    )
    before = (after.astimezone(UTC) - timedelta(minutes=1)).astimezone(place)
    raise Invalid(
        field,
        "%(time)s does not exist in %(zone)s that night, as the clocks go forward. Choose"
        " %(before)s or %(after)s.",
        time=f"{moment:%H:%M}",
        zone=place.key,
        before=f"{before:%H:%M}",
        after=f"{after:%H:%M}",
    )


def _first_after(utc: datetime, place: ZoneInfo, width: timedelta) -> datetime:
    """The first minute after the gap that ``utc`` lies beside; a gap is at most ``width`` wide."""
    minute = utc - abs(width)
    offset = minute.astimezone(place).utcoffset()
    while minute.astimezone(place).utcoffset() == offset:
        minute += timedelta(minutes=1)
    return minute.replace(second=0, microsecond=0).astimezone(place)


def zone_name(field: str, value: str) -> str:
    """``value`` where it names a time zone; raises Invalid."""
    try:
        return zone(value).key
    except ValueError as exc:
        raise Invalid(
            field,
            "%(value)s isn’t a time zone. Enter one like America/New_York or UTC.",
            value=f"{value!r:.60}",
        ) from exc
