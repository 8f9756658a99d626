"""Slack's incoming webhooks, in mrkdwn."""

from typing import Any

from apprise.plugins.slack import NotifySlack, SlackMode

from notifier.message.channel_message import calm
from notifier.services.base import Service, fixed_host
from notifier.services.dialect import Dialect, angle_address, angle_link, without_styles


class Slack(NotifySlack):
    """Posts one ``text`` that is mrkdwn already.

    Apprise's own way wraps texts in legacy attachments and, for text without a declared format,
    turns an escaped ``<!channel>`` back into one that alerts everybody.
    """

    enabled = True

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)  # type: ignore[no-untyped-call]
        if self.mode != SlackMode.WEBHOOK or self.channels != [None]:
            raise ValueError("Only an incoming webhook without a channel is taken.")

    def send(self, *args: Any, **kwargs: Any) -> bool:  # noqa: ARG002  Apprise hands in names alone
        url = f"{self.webhook_url}/{self.token_a}/{self.token_b}/{self.token_c}"
        payload = {
            "text": kwargs["body"],
            "mrkdwn": True,
            "unfurl_links": False,
            "unfurl_media": False,
        }
        return bool(self._send(url, payload))  # type: ignore[no-untyped-call]


def escape(text: str) -> str:
    """``text`` for a place where mrkdwn is read, so that it shows as typed and alerts nobody.

    &, < and > become entities, which ends links and ``<!channel>`` alike. mrkdwn has no escape for
    its other marks.
    """
    return calm(
        without_styles(text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))
    )


DIALECT = Dialect(
    # Slack asks for 4,000 characters at most; it folds longer ones behind "Show more", and cuts at
    # 40,000
    limit=3_900,
    escape=escape,
    address=lambda url: angle_address(url.replace("&", "&amp;")),
    link=lambda text, url: angle_link(text, url.replace("&", "&amp;")),
    strong=lambda text: f"*{text}*",
)


SERVICE = Service(
    name="slack",
    label="Slack",
    example="https://hooks.slack.com/services/T…/B…/…",
    plugin=Slack,
    encrypted={"slack": True},
    host=fixed_host("hooks.slack.com"),
    format=DIALECT.alone,
    pace_seconds=1.1,  # Slack takes one message a second and channel; the rest is for clocks
    retry_unknown=False,  # people would read it twice
)
