"""The search index: the table `entry_search`, with a row for each entry, written in the transaction
that changes the entry.

It has no model: it is an FTS5 table on SQLite and has a tsvector on PostgreSQL, with equal words.
"""

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, text
from sqlalchemy.orm import Session

from models.tables.stories import Entry
from models.text.markdown import to_text
from models.text.normalize import normalized_words

SEARCH_TABLES = (
    "entry_search",
    "entry_search_config",
    "entry_search_content",
    "entry_search_data",
    "entry_search_idx",
)
"""Tables without a model: the search table, and those that FTS5 keeps behind it."""

_SOME = text("SELECT id, title, dek, body FROM entry WHERE id > :last ORDER BY id LIMIT 500")
_OF_THESE = "WHERE entry_id BETWEEN :first AND :last ORDER BY entry_id, position"
_OTHERS = (
    text(
        "SELECT entry_id, name FROM entry_contributor JOIN contributor ON id = contributor_id"  # noqa: S608  fixed words
        f" {_OF_THESE}"
    ),
    text(f"SELECT entry_id, label FROM entry_tag {_OF_THESE}"),  # noqa: S608
    text(f"SELECT entry_id, alt FROM entry_picture {_OF_THESE}"),  # noqa: S608
)


def index_entry(tx: Session, entry: Entry, body_text: str) -> None:
    """Index the current text of an entry; its credits, tags and pictures must be loaded.

    ``body_text`` is the result of `to_text` for its body.
    """
    tx.flush()
    others = (
        [person.name for person in entry.byline]
        + [tag.label for tag in entry.tags]
        + [picture.alt for picture in entry.pictures]
    )
    write_words(
        tx.connection(), [(entry.id, searchable_words(entry.title, entry.dek, others, body_text))]
    )


def searchable_words(title: str, dek: str, others: Iterable[str], body_text: str) -> list[str]:
    """The words that find an entry; those of the body last, since it may be cut."""
    return normalized_words("\n".join([title, dek, *others, body_text]))


def write_words(connection: Connection, words_by_entry: Sequence[tuple[int, list[str]]]) -> None:
    """Replace the words of entries."""
    embedded = connection.dialect.name == "sqlite"
    name, made = ("rowid", ":words") if embedded else ("entry_id", "CAST(:words AS tsvector)")
    rows = [
        {"id": id_, "words": " ".join(words) if embedded else tsvector_text(words)}
        for id_, words in words_by_entry
    ]
    connection.execute(text(f"DELETE FROM entry_search WHERE {name} = :id"), rows)  # noqa: S608  two names of ours
    connection.execute(text(f"INSERT INTO entry_search ({name}, words) VALUES (:id, {made})"), rows)  # noqa: S608


def index_all_entries(connection: Connection) -> None:
    """Index all entries in batches; for a migration, so only with columns that migrations know."""
    last = 0
    while rows := connection.execute(_SOME, {"last": last}).all():
        last = rows[-1].id
        others: dict[int, list[str]] = {}
        for query in _OTHERS:
            for id_, name in connection.execute(query, {"first": rows[0].id, "last": last}):
                others.setdefault(id_, []).append(name)
        write_words(
            connection,
            [
                (
                    row.id,
                    searchable_words(row.title, row.dek, others.get(row.id, []), to_text(row.body)),
                )
                for row in rows
            ],
        )


def tsvector_text(words: Sequence[str]) -> str:
    """A tsvector literal of words with their positions.  Normalized words are letters and digits,
    so quotes need no escaping.
    """
    places: dict[str, list[str]] = {}
    for place, word in enumerate(words, 1):
        places.setdefault(word, []).append(str(place))
    return " ".join(f"'{word}':{','.join(at)}" for word, at in places.items())
