"""The search over all entries: FTS5 on SQLite, a tsvector on PostgreSQL, with the same words and
the same answers.

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
    """A page of what was found; ``older`` is the ``before`` of the next one, None on the last."""

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
    """Entries that hold all these words, the one begun last first; whatever is typed is taken, and
    may find none.

    ``public``: those that readers may see; else drafts and all others, too.
    """
    wanted = parse_query(typed)
    if not wanted:
        return SearchPage((), [], None)
    ids = tx.scalars(_matching(tx, wanted, stream, public, before)).all()
    found = {
        entry.id: entry
        for entry in tx.scalars(entries_query().where(Entry.id.in_(ids[:RESULTS_PER_PAGE])))
    }
    return SearchPage(
        wanted,
        [found[id_] for id_ in ids[:RESULTS_PER_PAGE]],
        ids[RESULTS_PER_PAGE - 1] if len(ids) > RESULTS_PER_PAGE else None,
    )


def _matching(
    tx: Session,
    wanted: Sequence[SearchTerm],
    stream: Stream | None,
    public: bool,
    before: int | None,
) -> Select[int]:
    shown = select(Entry.id).join(Stream, Stream.id == Entry.stream_id)
    if public:
        shown = shown.where(Entry.state == EntryState.PUBLISHED, Stream.state.not_in(CLOSED))
    if stream is not None:
        shown = shown.where(Entry.stream_id == stream.id)
    of_index = _by_fts5 if dialect_of(tx) == "sqlite" else _by_vector
    return of_index(shown, wanted, before if before is not None else _MAX_ID).limit(
        RESULTS_PER_PAGE + 1
    )


def _by_fts5(shown: Select[int], wanted: Iterable[SearchTerm], before: int) -> Select[int]:
    """It gives hits in the order of their ids, so that no more entries are read than fill a page."""
    id_: ColumnClause[int] = column("rowid")
    index = table("entry_search", id_)
    hits = shown.join(index, index.c.rowid == Entry.id).where(
        text("entry_search MATCH :wanted").bindparams(wanted=_lite(wanted))
    )
    return hits.where(index.c.rowid < before).order_by(index.c.rowid.desc())


def _by_vector(shown: Select[int], wanted: Iterable[SearchTerm], before: int) -> Select[int]:
    """The hits first and by themselves, then their entries one by one until a page is full.

    Left to choose, PostgreSQL walks all entries from the newest on: it takes a word of which the
    beginning is enough for a frequent one.
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
    entry = shown.where(Entry.id == newest.c.entry_id).limit(1).lateral()
    return (
        select(entry.c.id)
        .select_from(newest)
        .join(entry, true())
        .order_by(newest.c.entry_id.desc())
    )


def _lite(wanted: Iterable[SearchTerm]) -> str:
    """In the language of FTS5. A folded word is letters and digits, so none can be anything else in
    it.
    """
    return " AND ".join(f'"{" ".join(term.words)}"{" *" if term.begun else ""}' for term in wanted)


def _vector_query(wanted: Iterable[SearchTerm]) -> str:
    """The same in PostgreSQL's."""
    phrases = (
        " <-> ".join(f"'{word}'" for word in term.words) + (":*" if term.begun else "")
        for term in wanted
    )
    return " & ".join(f"({phrase})" for phrase in phrases)
