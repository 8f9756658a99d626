"""Search results as pieces of text, each with whether to highlight it."""

from collections.abc import Iterator, Sequence

import regex

from models.tables.stories import Entry
from models.text.markdown import to_text
from models.text.normalize import SearchTerm, normalized_words
from models.text.shortening import cluster_start, one_line

_LOOKED_AT, _BEFORE, _SHOWN = 5_000, 60, 240  # characters
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
    text = one_line(f"{entry.dek} {to_text(entry.body[:_LOOKED_AT])}")
    first = next(_found(text, terms), (0, 0))[0]
    start = text.rfind(" ", 0, max(0, first - _BEFORE)) + 1
    stop = len(text) if len(text) <= start + _SHOWN else text.rfind(" ", start, start + _SHOWN)
    stop = stop if stop > start else cluster_start(text, start + _SHOWN)
    shown = marked(text[start:stop], terms)
    return [("… ", False)] * (start > 0) + shown + [(" …", False)] * (stop < len(text))


def _found(text: str, terms: Sequence[SearchTerm]) -> Iterator[tuple[int, int]]:
    for word in _WORD.finditer(text):
        parts = normalized_words(word[0])
        if any(
            term.meets(parts[0]) if len(parts) == 1 else _holds(parts, term)
            for term in terms
            if parts
        ):
            yield word.span()


def _holds(signs: Sequence[str], term: SearchTerm) -> bool:
    """Whether a run of characters without spaces contains those of a term in sequence."""
    length = len(term.words)
    return any(
        tuple(signs[at : at + length]) == term.words for at in range(len(signs) - length + 1)
    )
