"""Telegram, by a bot, in its HTML."""

import html
import re
from dataclasses import replace
from typing import Any

from apprise.common import NotifyFormat
from apprise.plugins.telegram import NotifyTelegram

from notifier.message.channel_message import ChannelMessage
from notifier.services.base import Formatted, Parsed, Service, fixed_host
from notifier.services.dialect import Dialect, html_link, markup, utf16


class Telegram(NotifyTelegram):  # type: ignore[no-untyped-call]
    """One chat that the URL names; Apprise would else ask the bot who wrote to it last."""

    enabled = True

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)  # type: ignore[no-untyped-call]
        if not self.targets:
            raise ValueError("A chat is needed.")
        self.detect_owner = False


def _size(text: str) -> int:
    """What Telegram counts: UTF-16 after the entities were read, without the links."""
    return utf16(html.unescape(re.sub(r"<[^>]*>", "", text.replace("<br>", "\r\n"))))


DIALECT = Dialect(
    limit=4_096,
    size=_size,
    escape=markup,
    address=html.escape,
    link=html_link,
    links_hold_addresses=True,
    strong=lambda text: f"<b>{text}</b>",
    newline="<br>",
    gap="<br>",
)


def _format(message: ChannelMessage) -> Formatted:
    return "", DIALECT.say(message), NotifyFormat.HTML


def _chat(parsed: Parsed) -> str:
    return str((parsed.get("targets") or [""])[0])


SERVICE = Service(
    name="telegram",
    label="Telegram",
    example="tgram://123456789:bot-token/chat-id",
    template="{schema}://{bot_token}/{targets}",
    words={"targets": "Chat"},
    plugin=Telegram,
    encrypted={"tgram": True},
    host=fixed_host("api.telegram.org"),
    format=_format,
    pace_seconds=1.0,  # one message a second and chat
    retry_unknown=False,  # people would read it twice
    retry_after_key=("parameters", "retry_after"),
    parameters=frozenset({"topic", "silent"}),
    takes=lambda parsed: re.match(r"[0-9]", _chat(parsed)) is not None,
    place=_chat,
)

GROUP = replace(
    SERVICE,
    name="telegram-group",
    label="Telegram group",
    # 20 messages a minute and group; groups and channels have negative numbers or names
    pace_seconds=3.0,
    takes=lambda parsed: not SERVICE.takes(parsed),
)
