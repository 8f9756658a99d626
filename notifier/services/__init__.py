"""The services that a channel can be, and so the only ones that a channel's URL can name."""

from notifier.services import (
    discord,
    google_chat,
    gotify,
    matrix,
    mattermost,
    ntfy,
    pushover,
    rocketchat,
    slack,
    teams,
    telegram,
    webex,
    webhook,
    zulip,
)
from notifier.services.base import Service

SERVICES: dict[str, Service] = {
    service.name: service
    for service in (
        webhook.SERVICE,
        slack.SERVICE,
        ntfy.SERVICE,
        discord.SERVICE,
        teams.SERVICE,
        telegram.SERVICE,
        telegram.GROUP,
        matrix.SERVICE,
        mattermost.SERVICE,
        google_chat.SERVICE,
        gotify.SERVICE,
        rocketchat.SERVICE,
        webex.SERVICE,
        zulip.SERVICE,
        pushover.SERVICE,
    )
}
