"""What stands around the words that were found, for people: pieces of text, and which of them to mark."""

import re
from collections.abc import Iterator, Sequence

from models.folding import Term, fold
from models.markdown import to_text
from models.shortening import cluster_start
from models.stories import Entry

_LOOKED_AT, _BEFORE, _SHOWN = 5_000, 60, 240  # characters
_WORD = re.compile(r"(?:\w[\u0300-\u036f]*)+")

Piece = tuple[str, bool]


def marked(text: str, terms: Sequence[Term]) -> list[Piece]:
    """All of a text, in pieces; the second of each says whether it is a word that was looked for."""
    pieces: list[Piece] = []
    end = 0
    for start, stop in _found(text, terms):
        pieces += [(text[end:start], False), (text[start:stop], True)]
        end = stop
    return [piece for piece in [*pieces, (text[end:], False)] if piece[0]]


def snippet(entry: Entry, terms: Sequence[Term]) -> list[Piece]:
    """A part of what an entry says below its title, around the first word that was looked for; the beginning where none is there."""
    text = " ".join(f"{entry.dek} {to_text(entry.body[:_LOOKED_AT])}".split())
    first = next(_found(text, terms), (0, 0))[0]
    start = text.rfind(" ", 0, max(0, first - _BEFORE)) + 1
    stop = len(text) if len(text) <= start + _SHOWN else text.rfind(" ", start, start + _SHOWN)
    stop = stop if stop > start else cluster_start(text, start + _SHOWN)
    shown = marked(text[start:stop], terms)
    return [("… ", False)] * (start > 0) + shown + [(" …", False)] * (stop < len(text))


def _found(text: str, terms: Sequence[Term]) -> Iterator[tuple[int, int]]:
    for word in _WORD.finditer(text):
        if any(term.meets(part) for part in fold(word[0]) for term in terms):
            yield word.span()
