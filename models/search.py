"""The search over all entries: FTS5 on SQLite, a tsvector on PostgreSQL, with the same words and the same answers.

`models.indexing` keeps the table.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnClause, ColumnElement, Select, column, select, table, text
from sqlalchemy.orm import Session

from models.entries import entries
from models.folding import Term, terms
from models.stories import CLOSED, Entry, EntryState, Stream

PAGE = 20


@dataclass(frozen=True)
class Found:
    """A page of what was found; ``older`` is the ``before`` of the next one, None on the last."""

    terms: tuple[Term, ...]
    entries: Sequence[Entry]
    older: int | None


def search(tx: Session, typed: str, *, stream: Stream | None = None, public: bool = True, before: int | None = None) -> Found:
    """Entries that hold all these words, the one begun last first; whatever is typed is taken, and may find none.

    ``public``: those that readers may see; else drafts and all others, too.
    """
    wanted = terms(typed)
    if not wanted:
        return Found((), [], None)
    ids = tx.scalars(_matching(tx, wanted, stream, public, before)).all()
    found = {entry.id: entry for entry in tx.scalars(entries().where(Entry.id.in_(ids[:PAGE])))}
    return Found(wanted, [found[id_] for id_ in ids[:PAGE]], ids[PAGE - 1] if len(ids) > PAGE else None)


def _matching(tx: Session, wanted: Sequence[Term], stream: Stream | None, public: bool, before: int | None) -> Select[int]:
    hits, id_ = _lite_hits(wanted) if tx.get_bind().dialect.name == "sqlite" else _vector_hits(wanted)
    query = hits.join(Entry, Entry.id == id_).join(Stream, Stream.id == Entry.stream_id)
    if public:
        query = query.where(Entry.state == EntryState.PUBLISHED, Stream.state.not_in(CLOSED))
    if stream is not None:
        query = query.where(Entry.stream_id == stream.id)
    if before is not None:
        query = query.where(id_ < before)
    return query.order_by(id_.desc()).limit(PAGE + 1)


def _lite_hits(wanted: Iterable[Term]) -> tuple[Select[int], ColumnElement[int]]:
    """FTS5 gives them in the order of their ids, so that no more are read than are shown."""
    id_: ColumnClause[int] = column("rowid")
    query = select(table("entry_search", id_).c.rowid)
    return query.where(text("entry_search MATCH :wanted").bindparams(wanted=_lite(wanted))), query.selected_columns.rowid


def _vector_hits(wanted: Iterable[Term]) -> tuple[Select[int], ColumnElement[int]]:
    """Found first and by themselves: else PostgreSQL may walk all entries in the hope of early hits, and there may be none."""
    id_: ColumnClause[int] = column("entry_id")
    query = select(table("entry_search", id_).c.entry_id)
    query = query.where(text("words @@ CAST(:wanted AS tsquery)").bindparams(wanted=_vector_query(wanted)))
    hits = query.cte("hits").prefix_with("MATERIALIZED")
    return select(hits.c.entry_id), hits.c.entry_id


def _lite(wanted: Iterable[Term]) -> str:
    """In the language of FTS5.  A folded word is letters and digits, so none can be anything else in it."""
    return " AND ".join(f'"{" ".join(term.words)}"{" *" if term.begun else ""}' for term in wanted)


def _vector_query(wanted: Iterable[Term]) -> str:
    """The same in PostgreSQL's."""
    phrases = (" <-> ".join(f"'{word}'" for word in term.words) + (":*" if term.begun else "") for term in wanted)
    return " & ".join(f"({phrase})" for phrase in phrases)
