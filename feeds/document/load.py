"""Feed documents from the tables: a few small queries, and the entries not read before."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from config.settings import Settings
from feeds.document.archives import Archives, archive_at
from feeds.document.entry_reader import ENTRY_COLUMNS, EntryReader, EntryRow
from feeds.document.feed_address import Archive, FeedTopic, Flavour, Scope
from feeds.document.feed_document import FeedDocument, FeedEntry, Source, Tombstone
from feeds.document.scope import FeedScope, find_scope, members
from models import Entry, EntryState, FeedDeparture, Revision, RevisionKind, RevisionState, Stream
from models.db.clock import now as database_now
from models.db.database import Database
from models.text.errors import NotFound
from models.text.translations import catalog

MAX_ENTRIES = 50  # of a document
MAX_NOTICED = 100
# A change gives an archive another address; deleted content leaves caches within the hour.
ARCHIVE_MAX_AGE_SECONDS = 3_600
# For so long a withdrawn entry says so in its place, and a changed old entry is among the newest.
STUB_LIFE = timedelta(days=7)
TOMBSTONE_LIFE = timedelta(days=30)

_PUBLISHED: Any = text("entry.state = 'published'")  # word for word as in the partial indexes


class FeedMoved(Exception):
    """That version of an archive was replaced; ``topic`` has the present one."""

    def __init__(self, topic: FeedTopic) -> None:
        super().__init__(topic.folder)
        self.topic = topic


class FeedLoader:
    """Reads feed documents for several threads.

    Entries that were read are remembered, so that a change costs what changed.
    """

    def __init__(self, db: Database, settings: Settings) -> None:
        self._db = db
        self._settings = settings
        self._reader = EntryReader(settings)
        self._archives = Archives()

    def load(self, topic: FeedTopic) -> FeedDocument:
        """The feed, read in one transaction.

        Raises NotFound where there is none or its stream is hidden, Gone where its stream was
        deleted, FeedMoved where the archive has a newer version.
        """
        with self._db.read() as tx:
            scope = find_scope(tx, self._settings, topic)
            if topic.archive is not None:
                return self._archive(tx, topic, topic.archive, scope)
            return self._newest(tx, topic, scope)

    def _newest(self, tx: Session, topic: FeedTopic, scope: FeedScope) -> FeedDocument:
        rows = _last_published(tx, scope, MAX_ENTRIES)
        updated = _updated(tx, scope, rows)
        if topic.flavour is Flavour.NEW:
            document = self._document(tx, topic, scope, rows, None, updated)
            return replace(document, entries=_as_first_published(rows, document.entries))
        older = None
        if len(rows) == MAX_ENTRIES:
            older = self._archives.newest(tx, topic, scope, MAX_ENTRIES)
        if older is not None:
            rows = [row for row in rows if row.seq > older.upto]
            # Withdrawn entries keep their place.
            withdrawn = sum(row.state is EntryState.RETRACTED for row in rows)
            rows += _newest_of_archive(tx, scope, MAX_ENTRIES - withdrawn, older)
        document = self._document(tx, topic, scope, rows, older, updated)
        return self._with_changes(tx, scope, replace(document, complete=older is None), rows)

    def _archive(
        self, tx: Session, topic: FeedTopic, archive: Archive, scope: FeedScope
    ) -> FeedDocument:
        rows = _last_published(tx, scope, MAX_ENTRIES + 1, upto=archive.upto)
        if topic.flavour is Flavour.NEW or not rows:
            raise NotFound("archive", topic.folder)
        present = archive_at(tx, topic, scope, rows[0].seq)
        if present != archive:
            raise FeedMoved(replace(topic, archive=present))
        older = None
        if len(rows) > MAX_ENTRIES:
            older = archive_at(tx, topic, scope, rows[MAX_ENTRIES].seq)
            del rows[MAX_ENTRIES]
        updated = max(row.updated_at for row in rows)
        return replace(
            self._document(tx, topic, scope, rows, older, updated),
            archive=True,
            current_folder_url=self._folder_url(topic.newest),
            max_age=ARCHIVE_MAX_AGE_SECONDS,
        )

    def _document(
        self,
        tx: Session,
        topic: FeedTopic,
        scope: FeedScope,
        rows: Sequence[EntryRow],
        older: Archive | None,
        updated: datetime,
    ) -> FeedDocument:
        published = [row for row in rows if row.state is EntryState.PUBLISHED]
        entries = self._reader.read(tx, published)
        sources: tuple[Source, ...] = ()
        if topic.scope is not Scope.STREAM:
            sources = _sources(tx, self._settings, entries)
        older_folder_url = None
        if older:
            older_folder_url = self._folder_url(replace(topic, archive=older))
        return FeedDocument(
            id=scope.guid,
            title=scope.title,
            dek=scope.dek,
            folder_url=self._folder_url(topic),
            page_url=scope.page_url,
            language=scope.language,
            updated=updated,
            changed=scope.changed_at,
            site=scope.site,
            rights=scope.rights,
            logo_url=scope.logo_url,
            contributors=scope.contributors,
            entries=_newest_first(entries),
            sources=sources,
            max_age=scope.max_age,
            previous_folder_url=older_folder_url,
            seq=scope.seq,
        )

    def _with_changes(
        self, tx: Session, scope: FeedScope, document: FeedDocument, rows: Sequence[EntryRow]
    ) -> FeedDocument:
        """Add what readers should notice outside the newest entries: corrections, withdrawals."""
        now = database_now(tx)
        changed = _last_changed(tx, scope)
        in_document = {row.id for row in rows}
        outside = []
        retracted = []
        for row in changed:
            if row.state is EntryState.RETRACTED:
                retracted.append(row)
            elif row.state is EntryState.PUBLISHED and row.id not in in_document:
                outside.append(row)
        withdrawals = _withdrawals(tx, retracted)
        tombstones = [each for each in withdrawals.values() if each.when + TOMBSTONE_LIFE > now]
        entries = [*document.entries]
        entries += self._reader.read(
            tx, [row for row in outside if row.updated_at + STUB_LIFE > now]
        )
        entries += self._stubs(tx, withdrawals, now)
        ends = [row.updated_at + STUB_LIFE for row in outside]
        for withdrawal in withdrawals.values():
            ends += [withdrawal.when + STUB_LIFE, withdrawal.when + TOMBSTONE_LIFE]
        return replace(
            document,
            entries=_newest_first(entries),
            tombstones=tuple(tombstones),
            updated=max([document.updated, *(row.updated_at for row in changed)]),
            changed=max([document.changed, *(end for end in ends if end <= now)]),
            valid_until=min((end for end in ends if end > now), default=None),
        )

    def _stubs(
        self, tx: Session, withdrawals: dict[int, Tombstone], now: datetime
    ) -> list[FeedEntry]:
        """Recently withdrawn entries that say so, since many readers ignore tombstones."""
        recent = {id_: each for id_, each in withdrawals.items() if each.when + STUB_LIFE > now}
        blanks = self._reader.read_blank(tx, list(recent))
        stubs = []
        for tombstone in recent.values():
            blank = blanks[tombstone.id]
            gettext = catalog(blank.language).gettext
            dek = tombstone.comment or gettext("This update was retracted.")
            stub = replace(blank, title=gettext("Retracted"), dek=dek, updated=tombstone.when)
            stubs.append(stub)
        return stubs

    def _folder_url(self, topic: FeedTopic) -> str:
        return self._settings.base_url + topic.folder


def _last_published(
    tx: Session, scope: FeedScope, limit: int, *, upto: int | None = None
) -> list[EntryRow]:
    """The entries published last, up to a seq, withdrawn ones too, so that no boundary moves."""
    is_first = (Revision.entry_id == Entry.id) & (Revision.no == 1)
    query = (
        members(scope, *ENTRY_COLUMNS, Revision.applied_at)
        .join(Revision, is_first)
        .order_by(Entry.seq.desc())
        .limit(limit)
    )
    if upto is not None:
        query = query.where(Entry.seq <= upto)
    return [EntryRow(*row) for row in tx.execute(query)]


def _newest_of_archive(
    tx: Session, scope: FeedScope, limit: int, older: Archive
) -> Iterable[EntryRow]:
    """The archived entries among the newest by date.

    So however many old entries are imported, they cannot push out the newest ones.
    """
    query = (
        members(scope, *ENTRY_COLUMNS)
        .where(_PUBLISHED)
        .order_by(Entry.published_at.desc(), Entry.seq.desc())
        .limit(limit)
    )
    rows = [EntryRow(*row) for row in tx.execute(query)]
    return [row for row in rows if row.seq <= older.upto]


def _updated(tx: Session, scope: FeedScope, rows: Sequence[EntryRow]) -> datetime:
    """When something last entered or left the feed.

    That is not the newest of its dates, which editors choose.  ``rows`` begin with the entry
    published last.
    """
    times = [scope.created_at]
    if rows and rows[0].first_published_at:
        times.append(rows[0].first_published_at)
    if scope.departures:
        in_scope = FeedDeparture.feed.in_(scope.departures)
        times += tx.scalars(select(FeedDeparture.left_at).where(in_scope))
    return max(times)


def _last_changed(tx: Session, scope: FeedScope) -> list[EntryRow]:
    """The entries that were last corrected, updated, withdrawn or restored.

    However long ago that was, since the feed's date must never go back.
    """
    query = (
        members(scope, *ENTRY_COLUMNS)
        .where(Entry.updated_at > Entry.published_at)
        .order_by(Entry.updated_at.desc())
        .limit(MAX_NOTICED)
    )
    return [EntryRow(*row) for row in tx.execute(query)]


def _withdrawals(tx: Session, rows: Sequence[EntryRow]) -> dict[int, Tombstone]:
    """Tombstones by entry id, the last withdrawn first.

    An entry whose withdrawal can still be undone has none yet.
    """
    if not rows:
        return {}
    query = (
        select(Entry.id, Entry.guid, Revision.applied_at, Revision.note)
        .join(Revision, Revision.entry_id == Entry.id)
        .where(Entry.id.in_([row.id for row in rows]), Revision.kind == RevisionKind.RETRACTION)
        .where(Revision.state == RevisionState.APPLIED, Revision.applied_at == Entry.updated_at)
        .order_by(Revision.applied_at.desc(), Entry.id)
    )
    tombstones = {}
    for entry_id, guid, applied_at, note in tx.execute(query):
        if applied_at is not None:
            tombstones[entry_id] = Tombstone(guid, applied_at, note)
    return tombstones


def _as_first_published(
    rows: Sequence[EntryRow], entries: Sequence[FeedEntry]
) -> tuple[FeedEntry, ...]:
    """The entries dated by when they were first published, whatever their own dates."""
    times = {row.guid: row.first_published_at for row in rows}
    dated = []
    for entry in entries:
        time = times[entry.id]
        assert time is not None, f"{entry.id} is public without a first revision"
        dated.append(replace(entry, published=time, updated=time))
    return _newest_first(dated)


def _newest_first(entries: Sequence[FeedEntry]) -> tuple[FeedEntry, ...]:
    """By date; entries of equal date stay in the order of their publication."""
    return tuple(sorted(entries, key=lambda entry: entry.published, reverse=True))


def _sources(tx: Session, settings: Settings, entries: Sequence[FeedEntry]) -> tuple[Source, ...]:
    """The streams of these entries.

    Each is dated by its last entry here: later ones must not change an archive.
    """
    updated: dict[str, datetime] = {}
    for entry in entries:
        updated[entry.stream] = max(entry.updated, updated.get(entry.stream, entry.updated))
    if not updated:
        return ()
    query = (
        select(Stream.guid, Stream.title, Stream.slug)
        .where(Stream.guid.in_(updated))
        .order_by(Stream.guid)
    )
    sources = []
    for guid, title, slug in tx.execute(query):
        url = f"{settings.base_url}/streams/{quote(slug)}"
        sources.append(Source(guid, title, url, updated[guid]))
    return tuple(sources)
