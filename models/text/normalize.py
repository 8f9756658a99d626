"""Normalized words for the search: folded here, so that both databases use equal ones."""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

MAX_QUERY_CHARS = 200
MAX_TERMS = 12  # words or phrases of a query
# So that PostgreSQL's tsvector holds them all: 1 MB, and positions up to 16,383.
_MAX_CHARS = 150_000
_MAX_WORDS = 16_000
_MAX_WORD_CHARS = 64
# Scripts without spaces between words: Thai, Lao, Burmese, Khmer, those of their neighbours,
# Chinese and Japanese.
# Each sign is a word, and several are a phrase, which finds what pairs of signs would and nothing
# else.
_SIGNS = re.compile(
    "([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u1950-\u19ff\u1a20-\u1aaf\u1b00-\u1b7f\ua980-\ua9ff"
    "\uaa60-\uaadf\u2e80-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff])"
)
# Letters that Unicode takes for no letter with a mark, but people and PostgreSQL's `unaccent` do:
# their names say so.
_LATIN = re.compile(
    r"LATIN SMALL (?:LETTER|LIGATURE) (?:DOTLESS )?([A-Z]{1,2})(?: WITH .*| DIGRAPH)?"
)
_LATIN_OTHERS = {
    "ð": "d",
    "þ": "th",
    "ŋ": "n",
    "ĸ": "q",
    "ɛ": "e",
    "ɡ": "g",
    "ɩ": "i",
    "ʉ": "u",
    "ꝥ": "th",
}
_APOSTROPHES = frozenset("ʹʺʻʼʽˆˈˋː")  # letters to Unicode, signs to `unaccent`
_IOTA_SUBSCRIPT = "\u0345"  # which folding case would make a letter of its own
_ASCII = re.compile("[a-z0-9]+")  # what the long way finds, at a tenth of its cost
_TERM = re.compile(r'"([^"]*)"?|([^"\s]+)')


@dataclass(frozen=True)
class SearchTerm:
    """Words that must stand in this order; of the last one, where ``begun``, the beginning is
    enough.
    """

    words: tuple[str, ...]
    begun: bool = False

    def meets(self, word: str) -> bool:
        """Whether a folded word is one of these."""
        return word in self.words or (self.begun and word.startswith(self.words[-1]))


def normalized_words(text: str) -> list[str]:
    """The words of a text, without case, diacritics or signs; a very long text is cut."""
    decomposed = unicodedata.normalize("NFKD", text[:_MAX_CHARS]).replace(_IOTA_SUBSCRIPT, "")
    plain = unicodedata.normalize("NFKD", decomposed.casefold())[:_MAX_CHARS]
    if plain.isascii():
        tokens = _ASCII.findall(plain)
    else:
        spaced = _SIGNS.sub(r" \1 ", plain)
        tokens = "".join(map(_folded, spaced)).split()
    return [token[:_MAX_WORD_CHARS] for token in tokens[:_MAX_WORDS]]


def parse_query(typed: str) -> tuple[SearchTerm, ...]:
    """The terms of a query: words, and phrases in quotes.  The last word may be unfinished, if it
    has two letters at least.
    """
    terms = [
        (quoted, False) if quoted else (word, True)
        for quoted, word in _TERM.findall(typed[:MAX_QUERY_CHARS])
    ]
    last = len(terms) - 1
    folded = [
        (tuple(normalized_words(text)), bare and n == last) for n, (text, bare) in enumerate(terms)
    ]
    return tuple(
        SearchTerm(words, begun and len(words[-1]) > 1) for words, begun in folded if words
    )[:MAX_TERMS]


@lru_cache(maxsize=8_192)
def _folded(char: str) -> str:
    if char.isascii():
        return char if char.isalnum() else " "
    if char in _APOSTROPHES:
        return " "
    if char.isalnum():
        base = _LATIN.fullmatch(unicodedata.name(char, ""))
        return base[1].lower() if base else _LATIN_OTHERS.get(char, char)
    if not unicodedata.category(char).startswith("M"):
        return " "
    # a vowel sign is part of its word, an accent is left out
    return "" if unicodedata.combining(char) else char
