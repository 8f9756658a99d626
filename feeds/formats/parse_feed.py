"""Bytes into values, as a reader's program takes a feed. It shares nothing with what writes them
but the names of elements.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from lxml import etree

from feeds.document.feed_document import Format
from feeds.formats.namespaces import ATOM, CONTENT, DC, SYNDICATION, TOMBSTONES

_A = f"{{{ATOM}}}"
# Where each format says it, in the order of the parameters of `_xml`.
_ATOM = (
    f"{_A}feed",
    ".",
    f"{_A}entry",
    f"{_A}id",
    f"{_A}title",
    f"{_A}updated",
    f"{_A}published",
    f"{_A}author/{_A}name",
    f"{_A}content",
)
_RSS = (
    "rss",
    "channel",
    "item",
    "guid",
    "title",
    "lastBuildDate",
    "pubDate",
    f"{{{DC}}}creator",
    f"{{{CONTENT}}}encoded",
)
_PERIODS = {
    "hourly": 3_600,
    "daily": 86_400,
    "weekly": 7 * 86_400,
    "monthly": 30 * 86_400,
    "yearly": 365 * 86_400,
}


class Unreadable(ValueError):
    """It is no feed of that format; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadEntry:
    """Dates are None where they are missing or cannot be read."""

    id: str
    url: str
    title: str
    published: datetime | None
    updated: datetime | None
    authors: tuple[str, ...]
    size: int  # characters of its text


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadFeed:
    """Links are empty where there are none."""

    title: str
    id: str = ""  # Atom's
    self_url: str
    page_url: str
    older_url: str
    newest_url: str  # of an archive
    updated: datetime | None = None  # JSON Feed has none
    # seconds that RSS asks readers to wait: ttl, and the syndication module's
    waits: tuple[float, ...] = ()
    entries: tuple[ReadEntry, ...]
    withdrawn: frozenset[str]  # ids; RSS cannot say


def read_feed(body: bytes, fmt: Format) -> ReadFeed:
    """Raises Unreadable."""
    try:
        return (
            _json(json.loads(body))
            if fmt is Format.JSON
            else _xml(body, *(_ATOM if fmt is Format.ATOM else _RSS))
        )
    except (etree.XMLSyntaxError, ValueError, LookupError, TypeError, AttributeError) as exc:
        raise Unreadable(str(exc).partition("\n")[0][:200]) from exc


def _root(body: bytes, name: str) -> etree._Element:
    root = etree.fromstring(body, etree.XMLParser(resolve_entities=False, no_network=True))
    if root.tag != name:
        raise Unreadable(f"its outermost element is {root.tag!r}")
    return root


def _xml(
    body: bytes,
    root: str,
    head: str,
    entry: str,
    id_: str,
    title: str,
    updated: str,
    published: str,
    author: str,
    text: str,
) -> ReadFeed:
    feed = _root(body, root).find(head)
    if feed is None:
        raise Unreadable(f"it has no {head}")
    links = _links(feed)
    return ReadFeed(
        title=_text(feed, title),
        id=_text(feed, id_),
        self_url=links.get("self", ""),
        page_url=links.get("alternate") or _text(feed, "link"),
        older_url=links.get("prev-archive", ""),
        newest_url=links.get("current", ""),
        updated=_moment(_text(feed, updated)),
        waits=_waits(feed),
        withdrawn=frozenset(
            gone.get("ref", "") for gone in feed.iterfind(f"{{{TOMBSTONES}}}deleted-entry")
        ),
        entries=tuple(
            ReadEntry(
                id=_text(item, id_),
                url=_links(item).get("alternate") or _text(item, "link"),
                title=_text(item, title),
                published=_moment(_text(item, published)),
                updated=_moment(_text(item, f"{_A}updated")),
                authors=tuple(name.text or "" for name in item.iterfind(author)),
                size=len(_text(item, text)),
            )
            for item in feed.iterfind(entry)
        ),
    )


def _waits(channel: etree._Element) -> tuple[float, ...]:
    ttl = _text(channel, "ttl")
    period, frequency = (
        _text(channel, f"{{{SYNDICATION}}}{name}") for name in ("updatePeriod", "updateFrequency")
    )
    return (
        *([int(ttl) * 60] if ttl else []),
        *([_PERIODS[period] / int(frequency or 1)] if period else []),
    )


def _json(feed: dict[str, Any]) -> ReadFeed:
    own = feed.get("_storywire", {})
    return ReadFeed(
        title=feed["title"],
        self_url=feed.get("feed_url", ""),
        page_url=feed.get("home_page_url", ""),
        older_url=feed.get("next_url", ""),
        newest_url=own.get("current_url", ""),
        withdrawn=frozenset(gone["id"] for gone in own.get("withdrawn", ())),
        entries=tuple(
            ReadEntry(
                id=item["id"],
                url=item.get("url", ""),
                title=item.get("title", ""),
                published=_moment(item.get("date_published", "")),
                updated=_moment(item.get("date_modified", "")),
                authors=tuple(author.get("name", "") for author in item.get("authors", ())),
                size=len(item.get("content_html", "")),
            )
            for item in feed["items"]
        ),
    )


def _links(parent: etree._Element) -> dict[str, str]:
    """By what they are; of several alike the first."""
    return {
        link.get("rel", "alternate"): link.get("href", "")
        for link in reversed(parent.findall(f"{_A}link"))
    }


def _text(parent: etree._Element, name: str) -> str:
    return (parent.findtext(name) or "").strip()


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text) if text[:4].isdigit() else parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError):
        return None
    return moment.astimezone(UTC) if moment.tzinfo else None
