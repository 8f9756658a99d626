"""Builders of feed values, and readers of what we write."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import feedparser
import pytest

from feeds.cache.renderer import Renderer
from feeds.document.feed_document import (
    FeedDocument,
    FeedEntry,
    Format,
    Image,
    Note,
    Person,
    Source,
    Tag,
    Tombstone,
)

render = Renderer()

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


@pytest.fixture(scope="session")
def documents(make_document: MakeDocument, make_entry: MakeEntry) -> dict[str, FeedDocument]:
    """One of every kind, by name; `full` has everything at once but what cannot be together."""
    archive, newest = (
        "https://news.example/streams/flood/archive/50-1/",
        "https://news.example/streams/flood/",
    )
    people = (Person("Ines Ölander", "https://news.example/contributors/ines"), Person("Jory & Co"))
    tags = (
        Tag("key", "Key facts", "https://news.example/tags/key"),
        Tag("río", "Río", "https://news.example/tags/r%C3%ADo"),
    )
    bridge = Image(
        "https://news.example/media/a.jpeg",
        "image/jpeg",
        81_234,
        1200,
        800,
        'The "old" bridge',
        "Ines & <Co>",
    )
    bare = Image("https://news.example/media/b.png?a=1&b=2", "image/png", 0, 1, 1)
    said = {
        "dek": "Less < more",
        "content_html": '<p>First <a href="https://x.example/?a=1&amp;b=2">a</a>.</p>',
        "authors": people,
    }
    rich = make_entry(
        "e2",
        **said,
        tags=tags,
        importance="key",
        link="https://x.example/",
        notes=(Note("Correction", "1 < 2"), Note("Update", "2 > 1")),
        language="uk",
    )
    hostile = {
        "title": "]]> <b>&amp; \x00\ud800\ufffe نهر",
        "dek": "<script>alert(1)</script>",
        "content_html": "<p>]]&gt; \x1b 🌊</p>",
    }
    source = Source(
        "tag:news.example,2026:flood", "Flood & fire", "https://news.example/streams/flood", NOON
    )
    pictured = make_entry("e3", **said, images=(bridge, bare), stream=source.id)
    gone = (
        Tombstone("tag:news.example,2026:e9", NOON, "Wrong <place>"),
        Tombstone("tag:news.example,2026:e8", NOON),
    )
    return {
        "empty": make_document(),
        "complete": make_document(make_entry(), complete=True, dek="As it rises"),
        "quiet": make_document(make_entry(language="uk"), max_age=900),
        "hostile": make_document(
            make_entry(**hostile, link="javascript:alert(1)", authors=(Person("\x07A<b>"),)),
            **{"title": "<&>\x00"},
        ),
        "archive": make_document(
            rich,
            archive=True,
            max_age=30 * 86_400,
            folder_url=f"{newest}archive/100-2/",
            previous_folder_url=archive,
            current_folder_url=newest,
        ),
        "withdrawn": make_document(
            make_entry("e9", title="Retracted", dek="Wrong place"), tombstones=gone
        ),
        "full": make_document(
            pictured,
            rich,
            make_entry(),
            dek="What we know",
            contributors=people,
            sources=(source,),
            tombstones=gone,
            hubs=("https://hub.example/", "https://hub2.example/?a=1&b=2"),
            previous_folder_url=archive,
        ),
    }
