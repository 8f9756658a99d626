"""Tables into a document: a few small queries, and the entries that were not read before."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from sqlalchemy import ColumnElement, select, text
from sqlalchemy.orm import Session

from config.settings import Settings
from feeds.document.archives import Archives, archive_at
from feeds.document.entry_reader import EntryReader
from feeds.document.feed_address import Archive, FeedTopic, Flavour, Scope
from feeds.document.feed_document import FeedDocument, FeedEntry, Source, Tombstone
from feeds.document.labels import words
from feeds.document.scope import ScopeFound, find_scope, members
from models import Entry, EntryState, FeedDeparture, Revision, RevisionKind, RevisionState, Stream
from models.db.clock import now
from models.db.database import Database
from models.text.errors import NotFound

NEWEST = 50  # entries in a document
MOST_NOTICED = 100
# seconds: a change gives it another address, and what was deleted leaves caches within the hour
ARCHIVE_MAX_AGE = 3_600
# a withdrawn entry stands as one in its place, and a changed old one among the newest
STUB_LIFE = timedelta(days=7)
TOMBSTONE_LIFE = timedelta(days=30)


class FeedMoved(Exception):
    """That version of an archive is over; ``topic`` is the present one."""

    def __init__(self, topic: FeedTopic) -> None:
        super().__init__(topic.folder)
        self.topic = topic


class FeedLoader:
    """Reads documents; keeps entries that it read, so that a change costs what changed. For several
    threads at once.
    """

    def __init__(self, db: Database, settings: Settings) -> None:
        self._db, self._settings = db, settings
        self._reader = EntryReader(settings)
        self._archives = Archives()

    def load(self, topic: FeedTopic) -> FeedDocument:
        """The feed as it stands at one moment.

        Raises NotFound where there is none or its stream is hidden, Gone where its stream was
        deleted, Moved where the archive has a newer version.
        """
        with self._db.read() as tx:
            scope = find_scope(tx, self._settings, topic)
            if topic.archive is not None:
                return self._archive(tx, topic, topic.archive, scope)
            return self._newest(tx, topic, scope)

    def _newest(self, tx: Session, topic: FeedTopic, scope: ScopeFound) -> FeedDocument:
        rows = _last_out(tx, scope, NEWEST)
        updated = _updated(tx, scope, rows)
        if topic.flavour is Flavour.NEW:
            document = self._document(tx, topic, scope, rows, None, updated)
            return replace(document, entries=_as_first_out(rows, document.entries))
        older = self._archives.newest(tx, topic, scope, NEWEST) if len(rows) == NEWEST else None
        if older is not None:
            unarchived = [row for row in rows if row.seq > older.upto]
            # they keep their place
            withdrawn = sum(row.state is EntryState.RETRACTED for row in unarchived)
            rows = [*unarchived, *_last_dated(tx, scope, NEWEST - withdrawn, older)]
        document = self._document(tx, topic, scope, rows, older, updated)
        return self._with_noticed(tx, scope, replace(document, complete=older is None), rows)

    def _archive(
        self, tx: Session, topic: FeedTopic, archive: Archive, scope: ScopeFound
    ) -> FeedDocument:
        rows = _last_out(tx, scope, NEWEST + 1, upto=archive.upto)
        if topic.flavour is Flavour.NEW or not rows:
            raise NotFound("archive", topic.folder)
        present = archive_at(tx, topic, scope, rows[0].seq)
        if present != archive:
            raise FeedMoved(replace(topic, archive=present))
        older = archive_at(tx, topic, scope, rows[NEWEST].seq) if len(rows) > NEWEST else None
        rows = rows[:NEWEST]
        document = self._document(
            tx, topic, scope, rows, older, max(row.updated_at for row in rows)
        )
        return replace(
            document,
            archive=True,
            current_folder_url=self._folder(topic.newest),
            max_age=ARCHIVE_MAX_AGE,
        )

    def _document(
        self,
        tx: Session,
        topic: FeedTopic,
        scope: ScopeFound,
        rows: Sequence[Any],
        older: Archive | None,
        updated: datetime,
    ) -> FeedDocument:
        shown = self._reader.read(tx, [row for row in rows if row.state is EntryState.PUBLISHED])
        return FeedDocument(
            id=scope.guid,
            title=scope.title,
            dek=scope.dek,
            folder_url=self._folder(topic),
            page_url=scope.page_url,
            language=scope.language,
            updated=updated,
            changed=scope.changed_at,
            site=scope.site,
            rights=scope.rights,
            logo_url=scope.logo_url,
            contributors=scope.contributors,
            entries=_in_order(shown),
            sources=_sources(tx, self._settings, shown) if topic.scope is not Scope.STREAM else (),
            max_age=scope.max_age,
            previous_folder_url=self._folder(replace(topic, archive=older)) if older else None,
            stamp=scope.stamp,
        )

    def _with_noticed(
        self, tx: Session, scope: ScopeFound, document: FeedDocument, rows: Sequence[Any]
    ) -> FeedDocument:
        """With what readers should notice though it left the window: old entries that changed, and
        withdrawals.
        """
        moment, window = now(tx), {row.id for row in rows}
        noticed = _noticed(tx, scope)
        outside = [
            row for row in noticed if row.state is EntryState.PUBLISHED and row.id not in window
        ]
        back = [row for row in outside if row.updated_at + STUB_LIFE > moment]
        withdrawn = _withdrawals(tx, [row for row in noticed if row.state is EntryState.RETRACTED])
        stubs = {
            id_: tombstone
            for id_, tombstone in withdrawn.items()
            if tombstone.when + STUB_LIFE > moment
        }
        blank = self._reader.blank(tx, list(stubs))
        extra = [_stub(blank[tombstone.id], tombstone) for tombstone in stubs.values()]
        ends = [row.updated_at + STUB_LIFE for row in outside]
        ends += [
            tombstone.when + life
            for tombstone in withdrawn.values()
            for life in (STUB_LIFE, TOMBSTONE_LIFE)
        ]
        return replace(
            document,
            entries=_in_order([*document.entries, *self._reader.read(tx, back), *extra]),
            tombstones=tuple(
                tombstone
                for tombstone in withdrawn.values()
                if tombstone.when + TOMBSTONE_LIFE > moment
            ),
            updated=max([document.updated, *(row.updated_at for row in noticed)]),
            changed=max([document.changed, *(end for end in ends if end <= moment)]),
            valid_until=min((end for end in ends if end > moment), default=None),
        )

    def _folder(self, topic: FeedTopic) -> str:
        return self._settings.base_url + topic.folder


_LIGHT: tuple[ColumnElement[Any] | Any, ...] = (
    Entry.id, Entry.guid, Entry.seq, Entry.version, Entry.state, Entry.updated_at, Stream.slug, Stream.feed_text, Stream.language,
)  # fmt: skip


_OUT: Any = text("entry.state = 'published'")  # word for word as in the partial indexes


def _last_out(
    tx: Session, scope: ScopeFound, most: int, *, upto: int | None = None
) -> Sequence[Any]:
    """The entries that came out last, up to a seq. Withdrawn ones keep their place, so that no
    boundary moves.
    """
    first = (Revision.entry_id == Entry.id) & (Revision.no == 1)
    query = (
        members(scope, *_LIGHT, Revision.applied_at.label("out_at"))
        .join(Revision, first)
        .order_by(Entry.seq.desc())
        .limit(most)
    )
    return tx.execute(query.where(Entry.seq <= upto) if upto is not None else query).all()


def _last_dated(tx: Session, scope: ScopeFound, most: int, older: Archive) -> Sequence[Any]:
    """The archived ones among the newest by date, which imported entries cannot push out however
    many come.
    """
    query = (
        members(scope, *_LIGHT)
        .where(_OUT)
        .order_by(Entry.published_at.desc(), Entry.seq.desc())
        .limit(most)
    )
    return [row for row in tx.execute(query) if row.seq <= older.upto]


def _updated(tx: Session, scope: ScopeFound, rows: Sequence[Any]) -> datetime:
    """When something last entered or left the feed: not the newest of its dates, which editors
    choose.

    ``rows`` are its entries that came out last, the last one first.
    """
    departures = select(FeedDeparture.left_at).where(FeedDeparture.feed.in_(scope.departures))
    left = tx.scalars(departures).all() if scope.departures else ()
    moments: list[datetime] = [scope.created_at, *(row.out_at for row in rows[:1]), *left]
    return max(moments)


def _noticed(tx: Session, scope: ScopeFound) -> Sequence[Any]:
    """The last that were corrected, updated, withdrawn or restored, however long ago: the feed's
    date must never go back.
    """
    query = members(scope, *_LIGHT).where(Entry.updated_at > Entry.published_at)
    return tx.execute(query.order_by(Entry.updated_at.desc()).limit(MOST_NOTICED)).all()


def _withdrawals(tx: Session, rows: Sequence[Any]) -> dict[int, Tombstone]:
    """By the ids of these withdrawn entries, the last withdrawn first; one whose withdrawal may
    still be undone has none yet.
    """
    query = (
        select(Entry.id, Entry.guid, Revision.applied_at, Revision.note)
        .join(Revision, Revision.entry_id == Entry.id)
        .where(Entry.id.in_([row.id for row in rows]), Revision.kind == RevisionKind.RETRACTION)
        .where(Revision.state == RevisionState.APPLIED, Revision.applied_at == Entry.updated_at)
        .order_by(Revision.applied_at.desc(), Entry.id)
    )
    found = tx.execute(query).all() if rows else []
    return {id_: Tombstone(guid, when, note) for id_, guid, when, note in found if when is not None}


def _stub(entry: FeedEntry, tombstone: Tombstone) -> FeedEntry:
    """The same entry saying that it was withdrawn, for the many readers that take no notice of
    tombstones.
    """
    said = words(entry.language)
    return replace(
        entry,
        title=said.withdrawn,
        dek=tombstone.comment or said.withdrawn_without_note,
        updated=tombstone.when,
    )


def _as_first_out(rows: Sequence[Any], entries: tuple[FeedEntry, ...]) -> tuple[FeedEntry, ...]:
    """Dated by the moment they came out, whatever date they bear and however often they changed
    since.
    """
    out_at = {row.guid: row.out_at for row in rows}
    return _in_order(
        [replace(entry, published=out_at[entry.id], updated=out_at[entry.id]) for entry in entries]
    )


def _in_order(entries: Sequence[FeedEntry]) -> tuple[FeedEntry, ...]:
    """By date, newest first; those of the same date in the order of their coming out, in which they
    are handed in.
    """
    return tuple(sorted(entries, key=lambda entry: entry.published, reverse=True))


def _sources(tx: Session, settings: Settings, shown: Sequence[FeedEntry]) -> tuple[Source, ...]:
    """The streams of these entries, each as of its last one of them: what comes later must not
    change an archive.
    """
    updated: dict[str, datetime] = {}
    for entry in shown:
        updated[entry.stream] = max(entry.updated, updated.get(entry.stream, entry.updated))
    query = (
        select(Stream.guid, Stream.title, Stream.slug)
        .where(Stream.guid.in_(updated))
        .order_by(Stream.guid)
    )
    found = tx.execute(query).all() if updated else []
    return tuple(
        Source(
            row.guid, row.title, f"{settings.base_url}/streams/{quote(row.slug)}", updated[row.guid]
        )
        for row in found
    )
