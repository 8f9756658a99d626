"""Entries as feeds show them, read once and remembered while they stay as they are."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import quote

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from config.settings import Settings
from feeds.document.bounded_cache import BoundedCache
from feeds.document.entry_content import beginning, for_readers
from feeds.document.feed_document import FeedEntry, Image, Note, Tag, Thumbnail
from feeds.document.scope import person
from models import (
    Entry,
    EntryPicture,
    EntryState,
    FeedText,
    Revision,
    RevisionKind,
    RevisionState,
    Stream,
)
from models.streams.entries import entries_query
from models.text.translations import catalog

# Of the memory set for feeds, counted in characters of HTML.  Without this memory a post to all
# documents of a stream and the site takes 5.7 times as long as feedgen's two, not 2.6 times.
_SHARE_OF_MEMORY = 0.125
_OVERHEAD_CHARACTERS = 1_000  # what an entry takes beside its HTML


class EntryRow(NamedTuple):
    """An entry of a feed, before it is read as a whole; selected by `ENTRY_COLUMNS`."""

    id: int
    guid: str
    seq: int
    version: int
    state: EntryState
    updated_at: datetime
    slug: str  # of its stream, as the next two
    feed_text: FeedText
    language: str
    first_published_at: datetime | None = None


ENTRY_COLUMNS: tuple[Any, ...] = (
    Entry.id,
    Entry.guid,
    Entry.seq,
    Entry.version,
    Entry.state,
    Entry.updated_at,
    Stream.slug,
    Stream.feed_text,
    Stream.language,
)


class _Key(NamedTuple):
    """Each change of an entry increments its version, so equal keys mean equal entries."""

    id: int
    version: int
    slug: str
    feed_text: FeedText
    language: str


class EntryReader:
    """For several threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._entries: BoundedCache[_Key, FeedEntry] = BoundedCache(
            int(settings.shelf_megabytes * 1_000_000 * _SHARE_OF_MEMORY),
            lambda entry: len(entry.content_html) + _OVERHEAD_CHARACTERS,
        )

    def read(self, tx: Session, rows: Iterable[EntryRow]) -> list[FeedEntry]:
        """The entries of those rows, in their order."""
        keys = [_Key(row.id, row.version, row.slug, row.feed_text, row.language) for row in rows]
        known = {key: self._entries.get(key) for key in keys}
        missing = {key.id: key for key, entry in known.items() if entry is None}
        if missing:
            for entry_id, entry in self._fetch(tx, list(missing)):
                known[missing[entry_id]] = entry
                self._entries.put(missing[entry_id], entry)
        return [each for each in map(known.get, keys) if each is not None]

    def read_blank(self, tx: Session, ids: Sequence[int]) -> dict[str, FeedEntry]:
        """Entries by guid without title and text, which a withdrawn one must not show again."""
        if not ids:
            return {}
        query = select(Entry).where(Entry.id.in_(ids)).options(selectinload(Entry.stream))
        return {entry.guid: self._make(entry, title="") for entry in tx.scalars(query)}

    def _fetch(self, tx: Session, ids: Sequence[int]) -> Iterator[tuple[int, FeedEntry]]:
        notes_by_entry = _notes(tx, ids)
        for entry in tx.scalars(entries_query().where(Entry.id.in_(ids))):
            gettext = catalog(entry.stream.language).gettext
            notes = []
            for kind, text in notes_by_entry[entry.id].items():
                correction = kind is RevisionKind.CORRECTION
                notes.append(Note(gettext("Correction") if correction else gettext("Update"), text))
            dek, html = self._text(entry)
            made = self._make(
                entry,
                title=entry.title,
                dek=dek,
                content_html=html,
                importance=entry.importance.value,
                link=entry.link or None,
                authors=tuple(person(self._settings, author) for author in entry.byline),
                tags=tuple(self._tag(tag.slug, tag.label) for tag in entry.tags),
                notes=tuple(notes),
                images=tuple(self._image(picture) for picture in entry.pictures),
                beginning=beginning(entry.body) if entry.pictures and not entry.dek else "",
            )
            yield entry.id, made

    def _text(self, entry: Entry) -> tuple[str, str]:
        """Dek and body.  A stream that gives summaries has no body, and always a dek."""
        if entry.stream.feed_text is FeedText.FULL:
            return entry.dek, for_readers(entry.body_html, self._url(entry))
        return entry.dek or beginning(entry.body), ""

    def _make(self, entry: Entry, *, title: str, **fields: Any) -> FeedEntry:
        assert entry.published_at is not None, f"entry {entry.uid} is out without a date"
        return FeedEntry(
            id=entry.guid,
            url=self._url(entry),
            title=title,
            published=entry.published_at,
            updated=entry.updated_at or entry.published_at,
            language=entry.stream.language,
            stream=entry.stream.guid,
            **fields,
        )

    def _url(self, entry: Entry) -> str:
        # Without the title: readers for which the link is part of an entry's identity would show
        # it twice after an edit.
        return f"{self._settings.base_url}/streams/{entry.stream.slug}/entries/{entry.uid}"

    def _tag(self, slug: str, label: str) -> Tag:
        return Tag(slug, label, f"{self._settings.base_url}/tags/{quote(slug, safe='')}")

    def _image(self, entry_picture: EntryPicture) -> Image:
        largest = entry_picture.picture.largest
        small = entry_picture.picture.smallest
        return Image(
            url=self._settings.base_url + largest.path,
            media_type=largest.media_type,
            length=largest.length,
            width=largest.width,
            height=largest.height,
            alt=entry_picture.alt,
            credit=entry_picture.credit,
            thumbnail=Thumbnail(self._settings.base_url + small.path, small.width, small.height),
        )


def _notes(tx: Session, ids: Sequence[int]) -> defaultdict[int, dict[RevisionKind, str]]:
    """The public notes of each entry's latest correction and latest update, the later one last."""
    query = (
        select(Revision.entry_id, Revision.kind, Revision.note)
        .where(
            Revision.entry_id.in_(ids),
            Revision.note != "",
            Revision.kind.in_([RevisionKind.CORRECTION, RevisionKind.UPDATE]),
            Revision.state == RevisionState.APPLIED,
        )
        .order_by(Revision.no)
    )
    notes: defaultdict[int, dict[RevisionKind, str]] = defaultdict(dict)
    for entry_id, kind, note in tx.execute(query):
        notes[entry_id].pop(kind, None)  # so that the order is that of the latest ones
        notes[entry_id][kind] = note
    return notes
