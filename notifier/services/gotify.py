"""Gotify, on a server of one's own: plain text, priority by importance."""

from apprise.common import NotifyFormat
from apprise.plugins.gotify import GotifyPriority, NotifyGotify

from notifier.message.channel_message import ChannelMessage, cut
from notifier.services.base import Formatted, Service
from notifier.services.dialect import HEADLINE_LIMIT, Dialect

_PRIORITY = {"breaking": GotifyPriority.EMERGENCY, "key": GotifyPriority.HIGH}


class Gotify(NotifyGotify):  # type: ignore[no-untyped-call]
    """One application of one server."""

    enabled = True


DIALECT = Dialect(limit=4_000, escape=str, gap="\n\n")  # Gotify has no limit; a telephone has


def _format(message: ChannelMessage) -> Formatted:
    title = cut(message.headline, HEADLINE_LIMIT)
    return title, DIALECT.say(message) or title, NotifyFormat.TEXT


def _prepare(
    plugin: Gotify,
    message: ChannelMessage,
    secret: bytes,  # noqa: ARG001  Gotify has no signature
) -> None:
    plugin.priority = _PRIORITY.get(message.importance, GotifyPriority.NORMAL)


SERVICE = Service(
    name="gotify",
    label="Gotify",
    example="gotifys://host.example/application-token",
    template="{schema}://{host}/{token}",
    words={"host": "Server", "token": "Application token"},
    plugin=Gotify,
    encrypted={"gotifys": True, "gotify": False},
    format=_format,
    pace_seconds=0.1,  # Gotify has no limit
    retry_unknown=False,  # telephones would ring twice
    prepare=_prepare,
)
