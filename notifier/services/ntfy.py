"""ntfy, on ntfy.sh or a server of one's own: plain text, priority by importance."""

import json
from collections.abc import Mapping
from typing import Any

from apprise.common import NotifyFormat
from apprise.plugins.ntfy import NotifyNtfy, NtfyMode, NtfyPriority

from notifier.message import ChannelMessage, calm, cut
from notifier.services.base import Formatted, Service

TITLE_LIMIT = 200
MESSAGE_BYTES = 4_000
"""ntfy makes a file of a message above 4,096 bytes of UTF-8 ..."""
JSON_BYTES = 6_500
"""... and Apprise does so above 8,000 bytes of JSON, in which a letter beyond ASCII takes 6; the title needs room too."""

_PRIORITY = {"breaking": NtfyPriority.MAX, "key": NtfyPriority.HIGH}


class Ntfy(NotifyNtfy):
    """One topic, nothing of Apprise's own added."""

    enabled = True

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)  # type: ignore[no-untyped-call]
        if len(self.topics) != 1:
            raise ValueError("Exactly one topic is taken.")
        self.include_image = False


def _host(parsed: Mapping[str, Any]) -> tuple[str, int | None]:
    if parsed.get("mode") == NtfyMode.CLOUD:
        return "ntfy.sh", None
    return parsed["host"], parsed.get("port")


def _fits(text: str) -> bool:
    return len(text.encode()) <= MESSAGE_BYTES and len(json.dumps(text)) <= JSON_BYTES


def _format(message: ChannelMessage) -> Formatted:
    tail = "\n".join(line for line in (calm(message.credit), message.url) if line)

    def fits_with_tail(text: str) -> bool:
        return _fits(f"{text}\n\n{tail}")

    text = calm("\n\n".join(part.strip() for part in (message.note, message.summary) if part.strip()))
    body = "\n\n".join(part for part in (cut(text, fits_with_tail), tail) if part)
    title = cut(message.headline, TITLE_LIMIT)
    # ntfy shows a message without text as "triggered".
    return calm(title), body or title, NotifyFormat.TEXT


def _prepare(plugin: Ntfy, message: ChannelMessage, secret: bytes) -> None:  # noqa: ARG001  ntfy has no signature
    plugin.priority = _PRIORITY.get(message.importance, NtfyPriority.NORMAL)
    # Apprise quotes the URL once more, which would spoil one that holds escapes.
    plugin.click = message.url if message.url and "%" not in message.url else None


SERVICE = Service(
    name="ntfy",
    label="ntfy",
    example="https://ntfy.sh/topic or ntfys://host.example/topic",
    plugin=Ntfy,
    encrypted={"ntfys": True, "ntfy": False},
    host=_host,
    format=_format,
    pace_seconds=5.0,  # ntfy.sh refills one message in 5 seconds, after a burst of 60
    retry_unknown=False,  # telephones would ring twice
    title_limit=TITLE_LIMIT,
    body_limit=MESSAGE_BYTES,
    parameters=frozenset({"mode", "auth", "token"}),
    prepare=_prepare,
)
