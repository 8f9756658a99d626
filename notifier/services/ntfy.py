"""ntfy, on ntfy.sh or a server of one's own: plain text, priority by importance."""

import json
from typing import Any

from apprise.common import NotifyFormat
from apprise.plugins.ntfy import NotifyNtfy, NtfyMode, NtfyPriority

from notifier.message.channel_message import ChannelMessage, calm, cut, outside_addresses
from notifier.services.base import Formatted, Parsed, Service, own_host
from notifier.services.dialect import Dialect, utf8

TITLE_LIMIT = 200
TITLE_JSON = 1_200
MESSAGE_BYTES = 4_000
"""ntfy makes a file of a message above 4,096 bytes of UTF-8 ..."""
MESSAGE_JSON = 6_500
"""... and Apprise of one above 8,000 characters of JSON with its title, where a letter beyond ASCII
takes 6 or 12."""

_PRIORITY = {"breaking": NtfyPriority.MAX, "key": NtfyPriority.HIGH}


class Ntfy(NotifyNtfy):
    """One topic, nothing of Apprise's own added."""

    enabled = True

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)  # type: ignore[no-untyped-call]
        # A topic that is no topic, such as a host that Apprise does not take for one, is left out
        # by Apprise.
        if len(self.topics) != 1:
            raise ValueError("Exactly one topic is taken.")
        self.include_image = False


def _host(parsed: Parsed) -> tuple[str, int | None]:
    return ("ntfy.sh", None) if parsed.get("mode") == NtfyMode.CLOUD else own_host(parsed)


def _size(text: str) -> int:
    return max(utf8(text), len(json.dumps(text)) * MESSAGE_BYTES // MESSAGE_JSON)


DIALECT = Dialect(limit=MESSAGE_BYTES, size=_size, gap="\n\n")


def _format(message: ChannelMessage) -> Formatted:
    headline = cut(
        message.headline,
        lambda text: len(text) <= TITLE_LIMIT and len(json.dumps(text)) <= TITLE_JSON,
    )
    title = outside_addresses(headline, calm)
    # ntfy shows a message without text as "triggered".
    return title, DIALECT.say(message) or title, NotifyFormat.TEXT


def _prepare(
    plugin: Ntfy,
    message: ChannelMessage,
    secret: bytes,  # noqa: ARG001  ntfy has no signature
) -> None:
    plugin.priority = _PRIORITY.get(message.importance, NtfyPriority.NORMAL)
    # Apprise quotes the URL once more, which would spoil one that holds escapes.
    plugin.click = message.url if message.url and "%" not in message.url else None


SERVICE = Service(
    name="ntfy",
    label="ntfy",
    example="https://ntfy.sh/topic or ntfys://host.example/topic",
    template="{schema}://{host}/{targets}",
    words={"host": "Server", "targets": "Topic"},
    plugin=Ntfy,
    encrypted={"ntfys": True, "ntfy": False},
    host=_host,
    format=_format,
    pace_seconds=5.0,  # ntfy.sh refills one message in 5 seconds, after a burst of 60
    retry_unknown=False,  # telephones would ring twice
    parameters=frozenset({"mode", "auth", "token"}),
    prepare=_prepare,
)
