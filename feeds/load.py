"""Tables into a document, by a number of queries that does not grow with the entries."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from urllib.parse import quote

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from config.settings import Settings
from feeds.content import with_absolute_links
from feeds.document import FeedDocument, FeedEntry, Note, Person, Tag
from models import (
    Contributor,
    Entry,
    EntryState,
    Revision,
    RevisionKind,
    RevisionState,
    Site,
    Stream,
    StreamState,
)
from models.database import Database
from models.entries import entries
from models.streams import get_stream

NEWEST = 50  # entries in a subscription document
# Seconds that a copy stays fresh.  Readers wait for the longest hint that they find, so RSS's ttl comes from the same number.
MAX_AGE = {StreamState.LIVE: 60, StreamState.QUIET: 900, StreamState.ENDED: 86_400}
_PUBLIC = tuple(MAX_AGE)


def load_document(db: Database, settings: Settings, slug: str | None = None) -> FeedDocument:
    """The feed of the stream ``slug``, or of all streams.

    Raises NotFound where there is no such stream or it is hidden, Gone where it was deleted.
    """
    with db.read() as tx:
        return _all_streams(tx, settings) if slug is None else _one_stream(tx, settings, slug)


def _one_stream(tx: Session, settings: Settings, slug: str) -> FeedDocument:
    stream = get_stream(tx, slug, public=True)
    newest = _newest(tx, stream)
    page = _stream_url(settings, slug)
    return FeedDocument(
        id=stream.guid,
        title=stream.title,
        dek=stream.dek,
        folder_url=f"{page}/",
        page_url=page,
        language=stream.language,
        updated=_updated(tx, newest, stream) or stream.created_at,
        changed=stream.changed_at,
        site=_site(settings),
        contributors=tuple(map(_person, stream.contributors)),
        entries=_feed_entries(tx, settings, newest, stream.language),
        max_age=MAX_AGE[stream.state],
    )


def _all_streams(tx: Session, settings: Settings) -> FeedDocument:
    site = tx.scalars(select(Site)).one()
    newest = _newest(tx, None)
    # Hidden and deleted streams count, too: this feed changed when they left it.
    changed = tx.execute(select(func.max(Stream.changed_at))).scalar_one()
    return FeedDocument(
        id=_site_guid(site, "all"),
        title=settings.site_name,
        folder_url=f"{settings.base_url}/",
        page_url=f"{settings.base_url}/",
        language=settings.site_language,
        updated=_updated(tx, newest, None) or site.created_at,
        changed=changed or site.created_at,
        site=_site(settings),
        entries=_feed_entries(tx, settings, newest, settings.site_language),
    )


def _newest(tx: Session, stream: Stream | None) -> Sequence[Entry]:
    """The last published by seq, which no imported date can disturb, in the order in which they are shown."""
    query = entries().join(Entry.stream).where(Entry.state == EntryState.PUBLISHED, Stream.state.in_(_PUBLIC))
    query = query.order_by(Entry.seq.desc()).limit(NEWEST)
    if stream is not None:
        query = query.where(Entry.stream_id == stream.id)
    return sorted(tx.scalars(query), key=lambda entry: (_published(entry), entry.seq), reverse=True)


def _updated(tx: Session, shown: Sequence[Entry], stream: Stream | None) -> datetime | None:
    """The latest significant change among these entries and those that were retracted from among them.

    A retraction moves its entry's `updated`, so the feed's never goes back when its newest entry leaves.
    """
    oldest = min((entry.seq or 0 for entry in shown), default=0)
    out = (EntryState.PUBLISHED, EntryState.RETRACTED)
    query = (
        select(func.max(Entry.updated_at)).join(Entry.stream).where(Entry.seq >= oldest, Entry.state.in_(out), Stream.state.in_(_PUBLIC))
    )
    if stream is not None:
        query = query.where(Entry.stream_id == stream.id)
    moment: datetime | None = tx.execute(query).scalar_one()
    return moment


def _feed_entries(tx: Session, settings: Settings, shown: Sequence[Entry], language: str) -> tuple[FeedEntry, ...]:
    notes = _corrections(tx, [entry.id for entry in shown])
    return tuple(_feed_entry(settings, entry, notes.get(entry.id), language) for entry in shown)


def _corrections(tx: Session, ids: Sequence[int]) -> dict[int, Note]:
    """The public note of each entry's latest applied correction that has one."""
    query = (
        select(Revision.entry_id, Revision.note)
        .where(
            Revision.entry_id.in_(ids),
            Revision.kind == RevisionKind.CORRECTION,
            Revision.state == RevisionState.APPLIED,
            Revision.note != "",
        )
        .order_by(Revision.no)
    )
    return {entry_id: Note("Correction", note) for entry_id, note in tx.execute(query)}


def _feed_entry(settings: Settings, entry: Entry, note: Note | None, language: str) -> FeedEntry:
    # Without the title in it: readers that take the link for part of an entry's identity would show it twice after an edit.
    url = f"{_stream_url(settings, entry.stream.slug)}/entries/{entry.uid}"
    published = _published(entry)
    return FeedEntry(
        id=entry.guid,
        url=url,
        title=entry.title,
        dek=entry.dek,
        content_html=with_absolute_links(entry.body_html, url),
        published=published,
        updated=entry.updated_at or published,
        authors=tuple(map(_person, entry.byline)),
        tags=tuple(Tag(tag.slug, tag.label, f"{settings.base_url}/tags/{quote(tag.slug, safe='')}") for tag in entry.tags),
        importance=entry.importance.value,
        link=entry.link or None,
        note=note,
        language=entry.stream.language if entry.stream.language != language else None,
    )


def _published(entry: Entry) -> datetime:
    assert entry.published_at is not None, f"entry {entry.uid} is published without a date"
    return entry.published_at


def _person(contributor: Contributor) -> Person:
    return Person(contributor.name, contributor.url or None)


def _site(settings: Settings) -> Person:
    return Person(settings.site_name, f"{settings.base_url}/")


def _stream_url(settings: Settings, slug: str) -> str:
    return f"{settings.base_url}/streams/{slug}"


def _site_guid(site: Site, name: str) -> str:
    """The id of a feed that no row stands for, made of what is stored for good: it must outlive a move to another address."""
    if site.id_authority:
        return f"tag:{site.id_authority},{site.created_at:%Y-%m-%d}:{name}"
    return uuid.uuid5(uuid.NAMESPACE_OID, f"storywire {site.created_at.isoformat()} {name}").urn
