"""Discord's webhooks, in its Markdown."""

import json
from typing import Any

from apprise.plugins.discord import NotifyDiscord

from notifier.message.channel_message import ChannelMessage
from notifier.services.base import Formatted, Service, fixed_host
from notifier.services.dialect import Dialect, angle_address, backslashes, markdown_link, utf16

NO_PREVIEWS = 4  # the flag SUPPRESS_EMBEDS


class Discord(NotifyDiscord):  # type: ignore[no-untyped-call]
    """Posts the payload that it is given; Apprise's own has no ``allowed_mentions`` and tries a 429
    again at once.
    """

    enabled = True

    def send(self, *args: Any, **kwargs: Any) -> bool:  # noqa: ARG002  Apprise hands in names alone
        # Without ``wait`` Discord answers before it has looked at the message.
        params = {"wait": "true", **({"thread_id": self.thread_id} if self.thread_id else {})}
        return self._send(json.loads(kwargs["body"]), params=params, rate_limit=0)


DIALECT = Dialect(
    limit=2_000,  # characters; counted in UTF-16, which is never less
    size=utf16,
    escape=backslashes,
    address=angle_address,
    link=markdown_link,
    strong=lambda text: f"**{text}**",
)


def _format(message: ChannelMessage) -> Formatted:
    payload = {
        "content": DIALECT.say(message),
        "allowed_mentions": {"parse": []},
        "flags": NO_PREVIEWS,
    }
    return "", json.dumps(payload), None


SERVICE = Service(
    name="discord",
    label="Discord",
    example="https://discord.com/api/webhooks/…/…",
    plugin=Discord,
    encrypted={"discord": True},
    host=fixed_host("discord.com"),
    format=_format,
    pace_seconds=0.4,  # 5 in 2 seconds and webhook
    retry_unknown=False,  # people would read it twice
    retry_after_key=("retry_after",),
    parameters=frozenset({"thread"}),
)
