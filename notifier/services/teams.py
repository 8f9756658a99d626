"""Microsoft Teams, by the web address of a workflow: an Adaptive Card."""

import json
from typing import Any
from urllib.parse import urlsplit

from apprise.plugins.workflows import NotifyWorkflows

from notifier.message import ChannelMessage, Line, cut, one_line
from notifier.services.base import Formatted, Service

LIMIT = 24_000
"""Bytes of JSON as Apprise writes it; Teams takes messages of some 28 KB."""
SHORT = 250

Runs = list[dict[str, Any]]


class Teams(NotifyWorkflows):  # type: ignore[no-untyped-call]
    """Posts the card that it is given, in place of Apprise's with its image and Markdown."""

    enabled = True

    def gen_payload(self, *args: Any, **kwargs: Any) -> dict[str, Any]:  # noqa: ARG002  Apprise hands in names alone
        card: dict[str, Any] = json.loads(kwargs["body"])
        return card


def _run(text: str, url: str = "", **style: str) -> dict[str, Any]:
    """Text that Teams reads as it is: a run knows no Markdown, and nothing is a mention that the card does not declare."""
    link = {"selectAction": {"type": "Action.OpenUrl", "url": url}, "color": "Accent"} if url else {}
    return {"type": "TextRun", "text": text, **style, **link}


def _block(*runs: dict[str, Any]) -> dict[str, Any]:
    return {"type": "RichTextBlock", "inlines": list(runs)}


def _card(message: ChannelMessage, note: str, summary: str, lines: tuple[Line, ...]) -> str:
    headline = cut(message.headline, SHORT)
    left_out = len(message.lines) - len(lines)
    body = [
        _block(_run(headline, message.url, weight="Bolder", size="Medium")),
        *(_block(_run(text)) for text in (note, summary) if text),
        *(_block(_run("• "), _run(cut(one_line(line.title), SHORT), line.url)) for line in lines),
        *([_block(_run(f"… +{left_out}"))] if left_out else []),
        *([_block(_run(cut(message.credit, SHORT), message.stream_url, size="Small"))] if message.credit else []),
    ]
    content = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "fallbackText": headline,
        "body": body,
        "msteams": {"width": "full"},
    }
    if message.url:
        content["actions"] = [{"type": "Action.OpenUrl", "title": urlsplit(message.url).hostname, "url": message.url}]
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": content}
    return json.dumps({"type": "message", "attachments": [attachment]})


def _format(message: ChannelMessage) -> Formatted:
    def fits(note: str, summary: str = "", lines: tuple[Line, ...] = ()) -> bool:
        return len(_card(message, note, summary, lines)) <= LIMIT

    if message.lines:
        count = next(n for n in range(len(message.lines), -1, -1) if fits("", "", message.lines[:n]))
        return "", _card(message, "", "", message.lines[:count]), None
    note = cut(message.note.strip(), fits)
    summary = cut(message.summary.strip(), lambda text: fits(note, text))
    return "", _card(message, note, summary, ()), None


SERVICE = Service(
    name="teams",
    label="Teams",
    example="https://….logic.azure.com/workflows/…/triggers/manual/paths/invoke?…&sig=…",
    plugin=Teams,
    encrypted={"workflow": True, "workflows": True},
    format=_format,
    pace_seconds=1.0,  # Teams takes one message a second and channel for long; a workflow itself takes more
    retry_unknown=False,  # people would read it twice
    parameters=frozenset({"api-version", "ver", "sp", "sv", "sig", "pa", "route"}),
)
