"""The search over all entries, with equal results of FTS5 on SQLite and a tsvector on PostgreSQL.

`models.text.search_index` keeps the table.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnClause, Select, column, select, table, text, true
from sqlalchemy.orm import Session

from models.db.dialects import dialect_of
from models.streams.entries import entries_query
from models.tables.stories import CLOSED, Entry, EntryState, Stream
from models.text.normalize import SearchTerm, parse_query

RESULTS_PER_PAGE = 20
_MAX_ID = 2**63 - 1


@dataclass(frozen=True)
class SearchPage:
    """A page of results; ``older`` is the ``before`` of the next one, None on the last."""

    terms: tuple[SearchTerm, ...]
    entries: Sequence[Entry]
    older: int | None


def search(
    tx: Session,
    typed: str,
    *,
    stream: Stream | None = None,
    public: bool = True,
    before: int | None = None,
) -> SearchPage:
    """Entries with all words of a query, newest first; any query is valid.

    ``public``: only entries that readers may see; else also drafts and others.
    """
    wanted = parse_query(typed)
    if not wanted:
        return SearchPage((), [], None)
    ids = tx.scalars(_matching(tx, wanted, stream, public, before)).all()
    page_ids = ids[:RESULTS_PER_PAGE]
    entries = tx.scalars(entries_query().where(Entry.id.in_(page_ids)))
    by_id = {entry.id: entry for entry in entries}
    return SearchPage(
        wanted,
        [by_id[id_] for id_ in page_ids],
        ids[RESULTS_PER_PAGE - 1] if len(ids) > RESULTS_PER_PAGE else None,
    )


def _matching(
    tx: Session,
    wanted: Sequence[SearchTerm],
    stream: Stream | None,
    public: bool,
    before: int | None,
) -> Select[int]:
    entries = select(Entry.id).join(Stream, Stream.id == Entry.stream_id)
    if public:
        entries = entries.where(Entry.state == EntryState.PUBLISHED, Stream.state.not_in(CLOSED))
    if stream is not None:
        entries = entries.where(Entry.stream_id == stream.id)
    of_index = _by_fts5 if dialect_of(tx) == "sqlite" else _by_vector
    return of_index(entries, wanted, before if before is not None else _MAX_ID).limit(
        RESULTS_PER_PAGE + 1
    )


def _by_fts5(entries: Select[int], wanted: Iterable[SearchTerm], before: int) -> Select[int]:
    """FTS5 returns hits in the order of their ids, so that only the entries of a page are read."""
    id_: ColumnClause[int] = column("rowid")
    index = table("entry_search", id_)
    hits = entries.join(index, index.c.rowid == Entry.id).where(
        text("entry_search MATCH :wanted").bindparams(wanted=_lite(wanted))
    )
    return hits.where(index.c.rowid < before).order_by(index.c.rowid.desc())


def _by_vector(entries: Select[int], wanted: Iterable[SearchTerm], before: int) -> Select[int]:
    """Find all hits first, then look up their entries one by one until a page is full.

    Otherwise PostgreSQL scans all entries from the newest on, since it takes a prefix for a
    frequent word.
    """
    id_: ColumnClause[int] = column("entry_id")
    matches = text("words @@ CAST(:wanted AS tsquery)").bindparams(wanted=_vector_query(wanted))
    hits = (
        select(table("entry_search", id_).c.entry_id)
        .where(matches, id_ < before)
        .cte("hits")
        .prefix_with("MATERIALIZED")
    )
    newest = select(hits.c.entry_id).order_by(hits.c.entry_id.desc()).subquery()
    # the limit keeps it a look-up
    entry = entries.where(Entry.id == newest.c.entry_id).limit(1).lateral()
    return (
        select(entry.c.id)
        .select_from(newest)
        .join(entry, true())
        .order_by(newest.c.entry_id.desc())
    )


def _lite(wanted: Iterable[SearchTerm]) -> str:
    """A query of FTS5.  Normalized words are letters and digits, so they need no escaping."""
    return " AND ".join(f'"{" ".join(term.words)}"{" *" if term.begun else ""}' for term in wanted)


def _vector_query(wanted: Iterable[SearchTerm]) -> str:
    """A tsquery of PostgreSQL."""
    phrases = (
        " <-> ".join(f"'{word}'" for word in term.words) + (":*" if term.begun else "")
        for term in wanted
    )
    return " & ".join(f"({phrase})" for phrase in phrases)
