"""Mail headers with names and titles, folded and encoded (RFC 5322 section 2.2.3, RFC 2047)."""

import base64
import re
import unicodedata
from collections.abc import Callable, Iterator
from email.utils import formataddr

from models.text.shortening import clusters

MAX_LINE = 78
"""RFC 5322 section 2.1.1: 998 at most, and 78 for those who read them."""
# RFC 2047 section 2
_MAX_ENCODED_LINE = 76
_MAX_WORD = 75
_WORD_FRAME = len("=?utf-8?b??=")
_LONGEST_PIECE = _MAX_ENCODED_LINE - len("Subject: ") - _WORD_FRAME
_SPACE = re.compile("[\\t-\\r\\x1c-\\x20\\x85\u2028\u2029]+")
_BIDI = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
_LITERAL = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!*+-/")
"""Bytes that Q may leave as they are within a phrase (RFC 2047 section 5)."""


def subject(text: str) -> str:
    """The Subject header; ``text`` loses line breaks, control and bidi characters."""
    return _folded("Subject:", _clean(text).split(" "), _clean(text), tail="")


def from_(name: str, address: str) -> str:
    """The From header; ``name`` may be empty."""
    name = _clean(name)
    plain = formataddr((name, "")).removesuffix(" <>") if name.isascii() else name
    return _folded("From:", plain.split(" "), name, tail=f"<{address}>")


def _clean(text: str) -> str:
    """``text`` in one line, without characters that are invisible or change writing direction."""
    visible = ""
    for c in _SPACE.sub(" ", text):
        if unicodedata.category(c) != "Cc" and unicodedata.bidirectional(c) not in _BIDI:
            visible += c
    return " ".join(word for word in visible.split(" ") if word)


def _folded(header: str, plain: list[str], text: str, *, tail: str) -> str:
    """``plain`` words where ASCII can say it within the lines, else ``text`` as encoded words; then
    ``tail``.
    """
    parts = [part for part in plain if part]
    fits = all(len(part) < MAX_LINE - len(header) for part in parts)
    if not (text.isascii() and fits and "=?" not in text):
        parts = list(_encoded_words(text, _MAX_ENCODED_LINE - len(header) - 1))
    lines = [header]
    for part in [*parts, tail] if tail else parts:
        limit = _MAX_ENCODED_LINE if "=?" in lines[-1] or part.startswith("=?") else MAX_LINE
        if len(lines[-1]) + 1 + len(part) > limit and lines[-1] != header:
            lines.append("")
        lines[-1] += f" {part}"
    return "\r\n".join(lines)


def _encoded_words(text: str, first: int) -> Iterator[str]:
    """``text`` in the shorter encoding; the first word has ``first`` characters at most."""
    encoding, encode = min((("q", _q), ("b", _b)), key=lambda pair: len(pair[1](text)))
    room = first - _WORD_FRAME
    part = ""
    for piece in _pieces(text, encode):
        if part and len(encode(part + piece)) > room:
            yield f"=?utf-8?{encoding}?{encode(part)}?="
            room = _MAX_WORD - _WORD_FRAME
            part = ""
        part += piece
    if part:
        yield f"=?utf-8?{encoding}?{encode(part)}?="


def _pieces(text: str, encode: Callable[[str], str]) -> Iterator[str]:
    """Pieces that no word may split: characters as readers see them, or as Unicode does where
    that is too long.
    """
    for cluster in clusters(text):
        if len(encode(cluster)) <= _LONGEST_PIECE:
            yield cluster
        else:
            yield from cluster


def _q(text: str) -> str:
    encoded = ""
    for byte in text.encode():
        if byte == 32:
            encoded += "_"
        elif byte in _LITERAL:
            encoded += chr(byte)
        else:
            encoded += f"={byte:02X}"
    return encoded


def _b(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
