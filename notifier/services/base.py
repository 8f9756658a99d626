"""Description of a chat service: format, pace, and the host of its requests. Limits of length are
part of its format.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from apprise.common import NotifyFormat
from apprise.plugins.base import NotifyBase

from notifier.message.channel_message import ChannelMessage

Formatted = tuple[str, str, NotifyFormat | None]
"""Title, body, and the body's format; None: Apprise passes it on as it is."""

Parsed = Mapping[str, Any]
"""A channel's URL as Apprise reads it."""

Host = Callable[[Parsed], tuple[str, int | None]]


def own_host(parsed: Parsed) -> tuple[str, int | None]:
    """For services that run on anybody's server, which the URL names."""
    return parsed["host"], parsed.get("port")


def fixed_host(name: str) -> Host:
    """For services of one company, whose URLs hold secrets only."""
    return lambda _parsed: (name, None)


def nothing(plugin: Any, message: ChannelMessage, secret: bytes) -> None:
    """For services whose title and body say all."""


@dataclass(frozen=True, kw_only=True)
class Service:
    """One way to reach a channel."""

    name: str
    label: str
    example: str  # shown with every refusal: what a right URL looks like
    # the one of Apprise's whose parts a form asks for; empty: the web address is pasted
    template: str = ""
    # for parts that people know by another name than Apprise's
    words: Mapping[str, str] = field(default_factory=dict)
    plugin: type[NotifyBase]
    encrypted: Mapping[str, bool]  # scheme -> whether its connections are
    format: Callable[[ChannelMessage], Formatted]
    pace_seconds: float  # least time between two messages to one target
    # the receiver drops a double, so a message that may have arrived is sent again
    retry_unknown: bool
    host: Host = own_host  # that is connected to
    # whether several owed messages may be told as one, by `notifier.message.channel_message.folded`
    folds: bool = True
    parameters: frozenset[str] = frozenset()  # what may stand behind ``?``
    extras: str = ""  # of ``+`` for headers and ``-`` for the target's own parameters
    # where two services share a scheme: whether it is this one
    takes: Callable[[Parsed], bool] = lambda _parsed: True
    # the part of a URL that is no secret and tells channels apart
    place: Callable[[Parsed], str] = lambda _parsed: ""
    prepare: Callable[[Any, ChannelMessage, bytes], None] = nothing
    retry_after_key: tuple[str, ...] = ()  # where the JSON of a 429 says how long to wait
    retry_after_unit_seconds: float = 1.0

    @property
    def unmarked(self) -> bool:
        """Whether a first attempt may begin without a mark in the ledger: a double does no harm
        there, and there is no pace.
        """
        return self.retry_unknown and not self.pace_seconds and not self.folds
