"""Matrix, by the access token of an account that is in the room: HTML with a plain text."""

import html
import json
from typing import Any
from urllib.parse import quote

from apprise.plugins.matrix import NotifyMatrix

from notifier.message.channel_message import ChannelMessage
from notifier.services.base import Formatted, Parsed, Service
from notifier.services.dialect import Dialect, html_link, markup, utf8


class Matrix(NotifyMatrix):  # type: ignore[no-untyped-call]
    """One request a message: Apprise's own way asks who it is, looks for the server, joins the room
    and waits out a 429.
    """

    enabled = True
    default_retries = 1
    transaction = ""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)  # type: ignore[no-untyped-call]
        if (
            self.user
            or not self.password
            or self.mode != "off"
            or self.users
            or len(self.rooms) != 1
            or self.rooms[0][:1] != "!"
        ):
            raise ValueError("An access token and the internal id of one room are taken.")
        self.discovery = False
        self.access_token = self.password  # also keeps Apprise from logging out

    def send(self, *args: Any, **kwargs: Any) -> bool:  # noqa: ARG002  Apprise hands in names alone
        # The server drops a second message of the same transaction.
        room = quote(self.rooms[0], safe="")
        path = f"/rooms/{room}/send/m.room.message/{quote(self.transaction, safe='')}"
        sent: bool = self._fetch(
            path, json.loads(kwargs["body"]), method="PUT", max_retry_wait=0.0
        )[0]  # type: ignore[no-untyped-call]
        return sent


PLAIN = Dialect(limit=16_000, size=utf8, links_hold_addresses=True, strong=str)
HTML = Dialect(
    limit=40_000,  # bytes; an event of both may have 65,536 with its envelope
    size=utf8,
    escape=markup,
    address=html.escape,
    link=html_link,
    links_hold_addresses=True,
    strong=lambda text: f"<strong>{text}</strong>",
    newline="<br>",
    gap="<br>",
)


def _format(message: ChannelMessage) -> Formatted:
    event = {
        "msgtype": "m.text",
        "body": PLAIN.say(message),
        "format": "org.matrix.custom.html",
        "formatted_body": HTML.say(message),
        "m.mentions": {},  # nobody is meant, whatever the text says
    }
    return "", json.dumps(event), None


def _prepare(
    plugin: Matrix,
    message: ChannelMessage,
    secret: bytes,  # noqa: ARG001  Matrix has no signature
) -> None:
    plugin.transaction = message.uid


def _room(parsed: Parsed) -> str:
    return str((parsed.get("targets") or [""])[0])


SERVICE = Service(
    name="matrix",
    label="Matrix",
    example="matrixs://access-token@matrix.example.org/!room:example.org",
    template="{schema}://{token}@{host}/{targets}",
    words={"host": "Server", "targets": "Room"},
    plugin=Matrix,
    encrypted={"matrixs": True, "matrix": False},
    format=_format,
    # Synapse, as it is shipped, takes one message in 5 seconds and sender, after a burst of 10
    pace_seconds=5.0,
    retry_unknown=True,  # the server drops a double by the delivery's uid
    retry_after_key=("retry_after_ms",),
    retry_after_unit_seconds=0.001,
    place=_room,
    prepare=_prepare,
)
