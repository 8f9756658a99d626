"""Entries as feeds show them, read once and kept while they stay as they are."""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from config.settings import Settings
from feeds.document.entry_content import beginning, for_readers
from feeds.document.feed_document import FeedEntry, Image, Note, Tag, Thumbnail
from feeds.document.labels import words
from feeds.document.scope import person
from models import Entry, EntryPicture, FeedText, Revision, RevisionKind, RevisionState
from models.streams.entries import entries

# of the memory that is set for feeds, in characters of kept HTML; what stands around them takes as
# much
SHARE = 0.125


class _Key(NamedTuple):
    """What an entry looks like depends on this alone: each change of the entry counts its version
    up.
    """

    id: int
    version: int
    slug: str
    feed_text: FeedText
    language: str


class EntryReader:
    """For several threads at once."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._kept: OrderedDict[_Key, FeedEntry] = OrderedDict()
        self._characters, self._most = 0, int(settings.shelf_megabytes * 1_000_000 * SHARE)
        self._lock = threading.Lock()

    def read(self, tx: Session, rows: Sequence[Any]) -> list[FeedEntry]:
        """The entries of those rows, in their order; a row names id, version, slug, feed_text and
        language.
        """
        keys = [_Key(row.id, row.version, row.slug, row.feed_text, row.language) for row in rows]
        with self._lock:
            found = {key: self._kept[key] for key in keys if key in self._kept}
            for key in found:
                self._kept.move_to_end(key)
        missing = {key.id: key for key in keys if key not in found}
        if missing:
            found |= {missing[id_]: entry for id_, entry in self._fresh(tx, missing)}
            self._keep({key: found[key] for key in missing.values() if key in found})
        return [found[key] for key in keys if key in found]

    def blank(self, tx: Session, ids: Sequence[int]) -> dict[str, FeedEntry]:
        """Entries by their feed id, without what they say: a withdrawn one must not say it again."""
        found = (
            tx.scalars(select(Entry).where(Entry.id.in_(ids)).options(selectinload(Entry.stream)))
            if ids
            else ()
        )
        return {entry.guid: self._entry(entry, title="") for entry in found}

    def _fresh(self, tx: Session, ids: Iterable[int]) -> Iterable[tuple[int, FeedEntry]]:
        wanted = list(ids)
        notes = _notes(tx, wanted)
        for entry in tx.scalars(entries().where(Entry.id.in_(wanted))):
            dek, html = self._text(entry)
            authors = tuple(person(self._settings, who) for who in entry.byline)
            tags = tuple(
                Tag(
                    tag.slug,
                    tag.label,
                    f"{self._settings.base_url}/tags/{quote(tag.slug, safe='')}",
                )
                for tag in entry.tags
            )
            spoken = words(entry.stream.language)
            labels = {
                RevisionKind.CORRECTION: spoken.correction,
                RevisionKind.UPDATE: spoken.update,
            }
            told = tuple(Note(labels[kind], text) for kind, text in notes.get(entry.id, {}).items())
            images = tuple(_image(self._settings, shown) for shown in entry.pictures)
            said: dict[str, Any] = {
                "dek": dek,
                "content_html": html,
                "authors": authors,
                "tags": tags,
                "notes": told,
                "images": images,
            }
            if images and not entry.dek:
                said["beginning"] = beginning(entry.body)
            yield (
                entry.id,
                self._entry(
                    entry,
                    title=entry.title,
                    importance=entry.importance.value,
                    link=entry.link or None,
                    **said,
                ),
            )

    def _text(self, entry: Entry) -> tuple[str, str]:
        """Dek and body; where the stream gives summaries no body, and its beginning where there is
        no dek.
        """
        if entry.stream.feed_text is FeedText.FULL:
            return entry.dek, for_readers(entry.body_html, self._url(entry))
        return entry.dek or beginning(entry.body), ""

    def _entry(self, entry: Entry, *, title: str, **said: Any) -> FeedEntry:
        assert entry.published_at is not None, f"entry {entry.uid} is out without a date"
        return FeedEntry(
            id=entry.guid,
            url=self._url(entry),
            title=title,
            published=entry.published_at,
            updated=entry.updated_at or entry.published_at,
            language=entry.stream.language,
            stream=entry.stream.guid,
            **said,
        )

    def _url(self, entry: Entry) -> str:
        # Without the title in it: readers that take the link for part of an entry's identity would
        # show it twice after an edit.
        return f"{self._settings.base_url}/streams/{entry.stream.slug}/entries/{entry.uid}"

    def _keep(self, fresh: dict[_Key, FeedEntry]) -> None:
        with self._lock:
            for key, entry in fresh.items():
                if key not in self._kept:
                    self._kept[key] = entry
                    self._characters += len(entry.content_html)
            while self._characters > self._most or len(self._kept) > self._most // 1000:
                self._characters -= len(self._kept.popitem(last=False)[1].content_html)


def _image(settings: Settings, shown: EntryPicture) -> Image:
    file, small = shown.picture.largest, shown.picture.smallest
    thumbnail = Thumbnail(settings.base_url + small.path, small.width, small.height)
    url = settings.base_url + file.path
    return Image(
        url,
        file.media_type,
        file.length,
        file.width,
        file.height,
        shown.alt,
        shown.credit,
        thumbnail,
    )


def _notes(tx: Session, ids: Sequence[int]) -> dict[int, dict[RevisionKind, str]]:
    """The public notes of each entry's latest applied correction and of its latest update, the
    later one last.
    """
    told = (
        Revision.kind.in_([RevisionKind.CORRECTION, RevisionKind.UPDATE]),
        Revision.state == RevisionState.APPLIED,
    )
    query = select(Revision.entry_id, Revision.kind, Revision.note).where(
        Revision.entry_id.in_(ids), Revision.note != "", *told
    )
    notes: dict[int, dict[RevisionKind, str]] = {}
    for entry_id, kind, note in tx.execute(query.order_by(Revision.no)):
        of_entry = notes.setdefault(entry_id, {})
        of_entry.pop(kind, None)  # so that the order is that of the latest ones
        of_entry[kind] = note
    return notes
