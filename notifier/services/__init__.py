"""The services that a channel can be, and so the only ones that a channel's URL can name."""

from notifier.services import ntfy, slack, webhook
from notifier.services.base import Service

SERVICES: dict[str, Service] = {
    service.name: service
    for service in (
        webhook.SERVICE,
        slack.SERVICE,
        ntfy.SERVICE,
    )
}
