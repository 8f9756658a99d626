"""Dates and times on pages: in the story's time zone and the page's language.

None is relative to the present, so that a page's bytes stay the same.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from functools import cache
from itertools import groupby

from babel.core import get_global
from babel.dates import get_day_names, parse_pattern
from markupsafe import Markup

from config.languages import mark
from config.settings import zone
from models.tables.stories import Entry
from models.text.times import iso_time
from models.text.translations import catalog, locale, long_date, zone_abbreviation
from web.language import page_language

# Patterns of Unicode TR 35; a translation may put their parts in another order.
_DAY = mark("EEEE d MMMM y")
_STAMP = mark("EEE d MMMM y, HH:mm")
_SHORT_DATE = mark("d MMM")
_WEEKDAY_AND_TIME = mark("EEE HH:mm")
_WEEK = timedelta(days=6)


def _format(local_time: date, pattern: str) -> str:
    language = page_language()
    translation = catalog(language).gettext(pattern)
    return parse_pattern(translation).apply(local_time, locale(language))


def weekdays() -> Sequence[str]:
    """Monday to Sunday."""
    names = get_day_names("wide", locale=locale(page_language()))
    return [names[day] for day in range(7)]


def local(at: datetime, timezone: str) -> datetime:
    return at.astimezone(zone(timezone))


def clock(at: datetime, timezone: str) -> str:
    """09:42"""
    return f"{local(at, timezone):%H:%M}"


def seconds(at: datetime, timezone: str) -> str:
    """09:42:07"""
    return f"{local(at, timezone):%H:%M:%S}"


def day(at: datetime, timezone: str) -> str:
    """Saturday 14 March 2026"""
    return _format(local(at, timezone), _DAY)


def in_full(at: datetime, timezone: str) -> str:
    """14 March 2026"""
    return long_date(at, timezone, page_language())


def stamp(at: datetime, timezone: str) -> str:
    """Sat 14 March 2026, 09:42"""
    return _format(local(at, timezone), _STAMP)


def near(at: datetime, timezone: str, beside: datetime) -> str:
    """A time beside another: 09:42 on the same day, Fri 22:05 in the same week, else 13 Mar, with
    the year where it differs.
    """
    local_at = local(at, timezone)
    local_beside = local(beside, timezone)
    if local_at.date() == local_beside.date():
        return f"{local_at:%H:%M}"
    if abs(local_at - local_beside) < _WEEK:
        return _format(local_at, _WEEKDAY_AND_TIME)
    date_without_year = _format(local_at, _SHORT_DATE)
    if local_at.year == local_beside.year:
        return date_without_year
    return f"{date_without_year} {local_at.year}"


def brief(at: datetime, timezone: str, beside: datetime) -> str:
    """For narrow lists: 09:42 on the day of ``beside``, 13 Mar in its year, else 2025."""
    local_at = local(at, timezone)
    local_beside = local(beside, timezone)
    if local_at.date() == local_beside.date():
        return f"{local_at:%H:%M}"
    if local_at.year == local_beside.year:
        return _format(local_at, _SHORT_DATE)
    return str(local_at.year)


def short_day(at: date) -> str:
    """13 Mar"""
    return _format(at, _SHORT_DATE)


def place(timezone: str) -> str:
    """The city of a zone's name: Kyiv."""
    return _place(timezone, page_language())


@cache
def _place(timezone: str, language: str) -> str:
    name = timezone.rsplit("/", 1)[-1].replace("_", " ")
    if language == "en":
        return name
    zones = locale(language).time_zones
    return str(zones.get(get_global("zone_aliases").get(timezone, timezone), {}).get("city", name))


def zone_label(at: datetime, timezone: str) -> str:
    """Kyiv (EET), with the abbreviation at that time; without one that is a number or the name."""
    abbreviation = zone_abbreviation(at, timezone, page_language())
    city = place(timezone)
    if abbreviation == city or not abbreviation.isalpha():
        return city
    return f"{city} ({abbreviation})"


def time_tag(at: datetime, timezone: str, text: str, css_class: str = "") -> Markup:
    """A time element: the exact time for programs, ``text`` for people."""
    css = Markup(' class="{}"').format(css_class) if css_class else ""
    return Markup('<time{} datetime="{}">{}</time>').format(css, iso_time(at, timezone), text)


def input_value(at: datetime, timezone: str) -> str:
    """2026-03-14T09:42, as a datetime-local field takes it."""
    return f"{local(at, timezone):%Y-%m-%dT%H:%M}"


def by_day(
    entries: Sequence[Entry], timezone: str, by: str = "published_at"
) -> list[tuple[Markup, list[Entry]]]:
    """Entries grouped under the local days of their time ``by``, in their order."""
    groups = []

    def local_date_of(entry: Entry) -> date:
        return local(getattr(entry, by), timezone).date()

    for local_date, group in groupby(entries, local_date_of):
        members = list(group)
        heading = day(getattr(members[0], by), timezone)
        tag = Markup('<time datetime="{}">{}</time>').format(local_date.isoformat(), heading)
        groups.append((tag, members))
    return groups
