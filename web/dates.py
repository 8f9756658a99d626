"""Moments as a page writes them: in the story's own time zone, never relative to now, so that bytes stay the same.

Names of days and months are ours: the C library's follow a locale that is the whole process's.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from itertools import groupby

from markupsafe import Markup

from config.settings import zone
from models.stories import Entry

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def local(moment: datetime, timezone: str) -> datetime:
    """The moment as clocks in that zone show it."""
    return moment.astimezone(zone(timezone))


def clock(moment: datetime, timezone: str) -> str:
    """09:42"""
    return f"{local(moment, timezone):%H:%M}"


def seconds(moment: datetime, timezone: str) -> str:
    """09:42:07"""
    return f"{local(moment, timezone):%H:%M:%S}"


def day(moment: datetime, timezone: str) -> str:
    """Saturday 14 March 2026"""
    at = local(moment, timezone)
    return f"{_DAYS[at.weekday()]} {at.day} {_MONTHS[at.month - 1]} {at.year}"


def in_full(moment: datetime, timezone: str) -> str:
    """14 March 2026"""
    at = local(moment, timezone)
    return f"{at.day} {_MONTHS[at.month - 1]} {at.year}"


def stamp(moment: datetime, timezone: str) -> str:
    """Sat 14 March 2026, 09:42"""
    at = local(moment, timezone)
    return f"{_DAYS[at.weekday()][:3]} {in_full(moment, timezone)}, {at:%H:%M}"


def near(moment: datetime, timezone: str, beside: datetime) -> str:
    """As short as may be said beside the moment ``beside``: 09:42 on its day, Fri 22:05 in its week, 13 Mar in its year, else 2025."""
    at, other = local(moment, timezone), local(beside, timezone)
    if at.date() == other.date():
        return f"{at:%H:%M}"
    if abs(at - other) < timedelta(days=6):
        return f"{_DAYS[at.weekday()][:3]} {at:%H:%M}"
    return f"{at.day} {_MONTHS[at.month - 1][:3]}" + ("" if at.year == other.year else f" {at.year}")


def brief(moment: datetime, timezone: str, beside: datetime) -> str:
    """For narrow lists: 09:42 on the day of ``beside``, 13 Mar in its year, else 2025."""
    at, other = local(moment, timezone), local(beside, timezone)
    if at.date() == other.date():
        return f"{at:%H:%M}"
    return f"{at.day} {_MONTHS[at.month - 1][:3]}" if at.year == other.year else str(at.year)


def place(timezone: str) -> str:
    """The city of a zone's name: Kyiv."""
    return timezone.rsplit("/", 1)[-1].replace("_", " ")


def zone_label(moment: datetime, timezone: str) -> str:
    """Kyiv (EET); the abbreviation is the one in force at that moment, left out where it only repeats the name."""
    abbreviation = f"{local(moment, timezone):%Z}"
    city = place(timezone)
    return city if abbreviation == city or not abbreviation.isalpha() else f"{city} ({abbreviation})"


def time_tag(moment: datetime, timezone: str, text: str, css_class: str = "") -> Markup:
    """A time element that says the moment to programs and ``text`` to people."""
    iso = local(moment, timezone).isoformat(timespec="seconds")
    css = Markup(' class="{}"').format(css_class) if css_class else ""
    return Markup('<time{} datetime="{}">{}</time>').format(css, iso, text)


def input_value(moment: datetime, timezone: str) -> str:
    """2026-03-14T09:42, as a datetime-local field takes it."""
    return f"{local(moment, timezone):%Y-%m-%dT%H:%M}"


def by_day(entries: Sequence[Entry], timezone: str) -> list[tuple[Markup, list[Entry]]]:
    """Published entries under the days on which they came out there, in their order."""

    def date_of(entry: Entry) -> date:
        assert entry.published_at is not None
        return local(entry.published_at, timezone).date()

    groups = []
    for on, group in groupby(entries, date_of):
        found = list(group)
        heading = day(found[0].published_at, timezone) if found[0].published_at else ""
        groups.append((Markup('<time datetime="{}">{}</time>').format(on.isoformat(), heading), found))
    return groups
