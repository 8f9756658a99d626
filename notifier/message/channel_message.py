"""What a channel is told, in plain values, and the text rules that all services share."""

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
"""Invisible and without width; after an @ it keeps chat services from seeing a name there."""


@dataclass(frozen=True, slots=True)
class MessageLine:
    """One of the messages that were folded into one: its headline, and where to read it."""

    title: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Worded:
    """What the templates of `notifier/templates/chat` make of a message."""

    headline: str
    text: str
    credit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelMessage:
    """One alert for one channel, rendered by no service yet.  Texts are plain, dates aware.

    A folded one (see `folded`) tells several alerts, and a digest several entries: its ``lines``
    take the place of dek, note and body.
    """

    event: Event
    uid: str  # the delivery's, the same on every attempt
    guid: str  # the entry's id, as in the feeds
    title: str
    label: str = ""  # said before the title: Breaking, Correction ... in the channel's language
    language: str = "en"  # in which labels and the like are said
    dek: str = ""
    byline: str = ""  # names alone
    by: str = ""  # the same as people are told it: By A and B
    body_text: str = ""
    note: str = ""  # what the editor says of a correction or retraction
    url: str = ""
    stream_title: str = ""
    stream_url: str = ""
    published_at: datetime | None = None
    updated_at: datetime | None = None
    importance: str = "normal"
    tags: tuple[str, ...] = ()
    pictures: tuple[str, ...] = ()  # what each shows
    lines: tuple[MessageLine, ...] = ()
    worded: Worded | None = None  # of an entry; notices and folded messages have none

    @property
    def headline(self) -> str:
        """Label and title on one line."""
        own = one_line(self.worded.headline) if self.worded else ""
        return own or one_line(f"{self.label}: {self.title}" if self.label else self.title)

    @property
    def summary(self) -> str:
        """The dek, or the body where there is none."""
        return self.worded.text if self.worded else self.dek or self.body_text

    @property
    def credit(self) -> str:
        """Byline and stream, one or both; nothing for a folded message, whose headline says it."""
        own = (
            self.worded.credit
            if self.worded
            else " · ".join(part for part in (self.by or self.byline, self.stream_title) if part)
        )
        return "" if self.lines else one_line(own)


_WEIGHT = ("normal", "key", "breaking")


def folded(messages: Sequence[ChannelMessage], uid: str) -> ChannelMessage:
    """Several messages to one channel as one, told in the order given: "6 updates: Storm over the
    coast".

    ``uid`` is that of the delivery that carries it. Where they are of several stories it names and
    links none. Only for services whose ``folds`` is true.
    """
    last = messages[-1]
    one_story = len({message.stream_url for message in messages}) == 1
    story, url = (last.stream_title, last.stream_url) if one_story else ("", "")
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
    """``text`` in which no @name, @here or @**all** can alert anybody; addresses such as a@b.org
    stay as they are.
    """
    return re.sub(r"(?<![^\W_])@(?=\S)", "@" + WORD_JOINER, text)


def outside_addresses(
    text: str, escape: Callable[[str], str], shown: Callable[[str], str] = str
) -> str:
    """``text`` escaped but for its web addresses, which lead nowhere else for a character more (RFC
    3986 section 2.4).

    ``shown`` writes an address as the service wants it. Those of everybody are encoded in one, too:
    services look for names before links.
    """
    text = text.replace("\0", "")
    end, pieces, addresses = 0, [], []
    for start, address in addresses_in(text):
        pieces.append(text[end:start])
        addresses.append(shown(_EVERYBODY.sub("%40", address)))
        end = start + len(address)
    # Escaped together, since it matters for a mark what stands around it.
    escaped = escape("\0".join([*pieces, text[end:]])).split("\0")
    return "".join(part for pair in zip(escaped, [*addresses, ""], strict=True) for part in pair)
