"""Chat texts: the parts of a message in their order, escaped, linked, and cut so that the whole
fits.

Texts are cut before they are escaped, so no escape, link or entity is ever cut in two; the whole is
measured as the service counts it. Editors' text can neither alert anybody nor become markup.
"""

import html
import re
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass

from notifier.message.channel_message import (
    WORD_JOINER,
    ChannelMessage,
    calm,
    cut,
    outside_addresses,
)
from notifier.services.base import Formatted

HEADLINE_LIMIT = 250
"""Characters of a headline, and of byline and stream together, whatever else would fit."""

_LOOKALIKES = str.maketrans(
    {"*": "∗", "_": "ˍ", "~": "∼", "`": "ˋ", "<": "‹", ">": "›", "[": "［", "]": "］"}
)
_UNSAFE_IN_URL = str.maketrans({c: f"%{ord(c):02X}" for c in "()<>|\\\"' `*"})


def without_styles(text: str) -> str:
    """``text`` with look-alikes for * _ ~ ` where one could begin or end a style, which is not
    inside a word.
    """
    return without_emoji(re.sub(r"[*_~]+|`", _unless_in_word, text))


def without_emoji(text: str) -> str:
    """``text`` in which no short code such as :100: is taken for an emoji; no service has an escape
    for them.
    """
    return re.sub(r":(?=[\w+'-]+:)", ":" + WORD_JOINER, text)


def _unless_in_word(mark: re.Match[str]) -> str:
    """A look-alike; between two letters the mark itself, of which no word makes a style."""
    before = mark.string[max(0, mark.start() - 1) : mark.start()]
    after = mark.string[mark.end() : mark.end() + 1]
    if before.isalnum() and after.isalnum() and mark[0] != "`":
        return mark[0]
    return mark[0].translate(_LOOKALIKES)


def lookalikes(text: str) -> str:
    """For dialects without escapes: what could be a mark is shown by a character that looks like
    it.
    """
    text = re.sub(
        r"[<>[\]]",
        lambda mark: mark[0].translate(_LOOKALIKES),
        re.sub(r"\\(?=[^\w\s])", rf"\g<0>{WORD_JOINER}", text),
    )
    # Markdown has styles within words, too
    text = re.sub(r"(?<=\w)[*~]+(?=\w)", lambda mark: mark[0].translate(_LOOKALIKES), text)
    return calm(_no_block(without_styles(text)))


def backslashes(text: str) -> str:
    """For Markdown with escapes. ``<``, which some read even behind a backslash, and entities are
    broken up instead.
    """
    text = re.sub(r"[\\`*~|[\]]|(?<![^\W_])_|_(?![^\W_])", r"\\\g<0>", text)
    text = re.sub(r"<(?=\S)|&(?=#?\w+;)", rf"\g<0>{WORD_JOINER}", text)
    return calm(_no_block(without_emoji(text)))


def markup(text: str) -> str:
    """For HTML."""
    return html.escape(calm(text))


def _no_block(text: str) -> str:
    """No line is a heading, a quote, a list or a block of code."""
    return re.sub(r"(?m)^(?=[^\S\n]*(?:[#>+=-]|\d+[.)])|[ ]{4}|\t)", WORD_JOINER, text)


def plain_link(text: str, url: str) -> str:
    """The URL on a line of its own."""
    return "\n".join(part for part in (text, url) if part)


def angle_link(text: str, url: str) -> str:
    """As in Slack."""
    return f"<{url.translate(_UNSAFE_IN_URL)}|{text}>"


def markdown_link(text: str, url: str) -> str:
    """As in Markdown."""
    return f"[{text}]({url.translate(_UNSAFE_IN_URL)})"


def html_link(text: str, url: str) -> str:
    """As in HTML."""
    return f'<a href="{html.escape(url)}">{text}</a>'


def angle_address(url: str) -> str:
    """A bare web address in which no mark is read (CommonMark section 6.5)."""
    return f"<{url}>"


def utf16(text: str) -> int:
    """Code units of UTF-16, of which an emoji takes two or more."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def utf8(text: str) -> int:
    """Bytes of UTF-8."""
    return len(text.encode("utf-8", "surrogatepass"))


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """How a service writes text, and how much of it fits."""

    limit: int
    size: Callable[[str], int] = len  # of a whole text, in the unit of ``limit``
    escape: Callable[[str], str] = calm
    address: Callable[[str], str] = str  # a web address within a text
    link: Callable[[str, str], str] = plain_link  # of an escaped text and a URL as it is
    # the text of a link may hold a web address, which stays text
    links_hold_addresses: bool = False
    # the headline's style; None: the service has a title of its own
    strong: Callable[[str], str] | None = None
    newline: str = "\n"
    gap: str = "\n"  # between the parts

    def say(self, message: ChannelMessage) -> str:
        """Headline, note, text or lines, and credit. A text that is too long ends at a word; its
        rest is where the link leads.
        """
        head, foot = self._ends(message)

        def whole(*texts: str) -> str:
            return self.gap.join(part for part in (head, *texts, foot) if part)

        def fits(*texts: str) -> bool:
            return self.size(whole(*texts)) <= self.limit

        if message.lines:
            return whole(self._list(message, fits))
        # No character counts for less than one, so looking at more of a book would be in vain.
        note = self._shown(
            cut(message.note.strip()[: self.limit + 1], lambda text: fits(self._shown(text)))
        )
        summary = self._shown(
            cut(
                message.summary.strip()[: self.limit + 1],
                lambda text: fits(note, self._shown(text)),
            )
        )
        return whole(note, summary) if fits(note, summary) else whole(note)

    def alone(self, message: ChannelMessage) -> Formatted:
        """As a service's whole format, where a message has no title and Apprise is to change
        nothing.
        """
        return "", self.say(message), None

    def _ends(self, message: ChannelMessage) -> tuple[str, str]:
        if self.strong is None:
            return "", self._linked(message.credit, message.url)
        return self.strong(self._linked(message.headline, message.url)), self._linked(
            message.credit, message.stream_url
        )

    def _list(self, message: ChannelMessage, fits: Callable[[str], bool]) -> str:
        """As many lines as fit, and how many do not."""
        rows = [f"• {self._linked(line.title, line.url)}" for line in message.lines]

        def without(number: int) -> str:
            return self.newline.join(
                [*rows[: len(rows) - number], *([f"… +{number}"] if number else [])]
            )

        return without(
            bisect_left(range(len(rows)), True, key=lambda number: fits(without(number)))
        )

    def _linked(self, text: str, url: str) -> str:
        short = cut(text, HEADLINE_LIMIT)
        if not url:
            return self._shown(short)
        if self.strong is None:
            return self.link(self._shown(short), url)
        escaped = self._shown(short)
        if not self.links_hold_addresses:
            # A web address inside a link would become one of its own, or, in Discord, undo the
            # outer one.
            escaped = self.escape(short).replace("://", f":{WORD_JOINER}//")
        return self.link(escaped, url) if escaped else ""

    def _shown(self, text: str) -> str:
        return outside_addresses(text, self.escape, self.address).replace("\n", self.newline)
