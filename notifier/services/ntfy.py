"""ntfy, on ntfy.sh or a server of one's own: plain text, priority by importance."""

import json
from collections.abc import Mapping
from typing import Any

from apprise.common import NotifyFormat
from apprise.plugins.ntfy import NotifyNtfy, NtfyMode, NtfyPriority

from notifier.message import ChannelMessage, calm, cut
from notifier.services.base import Formatted, Service

TITLE_LIMIT = 200
TITLE_JSON = 1_200
MESSAGE_BYTES = 4_000
"""ntfy makes a file of a message above 4,096 bytes of UTF-8 ..."""
MESSAGE_JSON = 6_500
"""... and Apprise of one above 8,000 characters of JSON with its title, where a letter beyond ASCII takes 6 or 12."""

_PRIORITY = {"breaking": NtfyPriority.MAX, "key": NtfyPriority.HIGH}


class Ntfy(NotifyNtfy):
    """One topic, nothing of Apprise's own added."""

    enabled = True

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)  # type: ignore[no-untyped-call]
        # A topic that is no topic, such as a host that Apprise does not take for one, is left out by Apprise: count both.
        if len(kwargs["targets"]) != 1 or len(self.topics) != 1:
            raise ValueError("Exactly one topic is taken.")
        self.include_image = False


def _host(parsed: Mapping[str, Any]) -> tuple[str, int | None]:
    if parsed.get("mode") == NtfyMode.CLOUD:
        return "ntfy.sh", None
    return parsed["host"], parsed.get("port")


def _title_fits(text: str) -> bool:
    return len(text) <= TITLE_LIMIT and len(json.dumps(text)) <= TITLE_JSON


def _format(message: ChannelMessage) -> Formatted:
    tail = "\n".join(line for line in (calm(cut(message.credit, _title_fits)), message.url) if line)

    def fits(text: str) -> bool:
        whole = f"{text}\n\n{tail}"
        return len(whole.encode()) <= MESSAGE_BYTES and len(json.dumps(whole)) <= MESSAGE_JSON

    text = calm("\n\n".join(part.strip() for part in (message.note, message.summary) if part.strip()))
    body = "\n\n".join(part for part in (cut(text, fits), tail) if part)
    title = calm(cut(message.headline, _title_fits))
    # ntfy shows a message without text as "triggered".
    return title, body or title, NotifyFormat.TEXT


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
    parameters=frozenset({"mode", "auth", "token"}),
    prepare=_prepare,
)
