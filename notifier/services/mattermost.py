"""Mattermost's incoming webhooks, in Markdown."""

from typing import Any

from apprise.plugins.mattermost import MattermostMode, NotifyMattermost

from notifier.services.base import Service
from notifier.services.dialect import Dialect, angle_address, backslashes, markdown_link


class Mattermost(NotifyMattermost):  # type: ignore[no-untyped-call]
    """The channel that the webhook was made for."""

    enabled = True

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if self.mode != MattermostMode.WEBHOOK or self.targets:
            raise ValueError("Only an incoming webhook without a channel is taken.")
        self.include_image = False


DIALECT = Dialect(
    limit=4_000,  # characters; newer servers take 16,383
    escape=backslashes,  # breaks <!channel> up too, which Mattermost takes over from Slack
    address=angle_address,
    link=markdown_link,
    strong=lambda text: f"**{text}**",
)


SERVICE = Service(
    name="mattermost",
    label="Mattermost",
    example="mmosts://host.example/webhook-key",
    template="{schema}://{host}/{token}",
    words={"host": "Server", "token": "Webhook key"},
    plugin=Mattermost,
    encrypted={"mmosts": True, "mmost": False},
    format=DIALECT.alone,
    pace_seconds=0.1,  # where a server limits at all, to 10 requests a second
    retry_unknown=False,  # people would read it twice
)
