"""Moments as a page writes them: in the story's own time zone, never relative to now, so that bytes
stay the same.

Names of days and months are Babel's, in the language of the page: the C library's follow a locale
that is the whole process's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from itertools import groupby
from typing import Literal

from babel import Locale
from babel.core import get_global
from babel.dates import get_day_names, get_month_names
from markupsafe import Markup

from config.settings import zone
from models.tables.stories import Entry
from models.text.times import iso_time
from models.text.translations import zone_abbreviation
from web.language import page_language


@dataclass(frozen=True, slots=True)
class _Style:
    """How one language writes dates: the names in it, and patterns for ``format``."""

    days: Sequence[str]
    days_in_short: Sequence[str]
    months: Sequence[str]
    months_in_short: Sequence[str]
    day: str = "{weekday} {date}"
    in_full: str = "{day} {month} {year}"
    in_short: str = "{day} {month}"
    stamp: str = "{weekday} {date}, {time}"


_WIDTHS: tuple[Literal["wide"], Literal["abbreviated"]] = ("wide", "abbreviated")
_PATTERNS = {
    "de": {
        "day": "{weekday}, {date}",
        "in_full": "{day}. {month} {year}",
        "in_short": "{day}. {month}",
        "stamp": "{weekday}, {date}, {time}",
    }
}


@cache
def _style(language: str) -> _Style:
    days, days_in_short = (
        [get_day_names(width, locale=language)[n] for n in range(7)] for width in _WIDTHS
    )
    months, months_in_short = (
        [get_month_names(width, locale=language)[n] for n in range(1, 13)] for width in _WIDTHS
    )
    return _Style(days, days_in_short, months, months_in_short, **_PATTERNS.get(language, {}))


def weekdays() -> Sequence[str]:
    """Monday to Sunday."""
    return _style(page_language()).days


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
    style = _style(page_language())
    return style.day.format(
        weekday=style.days[local(moment, timezone).weekday()], date=in_full(moment, timezone)
    )


def in_full(moment: datetime, timezone: str) -> str:
    """14 March 2026"""
    at, style = local(moment, timezone), _style(page_language())
    return style.in_full.format(day=at.day, month=style.months[at.month - 1], year=at.year)


def stamp(moment: datetime, timezone: str) -> str:
    """Sat 14 March 2026, 09:42"""
    at, style = local(moment, timezone), _style(page_language())
    return style.stamp.format(
        weekday=style.days_in_short[at.weekday()],
        date=in_full(moment, timezone),
        time=f"{at:%H:%M}",
    )


def near(moment: datetime, timezone: str, beside: datetime) -> str:
    """As short as may be said beside the moment ``beside``: 09:42 on its day, Fri 22:05 in its
    week, 13 Mar in its year, else 2025.
    """
    at, other = local(moment, timezone), local(beside, timezone)
    if at.date() == other.date():
        return f"{at:%H:%M}"
    if abs(at - other) < timedelta(days=6):
        return f"{_style(page_language()).days_in_short[at.weekday()]} {at:%H:%M}"
    return _in_short(at) + ("" if at.year == other.year else f" {at.year}")


def brief(moment: datetime, timezone: str, beside: datetime) -> str:
    """For narrow lists: 09:42 on the day of ``beside``, 13 Mar in its year, else 2025."""
    at, other = local(moment, timezone), local(beside, timezone)
    if at.date() == other.date():
        return f"{at:%H:%M}"
    return _in_short(at) if at.year == other.year else str(at.year)


def _in_short(at: datetime) -> str:
    style = _style(page_language())
    return style.in_short.format(day=at.day, month=style.months_in_short[at.month - 1])


def place(timezone: str) -> str:
    """The city of a zone's name: Kyiv."""
    return _place(timezone, page_language())


@cache
def _place(timezone: str, language: str) -> str:
    own = timezone.rsplit("/", 1)[-1].replace("_", " ")
    if language == "en":
        return own
    known = Locale(language).time_zones
    return str(known.get(get_global("zone_aliases").get(timezone, timezone), {}).get("city", own))


def zone_label(moment: datetime, timezone: str) -> str:
    """Kyiv (EET); the abbreviation is the one in force at that moment, left out where it only
    repeats the name.
    """
    city = place(timezone)
    abbreviation = zone_abbreviation(moment, timezone, page_language())
    return (
        city if abbreviation == city or not abbreviation.isalpha() else f"{city} ({abbreviation})"
    )


def time_tag(moment: datetime, timezone: str, text: str, css_class: str = "") -> Markup:
    """A time element that says the moment to programs and ``text`` to people."""
    iso = iso_time(moment, timezone)
    css = Markup(' class="{}"').format(css_class) if css_class else ""
    return Markup('<time{} datetime="{}">{}</time>').format(css, iso, text)


def input_value(moment: datetime, timezone: str) -> str:
    """2026-03-14T09:42, as a datetime-local field takes it."""
    return f"{local(moment, timezone):%Y-%m-%dT%H:%M}"


def by_day(
    entries: Sequence[Entry], timezone: str, by: str = "published_at"
) -> list[tuple[Markup, list[Entry]]]:
    """Entries under the days there on which they came out, or on which another of their moments is,
    in their order.
    """

    def date_of(entry: Entry) -> date:
        return local(getattr(entry, by), timezone).date()

    groups = []
    for on, group in groupby(entries, date_of):
        found = list(group)
        heading = day(getattr(found[0], by), timezone)
        groups.append(
            (Markup('<time datetime="{}">{}</time>').format(on.isoformat(), heading), found)
        )
    return groups
