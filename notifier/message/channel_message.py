"""A message to a channel as plain values, and the text rules that all services share."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from models.text.bare_addresses import addresses_in
from models.text.shortening import cut as cut
from models.text.shortening import one_line as one_line
from notifier.message.phrases import Phrases

Event = Literal[
    "publish", "update", "correction", "retraction", "notice", "test", "digest", "ending"
]

_EVERYBODY = re.compile(r"@(?=(?:all|channel|everyone|here|room)\b|\*)", re.IGNORECASE)

WORD_JOINER = "\u2060"
"""Invisible and without width. After an @ it keeps chat services from seeing a name."""


@dataclass(frozen=True, slots=True)
class MessageLine:
    """Headline and link of one of the messages merged into one."""

    title: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Worded:
    """Texts rendered by the templates in `notifier/templates/chat`."""

    headline: str
    text: str
    credit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelMessage:
    """One alert for one channel, before a service formats it.  Texts are plain, dates aware.

    In a digest or a merged message (see `folded`), ``lines`` replace dek, note and body.
    """

    event: Event
    uid: str  # the delivery's, the same on every attempt
    guid: str  # the entry's id, as in the feeds
    title: str
    label: str = ""  # before the title: Breaking, Correction ... in the channel's language
    language: str = "en"  # of labels and other product text
    dek: str = ""
    byline: str = ""  # names alone
    by: str = ""  # for people: By A and B
    body_text: str = ""
    note: str = ""  # the editor's reason for a correction or retraction
    url: str = ""
    stream_title: str = ""
    stream_url: str = ""
    published_at: datetime | None = None
    updated_at: datetime | None = None
    importance: str = "normal"
    tags: tuple[str, ...] = ()
    pictures: tuple[str, ...] = ()  # their alt texts
    lines: tuple[MessageLine, ...] = ()
    worded: Worded | None = None  # only of an entry

    @property
    def headline(self) -> str:
        """Label and title on one line."""
        rendered = one_line(self.worded.headline) if self.worded else ""
        return rendered or one_line(f"{self.label}: {self.title}" if self.label else self.title)

    @property
    def summary(self) -> str:
        """The dek, or the body where there is none."""
        return self.worded.text if self.worded else self.dek or self.body_text

    @property
    def credit(self) -> str:
        """Byline and stream; empty for a merged message, whose headline names the stream."""
        if self.lines:
            return ""
        if self.worded:
            return one_line(self.worded.credit)
        return one_line(" · ".join(filter(None, (self.by or self.byline, self.stream_title))))


_WEIGHT = ("normal", "key", "breaking")


def folded(messages: Sequence[ChannelMessage], uid: str) -> ChannelMessage:
    """Several messages to one channel merged in their order: "6 updates: Storm over the coast".

    ``uid``: the delivery that carries them. Messages of several stories name and link none. Only
    for services whose ``folds`` is true.
    """
    last = messages[-1]
    story = url = ""
    if len({message.stream_url for message in messages}) == 1:
        story = last.stream_title
        url = last.stream_url
    count = Phrases(last.language).count(len(messages))
    return ChannelMessage(
        event=last.event,
        uid=uid,
        guid=last.guid,
        title=f"{count}: {story}" if story else count,
        language=last.language,
        url=url,
        stream_title=story,
        stream_url=url,
        importance=max((message.importance for message in messages), key=_WEIGHT.index),
        lines=tuple(MessageLine(message.headline, message.url) for message in messages),
    )


def calm(text: str) -> str:
    """``text`` without mentions: no @name, @here or @**all** alerts anyone.  a@b.org stays."""
    return re.sub(r"(?<![^\W_])@(?=\S)", "@" + WORD_JOINER, text)


def outside_addresses(
    text: str, escape: Callable[[str], str], format_address: Callable[[str], str] = str
) -> str:
    """``text`` escaped except for its web addresses (RFC 3986 section 2.4).

    ``format_address`` formats one for the service. Mentions of everyone are encoded in addresses
    too, since services look for mentions before links.
    """
    text = text.replace("\0", "")
    end = 0
    pieces: list[str] = []
    addresses: list[str] = []
    for start, address in addresses_in(text):
        pieces.append(text[end:start])
        addresses.append(format_address(_EVERYBODY.sub("%40", address)))
        end = start + len(address)
    # Escaped as a whole, since escaping a character depends on its neighbours.
    escaped = escape("\0".join([*pieces, text[end:]])).split("\0")
    return "".join(part for pair in zip(escaped, [*addresses, ""], strict=True) for part in pair)
