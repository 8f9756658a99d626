"""Zulip, by a bot: each story is a topic of the channel."""

from typing import Any

from apprise.plugins.zulip import NotifyZulip

from notifier.message.channel_message import ChannelMessage, cut, one_line
from notifier.services.base import Formatted, Parsed, Service
from notifier.services.dialect import Dialect, lookalikes, markdown_link

TOPIC_LIMIT = 60


class Zulip(NotifyZulip):  # type: ignore[no-untyped-call]
    """One channel, or one person; Apprise would else write to one called general."""

    enabled = True

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)  # type: ignore[no-untyped-call]
        if not kwargs["targets"] or kwargs.get("port"):
            raise ValueError("A channel is needed, and the port of https.")


def _host(parsed: Parsed) -> tuple[str, int | None]:
    name = parsed["host"]
    return name if "." in name else f"{name}.{NotifyZulip.default_hostname}", None


DIALECT = Dialect(
    limit=10_000,  # characters
    escape=lookalikes,  # which ends @**all**; there are no escapes
    link=markdown_link,
    strong=lambda text: f"**{text}**",
)


def _format(message: ChannelMessage) -> Formatted:
    return (
        cut(one_line(message.stream_title) or message.headline, TOPIC_LIMIT),
        DIALECT.say(message),
        None,
    )


def _channel(parsed: Parsed) -> str:
    return str((parsed.get("targets") or [""])[0])


SERVICE = Service(
    name="zulip",
    label="Zulip",
    example="zulip://bot-name@organisation-or-host/api-key/channel",
    template="{schema}://{botname}@{organization}/{token}/{targets}",
    words={"token": "API key", "targets": "Channel"},
    plugin=Zulip,
    encrypted={"zulip": True},
    host=_host,
    format=_format,
    pace_seconds=0.3,  # 200 requests a minute and bot
    retry_unknown=False,  # people would read it twice
    retry_after_key=("retry-after",),
    place=_channel,
)
