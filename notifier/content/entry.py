"""Content of an alert as plain values: the entry as it stands when the message is sent."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Self

from sqlalchemy import select
from sqlalchemy.orm import Session

from models import Alert, AlertKind, Entry, Importance, Revision, RevisionKind, Stream
from models.streams.entries import entries_query
from models.text.texts import pictures_of_entry
from notifier.ledger.claim import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryContent:
    """One entry of one stream, and the kind of change. Links are paths below BASE_URL; dates are
    UTC.
    """

    kind: RevisionKind
    note: str
    uid: str
    guid: str
    title: str
    dek: str
    body: str  # Markdown
    body_html: str
    byline: tuple[str, ...]
    link: str
    importance: Importance
    tags: tuple[str, ...]
    # descriptions: mails hold no pictures, since fetching them would reveal readers
    pictures: tuple[str, ...] = ()
    published_at: datetime | None
    updated_at: datetime | None
    stream_uid: str
    stream_slug: str
    stream_title: str
    language: str
    timezone: str
    subject_prefix: str = ""
    mail_intro: str = ""  # plain text, as the footer
    mail_footer: str = ""

    @classmethod
    def of(cls, entry: Entry, kind: RevisionKind, note: str = "") -> Self:
        """Content of a loaded entry, with its stream, byline, tags and pictures."""
        return cls(
            kind=kind,
            note=note,
            uid=entry.uid,
            guid=entry.guid,
            title=entry.title,
            dek=entry.dek,
            body=entry.body,
            body_html=entry.body_html,
            byline=tuple(person.name for person in entry.byline),
            link=entry.link,
            importance=entry.importance,
            tags=tuple(tag.label for tag in entry.tags),
            pictures=tuple(picture.words for picture in pictures_of_entry(entry)),
            published_at=entry.published_at,
            updated_at=entry.updated_at,
            stream_uid=entry.stream.uid,
            stream_slug=entry.stream.slug,
            stream_title=entry.stream.title,
            language=entry.stream.language,
            timezone=entry.stream.timezone,
            subject_prefix=entry.stream.subject_prefix or "",
            mail_intro=entry.stream.mail_intro or "",
            mail_footer=entry.stream.mail_footer or "",
        )

    def worded(self, *, told: bool) -> Self:
        """Content for a recipient; to one never told of the entry, a changed one is new."""
        if told or self.kind is RevisionKind.RETRACTION:
            return self
        return replace(self, kind=RevisionKind.PUBLISH, note="")

    @property
    def retracted(self) -> bool:
        """Whether only its title may still be shown."""
        return self.kind is RevisionKind.RETRACTION

    @property
    def stream_path(self) -> str:
        return f"/streams/{self.stream_slug}"

    @property
    def path(self) -> str:
        return f"{self.stream_path}/entries/{self.uid}"


@dataclass(frozen=True, slots=True)
class DigestContent:
    """Entries of one digest, worded for its recipient, in reading order; at least one."""

    stories: tuple[EntryContent, ...]
    until: datetime
    timezone: str
    by_day: bool = True  # daily or weekly: its name is the day, else the time


@dataclass(frozen=True, slots=True)
class Ending:
    """End of a story, as the content of an entry."""

    story: EntryContent


@dataclass(frozen=True, slots=True)
class Notice:
    """Message to one recipient: the name of a folder of templates, and its values."""

    name: str
    values: Mapping[str, Any]


def load_told(tx: Session, message: Message) -> EntryContent | Notice | Ending:
    """Content of a claimed message, if it is no digest."""
    if message.kind is AlertKind.ENDING:
        return load_ending(tx, message.alert_id)
    if not message.notice:
        return load_story(tx, message.alert_id)
    notice = tx.execute(select(Alert.notice).where(Alert.id == message.alert_id)).scalar_one() or {}
    return Notice(notice.get("name", ""), notice.get("values", {}))


def load_ending(tx: Session, alert_id: int) -> Ending:
    """Load the stream that has ended; the alert must be of that kind."""
    stream = tx.execute(
        select(Stream).join(Alert, Alert.stream_id == Stream.id).where(Alert.id == alert_id)
    ).scalar_one()
    entry = Entry(
        uid=stream.uid,
        guid=stream.guid,
        title=stream.title,
        dek="",
        body="",
        body_html="",
        link="",
        importance=Importance.NORMAL,
    )
    entry.stream = stream
    entry.credits = []
    entry.tags = []
    entry.pictures = []
    return Ending(EntryContent.of(entry, RevisionKind.PUBLISH))


def load_story(tx: Session, alert_id: int) -> EntryContent:
    """Load the entry of an alert; it must be one of a revision."""
    revision = tx.execute(
        select(Revision).join(Alert, Alert.revision_id == Revision.id).where(Alert.id == alert_id)
    ).scalar_one()
    entry = tx.execute(entries_query().where(Entry.id == revision.entry_id)).scalar_one()
    return EntryContent.of(entry, revision.kind, revision.note)
