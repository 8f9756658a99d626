"""Builders of feed values, and readers of what we write."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import feedparser
import pytest

from feeds.document import FeedDocument, FeedEntry, Format, Person
from feeds.render import render

NOON = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)

MakeEntry = Callable[..., FeedEntry]
MakeDocument = Callable[..., FeedDocument]


@pytest.fixture(scope="session")
def make_entry() -> MakeEntry:
    def make(uid: str = "e1", **given: Any) -> FeedEntry:
        values: dict[str, Any] = {
            "id": f"tag:news.example,2026:{uid}",
            "url": f"https://news.example/streams/flood/entries/{uid}",
            "title": "River rising",
            "published": NOON,
            "updated": NOON,
            "language": "en",
        }
        return FeedEntry(**{**values, **given})

    return make


@pytest.fixture(scope="session")
def make_document() -> MakeDocument:
    def make(*entries: FeedEntry, **given: Any) -> FeedDocument:
        values: dict[str, Any] = {
            "id": "tag:news.example,2026:flood",
            "title": "Flood",
            "folder_url": "https://news.example/streams/flood/",
            "page_url": "https://news.example/streams/flood",
            "language": "en",
            "updated": NOON,
            "changed": NOON,
            "site": Person("News", "https://news.example/"),
            "entries": entries,
        }
        return FeedDocument(**{**values, **given})

    return make


@pytest.fixture(scope="session")
def parsed() -> Callable[[FeedDocument, Format], Any]:
    """What feedparser makes of our bytes; a document that it complains about fails the test."""

    def parse(document: FeedDocument, fmt: Format) -> Any:
        found = feedparser.parse(render(document, fmt))
        assert not found.bozo, found.bozo_exception
        return found

    return parse
