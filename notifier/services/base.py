"""What a chat service is to us: format, pace, and where its requests go.  Its limits are its format's own matter."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from apprise.common import NotifyFormat
from apprise.plugins.base import NotifyBase

from notifier.message import ChannelMessage

Formatted = tuple[str, str, NotifyFormat | None]
"""Title, body, and the body's format; None: Apprise passes it on as it is."""


def nothing(plugin: Any, message: ChannelMessage, secret: bytes) -> None:
    """For services whose title and body say all."""


@dataclass(frozen=True, kw_only=True)
class Service:
    """One way to reach a channel."""

    name: str
    label: str
    example: str  # shown with every refusal: what a right URL looks like
    plugin: type[NotifyBase]
    encrypted: Mapping[str, bool]  # scheme -> whether its connections are
    host: Callable[[Mapping[str, Any]], tuple[str, int | None]]  # parsed URL -> host and port that are connected to
    format: Callable[[ChannelMessage], Formatted]
    pace_seconds: float  # least time between two messages to one target
    retry_unknown: bool  # whether a message that may have arrived is sent again
    folds: bool = True  # whether several owed messages may be told as one, by `notifier.message.folded`
    parameters: frozenset[str] = frozenset()  # what may stand behind ``?``
    extras: str = ""  # of ``+`` for headers and ``-`` for the target's own parameters
    prepare: Callable[[Any, ChannelMessage, bytes], None] = nothing
