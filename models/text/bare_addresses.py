"""Bare web addresses in a text: where each begins and ends.

Pages, feeds, mails and chats take the same ones for addresses, so each leads to the same place
everywhere.
"""

import re
from collections.abc import Iterator

# As GFM's extended URL autolinks (https://github.github.com/gfm/ section 6.9), except that a domain
# may have letters of any script, and that Chinese and Japanese punctuation, which no space follows,
# ends an address.
_DOMAIN = re.compile(r"https?://[\w-]+(?:\.[\w-]+)+", re.IGNORECASE)
_END = re.compile(r"[\s<>\x00\u200b\u2060\u202a-\u202e\u2066-\u2069\u3000-\u303f\uff00-\uffef]|\Z")
_START = re.compile(r"(?<![A-Za-z0-9])https?://", re.IGNORECASE)
_AFTER_IT = frozenset("?!.,:;'\"”’“»…")
_EMPHASIS = frozenset("*_~")
_CLOSING = {")": "(", "]": "["}
# characters, with room to spare; looked for without an end, each ";" of a long text would cost its
# length
_LONGEST_ENTITY = 40


def address_at(text: str, start: int, *, marks: frozenset[str] = frozenset()) -> str:
    """The address that begins at ``start``, as it was typed, without the signs of the sentence
    around it; empty: none.

    ``marks`` are of the markup that the text is in, and end no address either.
    """
    domain = _DOMAIN.match(text, start)
    if domain is None or not _START.match(text, start):
        return ""
    end = _END.search(text, domain.end())
    assert end is not None
    url = text[start : end.start()]
    return url[: max(_length(url, _AFTER_IT | marks), domain.end() - start)]


def address_in_markdown(text: str, start: int) -> str:
    """As `address_at`, in Markdown, where a mark of emphasis behind an address is none of it."""
    return address_at(text, start, marks=_EMPHASIS)


def addresses_in(text: str) -> Iterator[tuple[int, str]]:
    """The addresses of a plain text in order, each with its start."""
    start = _START.search(text)
    while start:
        url = address_at(text, start.start())
        if url:
            yield start.start(), url
        start = _START.search(text, start.start() + len(url or start[0]))


def _length(url: str, after_it: frozenset[str]) -> int:
    """The length of the address, without punctuation that ends a sentence, a bracket that opens
    outside, and an entity.
    """
    end = len(url)
    unopened = {sign: url.count(sign) - url.count(opening) for sign, opening in _CLOSING.items()}
    while end:
        last = url[end - 1]
        if unopened.get(last, 0) > 0:
            unopened[last] -= 1
        elif (
            last == ";"
            and url[
                (entity := url.rfind("&", max(0, end - _LONGEST_ENTITY), end)) + 1 : end - 1
            ].isalnum()
            and entity >= 0
        ):
            end = entity + 1
        elif last not in after_it:
            break
        end -= 1
    return end
