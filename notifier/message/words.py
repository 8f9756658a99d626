"""What mails and chat messages say of their own accord, in the languages that it is said in."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from functools import cache
from typing import Any

from markupsafe import escape

from config.languages import closest_language
from config.settings import zone
from models import Importance, RevisionKind


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageWords:
    """One language.  What stands in braces is put in by ``format``."""

    breaking: str
    update: str
    correction: str
    withdrawn: str
    test: str
    test_note: str
    sample_title: str
    sample_dek: str
    by: str
    and_: str
    quoted: str
    picture: str
    updated: str
    corrected: str
    withdrawn_without_note: str
    read_on: str
    whole_story: str
    ended: str
    ended_text: str
    since: str
    one_update: str
    updates: str
    updates_of: str
    digest: str
    because_digest: str
    because_story: str
    because_all: str
    because_operator: str
    because_asked: str
    leave_story: str
    leave_all: str
    change: str
    not_tracked: str
    date: str
    moment: str
    months: tuple[str, ...]
    zones: tuple[tuple[str, str], ...] = ()  # names of time zones that differ from the English ones

    def label(self, kind: RevisionKind, importance: Importance) -> str:
        """What stands before a title, or nothing."""
        breaking = self.breaking if importance is Importance.BREAKING else ""
        changed = {
            RevisionKind.CORRECTION: self.correction,
            RevisionKind.UPDATE: self.update,
            RevisionKind.RETRACTION: self.withdrawn,
        }
        return changed.get(kind, breaking)

    def names(self, names: Sequence[str]) -> str:
        """A, B and C."""
        return f" {self.and_} ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)

    def byline(self, names: Sequence[str]) -> str:
        """By A, B and C; nothing of nobody."""
        return self.by.format(names=self.names(names)) if names else ""

    def count(self, number: int) -> str:
        """1 update, or 3 updates."""
        return self.one_update if number == 1 else self.updates.format(count=number)

    def day(self, at: datetime, timezone: str) -> str:
        """The day that it is then in that zone."""
        local = at.astimezone(zone(timezone))
        return self.date.format(day=local.day, month=self.months[local.month - 1], year=local.year)

    def time(self, at: datetime, timezone: str) -> str:
        """The day, the time and the zone."""
        local = at.astimezone(zone(timezone))
        name = local.tzname() or "UTC"
        shown = dict(self.zones).get(name, name if name.isalpha() else f"UTC{name}")
        return self.moment.format(day=self.day(at, timezone), time=f"{local:%H:%M}", zone=shown)


_ENGLISH = MessageWords(
    breaking="Breaking",
    update="Update",
    correction="Correction",
    withdrawn="Withdrawn",
    test="Test",
    test_note="Somebody at the desk tries this channel. Nothing new was published.",
    sample_title="The first entry of {site}",
    sample_dek="This is how an entry looks here: its title, and a sentence that sums it up.",
    by="By {names}",
    and_="and",
    quoted="“{text}”",
    picture="Picture: {text}",
    updated="updated {when}",
    corrected="corrected {when}",
    withdrawn_without_note="We told you of this entry and have withdrawn it since. Please do not rely on it.",
    read_on="Read on",
    whole_story="The whole story",
    ended="{story} has ended",
    ended_text="Nothing more will come of this story. All that was told stays there to be read.",
    since="What happened since",
    one_update="1 update",
    updates="{count} updates",
    updates_of="{count} updates: {story}",
    digest="{about}: {count}, {window}",
    because_digest="You get this because you follow stories at {site} in digests.",
    because_story="You get this because you follow {story} at {site}.",
    because_all="You get this because you follow all stories of {site}.",
    because_operator="You get this because you run {site}.",
    because_asked="You get this because somebody gave your address at {site}.",
    leave_story="Leave this story",
    leave_all="Leave all stories",
    change="Change what and when",
    not_tracked="No opening or click is tracked.",
    date="{day} {month} {year}",
    moment="{day}, {time} {zone}",
    months=(
        "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
    ),
)  # fmt: skip

_GERMAN = MessageWords(
    breaking="Eilmeldung",
    update="Aktualisiert",
    correction="Korrektur",
    withdrawn="Zurückgezogen",
    test="Probe",
    test_note="Jemand in der Redaktion probiert diesen Kanal aus. Es gibt nichts Neues.",
    sample_title="Der erste Beitrag von {site}",
    sample_dek="So sieht ein Beitrag hier aus: sein Titel und ein Satz, der ihn zusammenfasst.",
    by="Von {names}",
    and_="und",
    quoted="„{text}“",
    picture="Bild: {text}",
    updated="aktualisiert am {when}",
    corrected="korrigiert am {when}",
    withdrawn_without_note="Wir haben diesen Beitrag, den wir Ihnen gemeldet hatten, zurückgezogen. Bitte verlassen Sie sich nicht darauf.",
    read_on="Weiterlesen",
    whole_story="Zum ganzen Thema",
    ended="{story} ist beendet",
    ended_text="Zu diesem Thema kommt nichts mehr. Alles, was gemeldet wurde, bleibt dort zu lesen.",
    since="Was seitdem geschah",
    one_update="1 Meldung",
    updates="{count} Meldungen",
    updates_of="{count} Meldungen: {story}",
    digest="{about}: {count}, {window}",
    because_digest="Sie erhalten diese Nachricht, weil Sie Themen bei {site} in Zusammenfassungen folgen.",
    because_story="Sie erhalten diese Nachricht, weil Sie {story} bei {site} folgen.",
    because_all="Sie erhalten diese Nachricht, weil Sie allen Themen von {site} folgen.",
    because_operator="Sie erhalten diese Nachricht, weil Sie {site} betreiben.",
    because_asked="Sie erhalten diese Nachricht, weil jemand Ihre Adresse bei {site} angegeben hat.",
    leave_story="Dieses Thema abbestellen",
    leave_all="Alle Themen abbestellen",
    change="Auswahl und Zeiten ändern",
    not_tracked="Ob Sie Nachrichten öffnen oder Links folgen, wird nicht erfasst.",
    date="{day}. {month} {year}",
    moment="{day}, {time} Uhr ({zone})",
    months=(
        "Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober", "November", "Dezember",
    ),
    zones=(("CET", "MEZ"), ("CEST", "MESZ"), ("EET", "OEZ"), ("EEST", "OESZ"), ("WET", "WEZ"), ("WEST", "WESZ")),
)  # fmt: skip

_WORDS = {"en": _ENGLISH, "de": _GERMAN}


def words(language: str) -> MessageWords:
    """Those for a language tag."""
    return _WORDS[closest_language(language)]


@cache
def markup_words(language: str) -> MessageWords:
    """The same for HTML: what is put in is escaped."""
    found = words(language)
    texts = {field.name: getattr(found, field.name) for field in fields(found)}
    escaped: dict[str, Any] = {
        name: escape(text) for name, text in texts.items() if isinstance(text, str)
    }
    return replace(found, **escaped)
