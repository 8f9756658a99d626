"""Translations and local dates in any of `config.languages.LANGUAGES`."""

from datetime import datetime
from functools import cache
from io import BytesIO

from babel import Locale
from babel.dates import format_date
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations

from config.languages import FOLDER, closest_language, mark
from config.settings import zone

_ = (mark("CET"), mark("CEST"), mark("EET"), mark("EEST"), mark("WET"), mark("WEST"))


@cache
def catalog(language: str) -> NullTranslations:
    """The gettext catalogue closest to a language tag, compiled once a process."""
    language = closest_language(language)
    path = FOLDER / language / "LC_MESSAGES" / "messages.po"
    if not path.exists():
        return NullTranslations()
    compiled = BytesIO()
    with path.open("rb") as file:
        write_mo(compiled, read_po(file, locale=language))
    compiled.seek(0)
    return Translations(compiled)


@cache
def locale(language: str) -> Locale:
    """Babel's locale for a language tag; English dates and lists are British."""
    language = closest_language(language)
    return Locale.parse("en_GB" if language == "en" else language)


def long_date(at: datetime, timezone: str, language: str) -> str:
    """14 March 2026"""
    return format_date(at.astimezone(zone(timezone)), "long", locale(language))


def zone_abbreviation(at: datetime, timezone: str, language: str) -> str:
    """EET; +0545 where the zone has no name."""
    name = at.astimezone(zone(timezone)).tzname() or "UTC"
    return str(catalog(language).gettext(name))
