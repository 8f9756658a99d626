"""Data of pages, each read in a number of queries that does not grow with the entries."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, or_, select, text
from sqlalchemy.orm import Session, selectinload

from models.streams.entries import entries_query, get_entry
from models.streams.pinning import pinned_entries
from models.streams.streams import LATEST_FIRST, get_stream, list_streams
from models.tables.ledger import Recipient, RecipientKind, RecipientState
from models.tables.media import Picture
from models.tables.people import Account
from models.tables.stories import (
    Entry,
    EntryState,
    Importance,
    Revision,
    RevisionKind,
    RevisionState,
    Stream,
    StreamState,
)
from models.text.errors import Gone, NotFound

ENTRIES_PER_PAGE = 50  # entries on one page of a timeline
MAX_KEY_POINTS = 6
HEADLINES_PER_STREAM = 3
MAX_TITLE_WORDS = 8
# a retracted entry keeps its place, as a stub
_SHOWN = (EntryState.PUBLISHED, EntryState.RETRACTED)
# Word for word as in the partial indexes, so that they serve.
_OUT: Any = text("entry.state = 'published'")
_WITHIN: Any = text("entry.state <> 'published'")
_RAISED: Any = text("entry.importance <> 'normal'")


@dataclass(frozen=True)
class Headline:
    """An entry in a list of links."""

    stream_id: int
    uid: str
    title: str
    importance: Importance
    published_at: datetime


@dataclass(frozen=True)
class PublicChange:
    """A line of an entry's public history.  ``former_title`` is empty where the title stayed."""

    kind: RevisionKind
    at: datetime
    note: str
    title: str
    former_title: str


@dataclass(frozen=True)
class FrontPage:
    """Streams with their newest entries, those that are newest first; the contributors of the first
    running one are loaded.
    """

    running: Sequence[Stream]
    ended: Sequence[Stream]
    headlines: Mapping[int, Sequence[Headline]]

    @property
    def newest(self) -> datetime | None:
        """The date of the newest entry of all."""
        return max(
            (headlines[0].published_at for headlines in self.headlines.values()), default=None
        )


@dataclass(frozen=True)
class Pages:
    """The pages beside one, each as its ``before``: ``older`` is None on the last one, ``newer`` on
    and just behind the newest.
    """

    newer: int | None
    older: int | None
    first: int | None  # with the entries that came out first; None where one page holds all


@dataclass(frozen=True)
class StreamPage:
    """One page of a timeline.  Only the first has what is ``pinned``."""

    stream: Stream
    entries: Sequence[Entry]
    history: Mapping[int, Sequence[PublicChange]]
    key_points: Sequence[Headline]
    pinned: Sequence[Entry]
    pages: Pages
    began: datetime | None  # the date of its first entry

    @property
    def newest(self) -> int:
        """The seq of the entry that came out last, whatever its date; 0 without any."""
        return max((entry.seq or 0 for entry in self.entries), default=0)


@dataclass(frozen=True)
class EntryPage:
    """One entry with its public history and its neighbours in the order in which they came out."""

    entry: Entry
    history: Sequence[PublicChange]
    following: Headline | None
    preceding: Headline | None


@dataclass(frozen=True)
class Board:
    """One page of streams as the desk lists them; ``older``: where the next page begins, None on
    the last.
    """

    streams: Sequence[Stream]
    latest: Mapping[int, Headline]
    counts: Mapping[int, Mapping[EntryState, int]]
    live: int  # streams that are live, on whichever page
    older: int | None = None


def front_page(tx: Session, *, limit: int = 100) -> FrontPage:
    """All public streams, at most ``limit`` running and as many ended ones."""
    streams = list_streams(tx, public=True)
    headlines = _newest(tx, [stream.id for stream in streams], HEADLINES_PER_STREAM)

    def newest(stream: Stream) -> datetime:
        if stream.id in headlines:
            return headlines[stream.id][0].published_at
        return stream.created_at

    # By the dates that readers see: an archive that was imported this morning is no news.
    streams = sorted(streams, key=newest, reverse=True)
    running = [stream for stream in streams if stream.state is not StreamState.ENDED][:limit]
    ended = [stream for stream in streams if stream.state is StreamState.ENDED][:limit]
    if running:
        get_stream(tx, running[0].slug)  # loads its contributors
    return FrontPage(running, ended, headlines)


def page_of_stream(tx: Session, slug: str, *, before: int | None = None) -> StreamPage:
    """The newest entries of a public stream, or those before the seq ``before``.  Raises NotFound
    and Gone as `get_stream` does.
    """
    stream = get_stream(tx, slug, public=True)
    entries, pages = page_of_entries(
        tx, entries_query().where(Entry.stream_id == stream.id, Entry.state.in_(_SHOWN)), before
    )
    on_top = pinned_entries(tx, stream.id) if before is None else []
    dates = select(Entry.published_at).where(Entry.stream_id == stream.id, _OUT)
    key_points = (
        _headlines(stream.id).where(_RAISED).order_by(Entry.seq.desc()).limit(MAX_KEY_POINTS)
    )
    return StreamPage(
        stream,
        entries,
        _histories(tx, [entry.id for entry in (*entries, *on_top)]),
        _read(tx, key_points) if before is None else [],
        on_top,
        pages,
        tx.scalar(dates.order_by(Entry.published_at).limit(1)),
    )


def newest_seqs(tx: Session, stream: Stream) -> Sequence[int]:
    """The seqs of the published entries of the first page, newest first."""
    query = select(Entry.seq).where(
        Entry.stream_id == stream.id, Entry.state == EntryState.PUBLISHED
    )
    return [
        seq
        for seq in tx.scalars(query.order_by(Entry.seq.desc()).limit(ENTRIES_PER_PAGE))
        if seq is not None
    ]


def page_of_entries(
    tx: Session, query: Select[Entry], before: int | None
) -> tuple[Sequence[Entry], Pages]:
    """A page of these entries: the newest, or those that came out before the seq ``before``; and
    the pages beside it.

    Cut by seq, which no imported date can disturb, and shown by date.
    """
    page = query.where(Entry.seq < before) if before is not None else query
    entries = tx.scalars(page.order_by(Entry.seq.desc()).limit(ENTRIES_PER_PAGE + 1)).all()
    ahead = query.with_only_columns(Entry.seq).order_by(Entry.seq).offset(ENTRIES_PER_PAGE).limit(1)
    pages = Pages(
        newer=tx.scalar(ahead.where(Entry.seq >= before)) if before is not None else None,
        older=entries[ENTRIES_PER_PAGE - 1].seq if len(entries) > ENTRIES_PER_PAGE else None,
        first=tx.scalar(ahead) if len(entries) > ENTRIES_PER_PAGE else None,
    )
    by_date = sorted(
        entries[:ENTRIES_PER_PAGE],
        key=lambda entry: (entry.published_at, entry.seq),
        reverse=True,
    )
    return by_date, pages


def page_of_entry(tx: Session, uid: str) -> EntryPage:
    """A public entry. Raises NotFound where it is not out, Gone with the public note where it or
    its stream was withdrawn.
    """
    entry = get_entry(
        tx, uid, selectinload(Entry.stream).joinedload(Stream.picture).selectinload(Picture.files)
    )
    if entry.state not in _SHOWN or entry.stream.state is StreamState.HIDDEN:
        raise NotFound("entry", uid)
    if entry.stream.state is StreamState.DELETED:
        raise Gone("entry", uid)
    history = _histories(tx, [entry.id]).get(entry.id, [])
    if entry.state is EntryState.RETRACTED:
        raise Gone(
            "entry",
            uid,
            next((change.note for change in history if change.kind is RevisionKind.RETRACTION), ""),
        )
    beside = _headlines(entry.stream_id)
    following = _read(tx, beside.where(Entry.seq > entry.seq).order_by(Entry.seq).limit(1))
    preceding = _read(tx, beside.where(Entry.seq < entry.seq).order_by(Entry.seq.desc()).limit(1))
    return EntryPage(
        entry,
        history,
        following[0] if following else None,
        preceding[0] if preceding else None,
    )


def board(
    tx: Session, *, limit: int = ENTRIES_PER_PAGE, before: int | None = None, title: str = ""
) -> Board:
    """Streams but deleted ones, the one with the latest entry first, with that entry and how many
    entries stand where.

    A page of ``limit``, of those behind the stream with the id ``before`` and with ``title`` in
    their title or slug. Costs the same number of statements however many streams there are.
    """
    query = select(Stream).where(Stream.state != StreamState.DELETED, *_behind(tx, before))
    for word in title.split()[:MAX_TITLE_WORDS]:
        pattern = f"%{_escaped(word)}%"
        query = query.where(
            or_(
                Stream.title.ilike(pattern, escape="\\"),
                Stream.slug.like(pattern.lower(), escape="\\"),
            )
        )
    rows = tx.scalars(query.order_by(*LATEST_FIRST).limit(limit + 1)).all()
    streams = rows[:limit]
    ids = [stream.id for stream in streams]
    counts: dict[int, dict[EntryState, int]] = {
        stream.id: {EntryState.PUBLISHED: stream.published} for stream in streams
    }
    others = select(Entry.stream_id, Entry.state, func.count()).where(
        _WITHIN, Entry.stream_id.in_(ids)
    )
    for stream_id, state, number in tx.execute(others.group_by(Entry.stream_id, Entry.state)):
        counts[stream_id][state] = number
    newest = _newest(tx, ids, 1)
    live = tx.execute(
        select(func.count()).select_from(Stream).where(Stream.state == StreamState.LIVE)
    ).scalar_one()
    return Board(
        streams,
        {stream_id: headlines[0] for stream_id, headlines in newest.items()},
        counts,
        live,
        streams[-1].id if len(rows) > limit else None,
    )


def _behind(tx: Session, before: int | None) -> Sequence[ColumnElement[bool]]:
    """The condition that LATEST_FIRST sorts a stream behind another one; none for an unknown id."""
    if before is None:
        return []
    row = tx.execute(select(Stream.last_entry_at).where(Stream.id == before)).one_or_none()
    if row is None:
        return []
    (last_entry_at,) = row
    if last_entry_at is None:
        return [Stream.last_entry_at.is_(None), Stream.id < before]
    older = and_(Stream.last_entry_at == last_entry_at, Stream.id < before)
    return [or_(Stream.last_entry_at < last_entry_at, older, Stream.last_entry_at.is_(None))]


def _escaped(word: str) -> str:
    return word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def account_names(tx: Session, ids: Iterable[int | None]) -> dict[int, str]:
    """Account names by id."""
    wanted = {id_ for id_ in ids if id_ is not None}
    return dict(tx.execute(select(Account.id, Account.name).where(Account.id.in_(wanted))).all())


def confirmed_recipients(tx: Session) -> dict[RecipientKind, int]:
    """The number of confirmed recipients by kind."""
    # With the kinds named, the index skips recipients who left.
    confirmed = (
        Recipient.kind.in_(list(RecipientKind)),
        Recipient.state == RecipientState.CONFIRMED,
    )
    query = select(Recipient.kind, func.count()).where(*confirmed).group_by(Recipient.kind)
    return dict.fromkeys(RecipientKind, 0) | dict(tx.execute(query).all())


_HeadlineQuery = Select[int, str, str, Importance, datetime | None]


def _all_headlines() -> _HeadlineQuery:
    return select(
        Entry.stream_id, Entry.uid, Entry.title, Entry.importance, Entry.published_at
    ).where(Entry.state == EntryState.PUBLISHED)


def _headlines(stream_id: int) -> _HeadlineQuery:
    return _all_headlines().where(Entry.stream_id == stream_id)


def _read(tx: Session, query: _HeadlineQuery) -> list[Headline]:
    return [
        Headline(stream, uid, title, grade, at)
        for stream, uid, title, grade, at in tx.execute(query)
        if at is not None
    ]


def _newest(tx: Session, stream_ids: Sequence[int], each: int) -> dict[int, list[Headline]]:
    """The entries with the latest dates of each stream, at most ``each``."""
    dates = select(Entry.published_at).where(Entry.stream_id == Stream.id, _OUT)
    # The date of the last one wanted is found by an index for each stream; ranking all entries
    # would read them all.
    last = (
        dates.order_by(Entry.published_at.desc())
        .offset(each - 1)
        .limit(1)
        .correlate(Stream)
        .scalar_subquery()
    )
    since = (
        select(Stream.id, last.label("since"))
        .where(Stream.id.in_(stream_ids))
        .cte("since")
        .prefix_with("MATERIALIZED")
    )
    latest = or_(since.c.since.is_(None), Entry.published_at >= since.c.since)
    query = _all_headlines().join(since, since.c.id == Entry.stream_id).where(_OUT, latest)
    by_stream: dict[int, list[Headline]] = defaultdict(list)
    for headline in _read(tx, query.order_by(Entry.published_at.desc(), Entry.seq.desc())):
        by_stream[headline.stream_id].append(headline)
    return {stream_id: headlines[:each] for stream_id, headlines in by_stream.items()}


def _histories(tx: Session, entry_ids: Sequence[int]) -> dict[int, list[PublicChange]]:
    """The public changes of each entry, newest first. A retraction counts at once, though its alert
    may still wait.
    """
    query = (
        select(
            Revision.entry_id,
            Revision.kind,
            func.coalesce(Revision.applied_at, Revision.created_at),
            Revision.note,
            Revision.content["title"].as_string(),
        )
        .where(
            Revision.entry_id.in_(entry_ids),
            or_(
                Revision.state == RevisionState.APPLIED,
                and_(
                    Revision.kind == RevisionKind.RETRACTION,
                    Revision.state == RevisionState.PENDING,
                ),
            ),
        )
        .order_by(Revision.entry_id, Revision.no)
    )
    by_entry: dict[int, list[PublicChange]] = defaultdict(list)
    titles: dict[int, str] = {}
    for entry_id, kind, at, note, title in tx.execute(query):
        former = titles.get(entry_id, title)
        titles[entry_id] = title
        if kind is not RevisionKind.SILENT:
            by_entry[entry_id].insert(
                0, PublicChange(kind, at, note, title, former if former != title else "")
            )
    return by_entry
