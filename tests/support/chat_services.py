"""Every chat service as an operator adds it, and where its requests hold the text."""

import html
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import requests
from werkzeug import Request

from notifier.message.channel_message import (
    ChannelMessage,
)
from notifier.services import dialect
from notifier.transport import outbound_http

MESSAGE = ChannelMessage(
    event="correction",
    uid="d-7f3a",
    guid="tag:news.example.org,2026:entry/1",
    label="Correction",
    title="River «Тиса» rises & falls",
    dek="Third crest passed at noon.",
    byline="Anna Li and Bo Chen",
    body_text="Full text.",
    note="The level was 4.2 m, not 42 m.",
    url="https://news.example.org/streams/storm/entries/1",
    stream_title="Storm over the coast",
    stream_url="https://news.example.org/streams/storm",
    published_at=datetime(2026, 3, 14, 8, 0, tzinfo=UTC),
    updated_at=datetime(2026, 3, 14, 11, 30, tzinfo=timezone(timedelta(hours=2))),
    importance="breaking",
    tags=("storm", "coast"),
)


class LocalHostAdapter(outbound_http.Adapter):
    """Stands for a service's real host: its requests arrive at the local server, otherwise
    unchanged.
    """

    def __init__(self, base: str) -> None:
        super().__init__()
        self.base = base

    def send(
        self, request: requests.PreparedRequest, *args: Any, **kwargs: Any
    ) -> requests.Response:
        request.url = self.base + (request.path_url if request.path_url != "/" else "/")
        return super().send(request, *args, **kwargs)


@dataclass(frozen=True)
class Case:
    """A service as an operator adds it; ``marks`` is the markup in its text."""

    url: str
    path: str
    text: Callable[[Request], str]  # where in the request the text is
    marks: str
    limit: int
    size: Callable[[str], int] = len
    title: Callable[[Request], str] = lambda request: ""


def field(*names: str | int) -> Callable[[Request], str]:
    """A value inside a JSON body."""

    def read(request: Request) -> str:
        value = json.loads(request.get_data())
        for name in names:
            value = value[name]
        return str(value)

    return read


def form(name: str) -> Callable[[Request], str]:
    return lambda request: request.form[name]


def card(request: Request) -> str:
    """A Teams card as HTML, a block a line."""
    content = json.loads(request.get_data())["attachments"][0]["content"]
    return "<br>".join("".join(map(_run, block["inlines"])) for block in content["body"])


def _run(run: dict[str, Any]) -> str:
    shown = html.escape(run["text"])
    if "selectAction" in run:
        shown = f'<a href="{html.escape(run["selectAction"]["url"])}">{shown}</a>'
    return f"<b>{shown}</b>" if run.get("weight") == "Bolder" else shown


HOOK = "Y2lzY29zcGFyazovL3VzL1dFQkhPT0sv" * 3


KEY = "a" * 32


CASES = {
    "slack": Case(
        "https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7",
        "/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7", field("text"), "mrkdwn", 3_900,
    ),
    "discord": Case(
        "https://discord.com/api/webhooks/123456789012345678/AbCdEfGh_ijkl-1234",
        "/api/webhooks/123456789012345678/AbCdEfGh_ijkl-1234", field("content"), "markdown",
        2_000, dialect.utf16,
    ),
    "teams": Case(
        "https://prod-01.westus.logic.azure.com:443/workflows/643e69f83c8944/triggers/manual/paths/invoke"
        "?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=KODuebWbDGYFr0z0eu",
        "/workflows/643e69f83c8944/triggers/manual/paths/invoke", card, "html", 28_000,
    ),
    "telegram": Case(
        "tgram://123456789:abcdefg_hijklmnopqrstuvwxyz012345/5551234",
        "/bot123456789:abcdefg_hijklmnopqrstuvwxyz012345/sendMessage", field("text"), "html", 4_096,
        lambda text: dialect.utf16(html.unescape(re.sub("<[^>]*>", "", text))),
    ),
    "matrix": Case(
        "matrixs://syt_abcdefgh@matrix.example.org/!room:example.org",
        "/_matrix/client/v3/rooms/!room:example.org/send/m.room.message/d-7f3a",
        field("formatted_body"), "html", 40_000, dialect.utf8,
    ),
    "mattermost": Case(
        "https://mattermost.example.org/hooks/yobjmukpaw3r3urc5h6i369yima",
        "/hooks/yobjmukpaw3r3urc5h6i369yima", field("text"), "markdown", 4_000,
    ),
    "google-chat": Case(
        "https://chat.googleapis.com/v1/spaces/AAAAk6lGXyM/messages?key=AIzaSyDdI0hCZtE6&token=O7bnyri_WEXKcyFk",
        "/v1/spaces/AAAAk6lGXyM/messages", field("text"), "chat", 4_096,
    ),
    "gotify": Case(
        "gotifys://push.example.org/AbCdEf123456789", "/message", field("message"), "plain",
        4_000, title=field("title")
    ),
    "rocketchat": Case(
        "rockets://abc123def456/ghi789jkl012@chat.example.org",
        "/hooks/abc123def456/ghi789jkl012", field("text"), "markdown", 5_000
    ),
    "webex": Case(
        f"https://webexapis.com/v1/webhooks/incoming/{HOOK}", f"/v1/webhooks/incoming/{HOOK}",
        field("markdown"), "markdown",
        7_439, dialect.utf8,
    ),
    "zulip": Case(f"zulip://story@example/{KEY}/news", "/api/v1/messages", form("content"),
                  "markdown", 10_000),
    "pushover": Case(
        "pover://uQiRzpo4DXghDmr9QzzfQu27cmVRsG@azGDORePK8gMaC0QOYAMyEEuzJnyUi",
        "/1/messages.json", form("message"), "plain", 1_024, title=form("title"),
    ),
    "ntfy": Case("https://ntfy.sh/storm-alerts", "/", field("message"), "plain", 4_096,
                 dialect.utf8, field("title")),
}  # fmt: skip


CASES["telegram-group"] = replace(
    CASES["telegram"], url="tgram://123456789:abcdefg_hijklmnopqrstuvwxyz012345/-1001234567890"
)
