"""Search results as pieces of text, each with whether to highlight it."""

from collections.abc import Iterator, Sequence

import regex

from models.tables.stories import Entry
from models.text.markdown import to_text
from models.text.normalize import SearchTerm, normalized_words
from models.text.shortening import cluster_start, one_line

_MAX_BODY_CHARS = 5_000
_CHARS_BEFORE_MATCH = 60
_MAX_SNIPPET_CHARS = 240
_WORD = regex.compile(r"[\w\p{M}]+")

Piece = tuple[str, bool]


def marked(text: str, terms: Sequence[SearchTerm]) -> list[Piece]:
    """A whole text in pieces, each with whether it matches a term."""
    pieces: list[Piece] = []
    end = 0
    for start, stop in _found(text, terms):
        pieces += [(text[end:start], False), (text[start:stop], True)]
        end = stop
    return [piece for piece in [*pieces, (text[end:], False)] if piece[0]]


def snippet(entry: Entry, terms: Sequence[SearchTerm]) -> list[Piece]:
    """Dek and body around the first match; the beginning where there is none."""
    text = one_line(f"{entry.dek} {to_text(entry.body[:_MAX_BODY_CHARS])}")
    first = next(_found(text, terms), (0, 0))[0]
    start = text.rfind(" ", 0, max(0, first - _CHARS_BEFORE_MATCH)) + 1
    limit = start + _MAX_SNIPPET_CHARS
    stop = len(text)
    if stop > limit:
        stop = text.rfind(" ", start, limit)
    if stop <= start:
        stop = cluster_start(text, limit)
    pieces = marked(text[start:stop], terms)
    if start > 0:
        pieces.insert(0, ("… ", False))
    if stop < len(text):
        pieces.append((" …", False))
    return pieces


def _found(text: str, terms: Sequence[SearchTerm]) -> Iterator[tuple[int, int]]:
    for word in _WORD.finditer(text):
        parts = normalized_words(word[0])
        if any(_matches(parts, term) for term in terms):
            yield word.span()


def _matches(parts: Sequence[str], term: SearchTerm) -> bool:
    if len(parts) == 1:
        return term.meets(parts[0])
    return bool(parts) and _holds(parts, term)


def _holds(signs: Sequence[str], term: SearchTerm) -> bool:
    """Whether a run of characters without spaces contains those of a term in sequence."""
    length = len(term.words)
    return any(
        tuple(signs[at : at + length]) == term.words for at in range(len(signs) - length + 1)
    )
