"""Rocket.Chat's incoming webhooks, in its Markdown."""

from typing import Any

from apprise.plugins.rocketchat import NotifyRocketChat, RocketChatAuthMode

from notifier.services.base import Service
from notifier.services.dialect import Dialect, lookalikes, markdown_link


class RocketChat(NotifyRocketChat):  # type: ignore[no-untyped-call]
    """The room that the webhook was made for; by name and password Apprise would log in and out for
    each message.
    """

    enabled = True

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)  # type: ignore[no-untyped-call]
        if self.mode != RocketChatAuthMode.WEBHOOK or self.channels or self.rooms or self.users:
            raise ValueError("Only an incoming webhook without a room is taken.")
        self.avatar = False


DIALECT = Dialect(
    limit=5_000,  # characters, as a server is shipped
    escape=lookalikes,
    link=markdown_link,
    strong=lambda text: f"*{text}*",
)


SERVICE = Service(
    name="rocketchat",
    label="Rocket.Chat",
    example="rockets://id/token@host.example for https://host.example/hooks/id/token",
    template="{schema}://{webhook}@{host}",
    words={"host": "Server", "webhook": "Webhook"},
    plugin=RocketChat,
    encrypted={"rockets": True, "rocket": False},
    format=DIALECT.alone,
    pace_seconds=6.0,  # a server, as it is shipped, takes 10 requests a minute
    retry_unknown=False,  # people would read it twice
)
