"""Webex, by an incoming webhook or a bot, in Markdown."""

from typing import Any

from apprise.plugins.webexteams import NotifyWebexTeams, WebexTeamsMode

from notifier.services.base import Service, fixed_host
from notifier.services.dialect import Dialect, angle_address, backslashes, markdown_link, utf8


class Webex(NotifyWebexTeams):  # type: ignore[no-untyped-call]
    """The space of the webhook, or one that the bot is in."""

    enabled = True
    # Apprise's has the old name, and a slash too many
    notify_url = "https://webexapis.com/v1/webhooks/incoming"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)  # type: ignore[no-untyped-call]
        if self.mode == WebexTeamsMode.BOT and not self.targets:
            raise ValueError("A space is needed.")


DIALECT = Dialect(
    limit=7_439,  # bytes
    size=utf8,
    escape=backslashes,
    address=angle_address,
    link=markdown_link,
    strong=lambda text: f"**{text}**",
    newline="  \n",
    gap="\n\n",
)


SERVICE = Service(
    name="webex",
    label="Webex",
    example="https://webexapis.com/v1/webhooks/incoming/… or webex://bot-token/space-id",
    plugin=Webex,
    encrypted={"webex": True, "wxteams": True},
    host=fixed_host("webexapis.com"),
    format=DIALECT.alone,
    pace_seconds=1.0,  # Webex names no number; it answers 429 with Retry-After
    retry_unknown=False,  # people would read it twice
    parameters=frozenset({"mode"}),
)
