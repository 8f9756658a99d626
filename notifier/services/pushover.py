"""Pushover: plain text with its link apart, priority by importance."""

from dataclasses import replace
from typing import Any

from apprise.common import NotifyFormat
from apprise.plugins.pushover import NotifyPushover, PushoverPriority

from notifier.message.channel_message import ChannelMessage, cut
from notifier.services.base import Formatted, Service, fixed_host
from notifier.services.dialect import Dialect

TITLE_LIMIT = 250
URL_LIMIT = 512


class Pushover(NotifyPushover):  # type: ignore[no-untyped-call]
    """One user or group, on all devices or one."""

    enabled = True

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)  # type: ignore[no-untyped-call]
        if self.groups or self.invalid_targets or len(self.devices) != 1:
            raise ValueError("One user or group is taken, and at most one device.")


DIALECT = Dialect(limit=1_024, escape=str)  # characters


def _apart(message: ChannelMessage) -> bool:
    return 0 < len(message.url) <= URL_LIMIT


def _format(message: ChannelMessage) -> Formatted:
    title = cut(message.headline, TITLE_LIMIT)
    body = DIALECT.say(replace(message, url="") if _apart(message) else message)
    return title, body or title, NotifyFormat.TEXT


def _prepare(
    plugin: Pushover,
    message: ChannelMessage,
    secret: bytes,  # noqa: ARG001  Pushover has no signature
) -> None:
    plugin.supplemental_url = message.url if _apart(message) else None
    plugin.priority = (
        PushoverPriority.HIGH if message.importance == "breaking" else PushoverPriority.NORMAL
    )


SERVICE = Service(
    name="pushover",
    label="Pushover",
    example="pover://user-key@application-token",
    template="{schema}://{user_key}@{token}",
    words={"token": "Application token"},
    plugin=Pushover,
    encrypted={"pover": True},
    host=fixed_host("api.pushover.net"),
    format=_format,
    pace_seconds=1.0,  # 10,000 messages a month, two requests at a time
    retry_unknown=False,  # telephones would ring twice
    parameters=frozenset({"sound"}),
    prepare=_prepare,
)
