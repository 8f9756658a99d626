"""Microsoft Teams, by the web address of a workflow: an Adaptive Card."""

import json
from bisect import bisect_left
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from apprise.plugins.workflows import NotifyWorkflows

from notifier.message.channel_message import ChannelMessage, cut, one_line
from notifier.services.base import Formatted, Service

LIMIT = 24_000
"""Bytes of JSON as Apprise writes it; Teams takes messages of some 28 KB."""
SHORT = 250


class Teams(NotifyWorkflows):  # type: ignore[no-untyped-call]
    """Posts the card that it is given, in place of Apprise's with its image and Markdown."""

    enabled = True

    def gen_payload(
        self,
        *args: Any,  # noqa: ARG002  Apprise hands in names alone
        **kwargs: Any,
    ) -> dict[str, Any]:
        card: dict[str, Any] = json.loads(kwargs["body"])
        return card


def _run(text: str, url: str = "", **style: str) -> dict[str, Any]:
    """Text that Teams reads as it is: a run knows no Markdown, and nothing is a mention that the
    card does not declare.
    """
    link = (
        {"selectAction": {"type": "Action.OpenUrl", "url": url}, "color": "Accent"} if url else {}
    )
    return {"type": "TextRun", "text": text, **style, **link}


def _block(*runs: dict[str, Any]) -> dict[str, Any]:
    return {"type": "RichTextBlock", "inlines": list(runs)}


def _texts(*texts: str) -> list[dict[str, Any]]:
    return [_block(_run(line)) for text in texts for line in text.splitlines() if line.strip()]


def _list(message: ChannelMessage, count: int) -> list[dict[str, Any]]:
    rows = [
        _block(_run("• "), _run(cut(one_line(line.title), SHORT), line.url))
        for line in message.lines[:count]
    ]
    return [
        *rows,
        *_texts(f"… +{len(message.lines) - count}" if count < len(message.lines) else ""),
    ]


def _frame(message: ChannelMessage) -> Callable[[list[dict[str, Any]]], str]:
    """The payload around the blocks that make up the middle of the card."""
    headline = cut(message.headline, SHORT)
    credit = cut(message.credit, SHORT)
    head = [_block(_run(headline, message.url, weight="Bolder", size="Medium"))]
    foot = [_block(_run(credit, message.stream_url, size="Small"))] if credit else []
    host = urlsplit(message.url).hostname
    content = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "fallbackText": headline,
        "msteams": {"width": "full"},
        "actions": [{"type": "Action.OpenUrl", "title": host, "url": message.url}] if host else [],
    }

    def payload(middle: list[dict[str, Any]]) -> str:
        card = {**content, "body": [*head, *middle, *foot]}
        attachment = {
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": None,
            "content": card,
        }
        return json.dumps({"type": "message", "attachments": [attachment]})

    return payload


def _format(message: ChannelMessage) -> Formatted:
    payload = _frame(message)

    def fits(middle: list[dict[str, Any]]) -> bool:
        return len(payload(middle)) <= LIMIT

    if message.lines:
        count = len(message.lines)
        left_out = bisect_left(
            range(count), True, key=lambda number: fits(_list(message, count - number))
        )
        return "", payload(_list(message, count - left_out)), None
    note = cut(message.note.strip()[:LIMIT], lambda text: fits(_texts(text)))
    summary = cut(message.summary.strip()[:LIMIT], lambda text: fits(_texts(note, text)))
    return "", payload(_texts(note, summary)), None


SERVICE = Service(
    name="teams",
    label="Teams",
    example="https://….logic.azure.com/workflows/…/triggers/manual/paths/invoke?…&sig=…",
    plugin=Teams,
    encrypted={"workflow": True, "workflows": True},
    format=_format,
    # Teams takes one message a second and channel for long; a workflow itself takes more
    pace_seconds=1.0,
    retry_unknown=False,  # people would read it twice
    parameters=frozenset({"api-version", "ver", "sp", "sv", "sig", "pa", "route"}),
)
