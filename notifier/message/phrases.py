"""Phrases that mails and chat messages share."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from babel.lists import format_list
from markupsafe import Markup

from config.languages import mark
from config.settings import zone
from models import Importance, RevisionKind
from models.text.translations import catalog, locale, long_date, zone_abbreviation

ENDED = mark("We’re no longer updating this story. You can still read all of it.")


@dataclass(frozen=True, slots=True)
class Phrases:
    """Phrases in the language closest to a tag.  ``html``: as markup, with values escaped."""

    language: str
    html: bool = False

    def gettext(self, text: str, **values: object) -> str:
        """The translation of ``text`` with its values."""
        translation = catalog(self.language).gettext(text)
        return (Markup(translation) if self.html else translation) % values  # noqa: S704

    def label(self, kind: RevisionKind, importance: Importance) -> str:
        """The word before a title, or nothing."""
        if kind is RevisionKind.RETRACTION:
            return self.gettext("Retracted")
        if kind is RevisionKind.CORRECTION:
            return self.gettext("Correction")
        if kind is RevisionKind.UPDATE:
            return self.gettext("Update")
        return self.gettext("Breaking") if importance is Importance.BREAKING else ""

    def byline(self, names: Sequence[str]) -> str:
        """By A, B and C; empty without names."""
        if not names:
            return ""
        return self.gettext(
            "By %(names)s", names=format_list(list(names), locale=locale(self.language))
        )

    def changed(self, kind: RevisionKind, when: str) -> str:
        """When an entry was updated or corrected; empty for other kinds."""
        if kind is RevisionKind.UPDATE:
            return self.gettext("updated %(when)s", when=when)
        if kind is RevisionKind.CORRECTION:
            return self.gettext("corrected %(when)s", when=when)
        return ""

    def count(self, number: int) -> str:
        """1 update, or 3 updates."""
        return catalog(self.language).ngettext("%(num)s update", "%(num)s updates", number) % {
            "num": number
        }

    def day(self, at: datetime, timezone: str) -> str:
        """14 March 2026"""
        return long_date(at, timezone, self.language)

    def time(self, at: datetime, timezone: str) -> str:
        """14 March 2026, 09:42 EET"""
        name = zone_abbreviation(at, timezone, self.language)
        return self.gettext(
            "%(day)s, %(time)s %(zone)s",
            day=self.day(at, timezone),
            time=f"{at.astimezone(zone(timezone)):%H:%M}",
            zone=name if name.isalpha() else f"UTC{name}",
        )
