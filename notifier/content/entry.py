"""What an alert tells, as plain values: the entry as it stands when the message is sent."""

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
    """One entry of one stream, and what kind of change is told. Links are paths below BASE_URL;
    dates are UTC.
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
    # what each shows: mails hold none, since fetching it would tell who reads
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
        """The entry as it stands; stream, byline, tags and pictures must be loaded."""
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
            pictures=tuple(shown.words for shown in pictures_of_entry(entry)),
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
        """As it is told: to who never heard of the entry, a changed one is simply new."""
        if told or self.kind is RevisionKind.RETRACTION:
            return self
        return replace(self, kind=RevisionKind.PUBLISH, note="")

    @property
    def retracted(self) -> bool:
        """Nothing of its text may be told any more but the title."""
        return self.kind is RevisionKind.RETRACTION

    @property
    def stream_path(self) -> str:
        """Of the stream's page."""
        return f"/streams/{self.stream_slug}"

    @property
    def path(self) -> str:
        """Of the entry's page."""
        return f"{self.stream_path}/entries/{self.uid}"


@dataclass(frozen=True, slots=True)
class DigestContent:
    """What one recipient is told together, worded for who reads it, in the order to be read; at
    least one story.
    """

    stories: tuple[EntryContent, ...]
    until: datetime
    timezone: str
    by_day: bool = True  # daily or weekly: its name is the day, else the time


@dataclass(frozen=True, slots=True)
class Ending:
    """The last word of a story, which stands in for an entry."""

    story: EntryContent


@dataclass(frozen=True, slots=True)
class Notice:
    """What one recipient alone is told: the name of a folder of templates, and its values."""

    name: str
    values: Mapping[str, Any]


def load_told(tx: Session, message: Message) -> EntryContent | Notice | Ending:
    """What a claimed message tells now, if it is no digest."""
    if message.kind is AlertKind.ENDING:
        return load_ending(tx, message.alert_id)
    if not message.notice:
        return load_story(tx, message.alert_id)
    notice = tx.execute(select(Alert.notice).where(Alert.id == message.alert_id)).scalar_one() or {}
    return Notice(notice.get("name", ""), notice.get("values", {}))


def load_ending(tx: Session, alert_id: int) -> Ending:
    """The stream that has ended; the alert must be one of that."""
    stream = tx.execute(
        select(Stream).join(Alert, Alert.stream_id == Stream.id).where(Alert.id == alert_id)
    ).scalar_one()
    word = Entry(
        uid=stream.uid,
        guid=stream.guid,
        title=stream.title,
        dek="",
        body="",
        body_html="",
        link="",
        importance=Importance.NORMAL,
    )
    word.stream, word.credits, word.tags, word.pictures = stream, [], [], []
    return Ending(EntryContent.of(word, RevisionKind.PUBLISH))


def load_story(tx: Session, alert_id: int) -> EntryContent:
    """What the alert tells now; it must be one of a revision."""
    revision = tx.execute(
        select(Revision).join(Alert, Alert.revision_id == Revision.id).where(Alert.id == alert_id)
    ).scalar_one()
    entry = tx.execute(entries_query().where(Entry.id == revision.entry_id)).scalar_one()
    return EntryContent.of(entry, revision.kind, revision.note)
