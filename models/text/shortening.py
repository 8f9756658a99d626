"""Shortening texts: to one line, and at a word, never within a grapheme cluster."""

import re
from collections.abc import Callable

import regex

_CLUSTER = regex.compile(r"\X")  # an extended grapheme cluster (UAX #29 section 3)
_LINE_ENDS = re.compile("[ \t\n\v\f\r\x1c-\x1e\x85\u2028\u2029]+")
# with what would mirror the text behind it
_CONTROLS = re.compile("[\0-\x1f\x7f-\x9f\u202d\u202e\ud800-\udfff]")


def one_line(text: str) -> str:
    """``text`` without line breaks, control characters and runs of spaces; joiners and other spaces
    are part of words.
    """
    return _CONTROLS.sub("", _LINE_ENDS.sub(" ", text)).strip()


def cut(text: str, fits: int | Callable[[str], bool]) -> str:
    """The longest beginning of ``text`` that fits, ended at a word with an ellipsis; ``fits``:
    characters, or a test.
    """
    limit = fits
    test = (lambda part: len(part) <= limit) if isinstance(limit, int) else limit
    if test(text):
        return text
    low = 0
    high = len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if test(text[:middle] + "…"):
            low = middle
        else:
            high = middle - 1
    end = cluster_start(text, low)
    part = text[:end]
    if not text[end].isspace():
        # A language without spaces, or one very long word, is cut where it must be.
        at_word = (
            part[: len(part) - len(part.rsplit(maxsplit=1)[-1])] if part[-1:].strip() else part
        )
        part = at_word if len(at_word) > low // 2 else part
    return part.rstrip(" \n\t,;:–—-") + "…"


def clusters(text: str) -> list[str]:
    """The grapheme clusters of ``text``."""
    return _CLUSTER.findall(text)


def cluster_start(text: str, place: int) -> int:
    """The last place up to ``place`` that lies between two characters as people see them.

    Letters keep their marks, emoji their skin and family, flags both their letters, and joined
    letters their joiners.
    """
    # a space begins a cluster, so no earlier one needs to be looked at
    begin = max(text.rfind(" ", 0, place), 0)
    for cluster in _CLUSTER.finditer(text, begin):
        if cluster.end() > place:
            return cluster.start()
    return min(place, len(text))
