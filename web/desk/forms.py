"""The entry form: reading it, its meaning, and its fields."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Self, TypeVar

from werkzeug.datastructures import MultiDict

from models.publishing.posting import UNPUBLISHED_STATES, Release
from models.publishing.revising import Change
from models.tables.autosaves import Autosave
from models.tables.base import new_uid
from models.tables.stories import Entry, Importance, RevisionKind
from models.text.errors import Invalid
from models.text.texts import EntryText, PictureText, pictures_of_entry
from models.text.times import parse_time
from web.dates import input_value
from web.form_values import first_values, lines
from web.url_converters import number

E = TypeVar("E", bound=Enum)


@dataclass(frozen=True)
class EntryForm:
    """Every field as text, as the browser sent it."""

    stream: str = ""
    title: str = ""
    dek: str = ""
    byline: str = ""
    body: str = ""
    tags: str = ""
    link: str = ""
    # Lines of text: a digest for each picture, and an alt text and a credit for each; one more of
    # these belongs to a picture that is not uploaded yet.
    picture: str = ""
    alt: str = ""
    credit: str = ""
    importance: str = "normal"
    at: str = ""
    alert: str = "followers"
    kind: str = ""  # of a change; empty while the entry is not out
    note: str = ""
    version: str = "0"
    request_key: str = ""
    window: str = ""  # a name for the browser's window: each page of a form has its own
    seen: str = ""  # time of the autosave that the page began with or stored last
    typed: str = ""  # not empty once anything was typed
    do: str = ""
    confirmed: str = ""

    @classmethod
    def empty(cls, stream: str = "") -> Self:
        return cls(stream=stream, request_key=new_uid(20), window=new_uid())

    @classmethod
    def read(cls, sent: Mapping[str, str], **fixed: str) -> Self:
        """The submitted fields, except ``fixed`` ones; a missing field has its default."""
        values = first_values(sent)
        known = {field.name: values[field.name] for field in fields(cls) if field.name in values}
        dropped: set[str] = set()
        if isinstance(sent, MultiDict):
            dropped.update(sent.getlist("drop"))
        return cls(**known | fixed)._arranged(values.get("first", ""), dropped)

    @classmethod
    def of(cls, entry: Entry) -> Self:
        """The form that edits an entry."""
        at = entry.dated_at if entry.state in UNPUBLISHED_STATES else None
        return cls(
            stream=entry.stream.slug,
            title=entry.title,
            dek=entry.dek,
            byline=", ".join(person.byline_name for person in entry.byline),
            body=entry.body,
            tags=", ".join(tag.label for tag in entry.tags),
            link=entry.link,
            **_lines_of(pictures_of_entry(entry)),
            importance=entry.importance.value,
            at=input_value(at, entry.stream.timezone) if at else "",
            alert="followers" if entry.alerts else "nobody",
            kind="" if entry.state in UNPUBLISHED_STATES else RevisionKind.SILENT.value,
            version=str(entry.version),
            request_key=new_uid(20),
            window=new_uid(),
        )

    @classmethod
    def kept(cls, autosave: Autosave) -> Self:
        """The form of an unsaved draft."""
        form = cls.read(MultiDict(autosave.fields))
        return replace(form, window=new_uid(), seen=autosave.saved_at.isoformat())

    def saying(self, text: EntryText) -> Self:
        """The form with another text; ``byline`` holds names as people type them."""
        fields = {name: getattr(text, name) for name in ("title", "dek", "body", "link")}
        lists = {name: ", ".join(getattr(text, name)) for name in ("byline", "tags")}
        return replace(
            self, **fields, **lists, **_lines_of(text.pictures), importance=text.importance.value
        )

    def text(self) -> EntryText:
        """Raises Invalid."""
        return EntryText(
            title=self.title,
            dek=self.dek,
            body=self.body,
            byline=names(self.byline),
            tags=names(self.tags),
            link=self.link,
            pictures=self.pictures(),
            importance=choice(Importance, "importance", self.importance),
        ).cleaned()

    def pictures(self) -> tuple[PictureText, ...]:
        digests = lines(self.picture)
        missing = [""] * len(digests)
        alts = [*lines(self.alt), *missing]
        credit_lines = [*lines(self.credit), *missing]
        rows = zip(digests, alts, credit_lines, strict=False)
        return tuple(PictureText(*row) for row in rows if row[0])

    def spare_alt(self) -> str:
        """Alt text typed for a picture that was not uploaded."""
        return "".join(lines(self.alt)[len(lines(self.picture)) :][:1])

    def _arranged(self, first: str, dropped: set[str]) -> Self:
        """The form with picture ``first`` in front, without ``dropped`` ones."""
        remaining = [picture for picture in self.pictures() if picture.sha256 not in dropped]
        remaining.sort(key=lambda picture: picture.sha256 != first)
        number = len(lines(self.picture))
        spare_alts = lines(self.alt)[number:]
        spare_credits = lines(self.credit)[number:]
        return replace(self, **_lines_of(remaining, spare_alts, spare_credits))

    def release(self, timezone: str, undo_seconds: int) -> Release:
        """Raises Invalid."""
        if self.alert not in {"followers", "nobody"}:
            raise Invalid("alert", "choose followers or no one.")
        at = parse_time("at", self.at, timezone) if self.at.strip() else None
        return Release(self.alert == "followers", at, timedelta(seconds=undo_seconds))

    def change(self, undo_seconds: int) -> Change:
        """Raises Invalid."""
        kind = choice(RevisionKind, "kind", self.kind)
        return Change(kind, self.note, timedelta(seconds=undo_seconds), self.key())

    def alerts(self) -> bool:
        """True for a post to followers, and for a change unless it is silent."""
        if self.kind:
            return self.kind != "silent"
        return self.alert == "followers"

    def alert_kind(self) -> RevisionKind:
        """The kind of change that followers would see; raises Invalid."""
        if not self.kind:
            return RevisionKind.PUBLISH
        kind = choice(RevisionKind, "kind", self.kind)
        if kind in (RevisionKind.SILENT, RevisionKind.RESTORE):
            return RevisionKind.PUBLISH
        return kind

    def key(self) -> str:
        """The idempotency key; raises Invalid for one that this service never made."""
        if not (
            self.request_key.isascii()
            and self.request_key.isalnum()
            and len(self.request_key) <= 64
        ):
            raise Invalid("request_key", "reload the page.")
        return self.request_key

    def seen_at(self) -> datetime | None:
        """Time of the autosave that this page knows."""
        try:
            saved_at = datetime.fromisoformat(self.seen).astimezone(UTC)
        except (ValueError, OverflowError):
            return None
        # No autosave has another year, which would also overflow in some time zones.
        if 2000 < saved_at.year < 9000:
            return saved_at
        return None

    def version_number(self) -> int:
        """Raises Invalid."""
        return version_number(self.version)

    def hidden(self) -> dict[str, str]:
        """Fields for a page that asks a question and submits them again."""
        return {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if field.name not in {"do", "confirmed"}
        }


def _lines_of(
    pictures: Iterable[PictureText], alts: Iterable[str] = (), credits_: Iterable[str] = ()
) -> dict[str, str]:
    """Fields of pictures, then texts of pictures still to be uploaded."""
    digests = []
    alt_lines = []
    credit_lines = []
    for picture in pictures:
        digests.append(picture.sha256)
        alt_lines.append(picture.alt)
        credit_lines.append(picture.credit)
    return {
        "picture": "\n".join(digests),
        "alt": "\n".join([*alt_lines, *alts]),
        "credit": "\n".join([*credit_lines, *credits_]),
    }


def choice(kind: type[E], field: str, value: str) -> E:
    """Raises Invalid."""
    try:
        return kind(value)
    except ValueError as exc:
        values = ", ".join(str(member.value) for member in kind)
        raise Invalid(field, "choose one of %(values)s.", values=values) from exc


def version_number(value: str | None) -> int:
    """The version of an entry that a form was made from; raises Invalid."""
    version = number(value)
    if version is None:
        raise Invalid("version", "reload the page.")
    return version


def names(value: str) -> tuple[str, ...]:
    """Non-empty parts between commas or line breaks."""
    return tuple(part.strip() for part in value.replace("\n", ",").split(",") if part.strip())
