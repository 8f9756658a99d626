"""Slack's incoming webhooks, in mrkdwn."""

import re
from collections.abc import Mapping
from typing import Any

from apprise.plugins.slack import NotifySlack, SlackMode

from notifier.message import ChannelMessage, calm, cut
from notifier.services.base import Formatted, Service

TITLE_LIMIT = 250
TEXT_LIMIT = 2_500
"""Slack folds a message behind "Show more" long before its own limit of 40,000 characters."""

_LOOKALIKES = str.maketrans({"*": "∗", "_": "ˍ", "~": "∼", "`": "ˋ"})


class Slack(NotifySlack):
    """Posts one ``text`` that is mrkdwn already.

    Apprise's own way wraps texts in legacy attachments and, for text without a declared format, turns an escaped
    ``<!channel>`` back into one that alerts everybody.
    """

    enabled = True

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)  # type: ignore[no-untyped-call]
        if self.mode != SlackMode.WEBHOOK or self.channels != [None]:
            raise ValueError("Only an incoming webhook without a channel is taken.")

    def send(self, *args: Any, **kwargs: Any) -> bool:  # noqa: ARG002  Apprise hands in names alone
        url = f"{self.webhook_url}/{self.token_a}/{self.token_b}/{self.token_c}"
        payload = {"text": kwargs["body"], "mrkdwn": True, "unfurl_links": False, "unfurl_media": False}
        return bool(self._send(url, payload))  # type: ignore[no-untyped-call]


def escape(text: str) -> str:
    """``text`` for a place where mrkdwn is read, so that it shows as typed and alerts nobody.

    &, < and > become entities, which ends links and ``<!channel>`` alike.  mrkdwn has no escape for its other
    marks, so where one could begin or end a style (not inside a word) a look-alike takes its place.
    """
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = re.sub(r"(?<!\w)[*_~]+|[*_~]+(?!\w)|`", lambda mark: mark[0].translate(_LOOKALIKES), text)
    return calm(text)


def _link(url: str, text: str) -> str:
    if not url:
        return text
    safe = url.replace("&", "&amp;").replace("<", "%3C").replace(">", "%3E").replace("|", "%7C")
    return f"<{safe}|{text}>"


def _host(parsed: Mapping[str, Any]) -> tuple[str, int | None]:  # noqa: ARG001  the same for every URL
    return "hooks.slack.com", None


def _format(message: ChannelMessage) -> Formatted:
    lines = [
        f"*{_link(message.url, escape(cut(message.headline, TITLE_LIMIT)))}*",
        escape(cut(message.note, TEXT_LIMIT)),
        escape(cut(message.summary, TEXT_LIMIT)),
        _link(message.stream_url, escape(cut(message.credit, TITLE_LIMIT))) if message.credit else "",
    ]
    return "", "\n".join(line for line in lines if line), None


SERVICE = Service(
    name="slack",
    label="Slack",
    example="https://hooks.slack.com/services/T…/B…/…",
    plugin=Slack,
    encrypted={"slack": True},
    host=_host,
    format=_format,
    pace_seconds=1.1,  # Slack takes one message a second and channel; the rest is for clocks
    retry_unknown=False,  # people would read it twice
)
