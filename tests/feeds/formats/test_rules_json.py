"""JSON Feed 1.1, rule by rule; each rule must also fail on a broken feed."""

import json
import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import pytest

from feeds.cache.renderer import Renderer
from feeds.document.feed_document import Format
from tests.support.broken_feeds import twice

render = Renderer()

Feed = dict[str, Any]
FEED = {"version", "title", "home_page_url", "feed_url", "description", "user_comment",
        "next_url", "icon", "favicon", "authors",
        "language", "expired", "hubs", "items"}  # fmt: skip
ITEM = {"id", "url", "external_url", "title", "content_html", "content_text", "summary", "image",
        "banner_image", "date_published",
        "date_modified", "authors", "tags", "language", "attachments"}  # fmt: skip
AUTHOR, ATTACHMENT = (
    {"name", "url", "avatar"},
    {"url", "mime_type", "title", "size_in_bytes", "duration_in_seconds"},
)
DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
TAG = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")


def every(feed: Feed, key: str) -> list:
    """The values of that key in the feed and its items."""
    return [place[key] for place in (feed, *feed["items"]) if key in place]


def own(place: Feed) -> set[str]:
    return {key for key in place if not re.fullmatch(r"_[A-Za-z].*", key)}


def addresses(value: Any) -> Iterator[str]:
    """Whatever a key says is one, however deep."""
    if isinstance(value, list):
        for part in value:
            yield from addresses(part)
    if isinstance(value, dict):
        yield from (part for key, part in value.items() if key.endswith("url") or key == "image")
        for part in value.values():
            yield from addresses(part)


def attachments(feed: Feed) -> list[Feed]:
    return [found for item in feed["items"] for found in item.get("attachments", [])]


def change(*path: str | int, **values: Any) -> Callable[[Feed], None]:
    def spoil(feed: Feed) -> None:
        for step in path:
            feed = feed[step]
        feed.update(values)

    return spoil


# What it says, what finds breaches of it, and what breaks it.
RULES: list[tuple[str, Callable[[Feed], object], Callable[[Feed], object]]] = [
    (
        "version is the address of the specification",
        lambda feed: feed["version"] != "https://jsonfeed.org/version/1.1",
        change(version="1.1"),
    ),
    (
        "the title is a text",
        lambda feed: not (isinstance(feed.get("title"), str) and feed["title"].strip()),
        change(title=" "),
    ),
    (
        "items is a list, though it be empty",
        lambda feed: not isinstance(feed["items"], list),
        change(items={}),
    ),
    (
        "addresses are absolute",
        lambda feed: [url for url in addresses(feed) if not re.fullmatch(r"https?://\S+", url)],
        change("items", 0, url="/e1"),
    ),
    (
        "the feed says where it and its page lie",
        lambda feed: not {"feed_url", "home_page_url"} <= set(feed),
        lambda feed: feed.pop("feed_url"),
    ),
    (
        "next_url is not feed_url",
        lambda feed: feed.get("next_url") == feed["feed_url"],
        change(next_url="https://news.example/streams/flood/feed.json"),
    ),
    (
        "an item has an id, a text that is not empty",
        lambda feed: [i for i in feed["items"] if not (isinstance(i.get("id"), str) and i["id"])],
        change("items", 0, id=7),
    ),
    (
        "no two items have the same id",
        lambda feed: twice(str(item["id"]) for item in feed["items"]),
        lambda feed: feed["items"].append(feed["items"][0]),
    ),
    (
        "an item has content_html or content_text, a text",
        lambda feed: [
            i
            for i in feed["items"]
            if not isinstance(i.get("content_html", i.get("content_text")), str)
        ],
        lambda feed: feed["items"][0].pop("content_html"),
    ),
    (
        "titles, summaries and descriptions are texts that say something",
        lambda feed: [
            v
            for key in ("title", "summary", "description")
            for v in every(feed, key)
            if not v.strip()
        ],
        change(description=""),
    ),
    (
        "dates are RFC 3339's, with a zone",
        lambda feed: [
            v
            for key in ("date_published", "date_modified")
            for v in every(feed, key)
            if not DATE.fullmatch(v)
        ],
        change("items", 0, date_modified="2026-03-14 12:00"),
    ),
    (
        "an author is an object with a name, an address or a picture",
        lambda feed: [
            a for group in every(feed, "authors") for a in group if not set(a) or set(a) - AUTHOR
        ],
        change("authors", 0, email="ines@news.example"),
    ),
    (
        "1.0's single author is gone",
        lambda feed: every(feed, "author"),
        change("items", 0, author={"name": "A"}),
    ),
    (
        "tags are texts",
        lambda feed: [tag for tags in every(feed, "tags") for tag in tags if not tag.strip()],
        change("items", 1, tags=[" "]),
    ),
    (
        "languages are language tags",
        lambda feed: [tag for tag in every(feed, "language") if not TAG.fullmatch(tag)],
        change(language="English"),
    ),
    (
        "an item repeats no language but another one",
        lambda feed: [i for i in feed["items"] if i.get("language") == feed["language"]],
        change("items", 0, language="en"),
    ),
    (
        "a hub has a type and an address",
        lambda feed: [hub for hub in feed.get("hubs", []) if set(hub) != {"type", "url"}],
        lambda feed: feed["hubs"][0].pop("type"),
    ),
    (
        "an attachment has an address and a media type",
        lambda feed: [
            a for a in attachments(feed) if not {"url", "mime_type"} <= own(a) <= ATTACHMENT
        ],
        lambda feed: attachments(feed)[0].pop("mime_type"),
    ),
    (
        "its size is a number of bytes",
        lambda feed: [
            a for a in attachments(feed) if not isinstance(a.get("size_in_bytes", 0), int)
        ],
        lambda feed: attachments(feed)[0].update(size_in_bytes="1"),
    ),
    (
        "expired is said of a feed that is over for good, by true",
        lambda feed: feed.get("expired", True) is not True,
        change(expired="yes"),
    ),
    (
        (
            "it has no other keys than the specification's and our own, which begin with an"
            " underscore and a letter"
        ),
        lambda feed: own(feed) - FEED or [i for i in feed["items"] if own(i) - ITEM],
        change("items", 0, link="x"),
    ),
    (
        "our own keys hold objects",
        lambda feed: [
            v
            for place in (feed, *feed["items"])
            for key, v in place.items()
            if key[0] == "_" and not isinstance(v, dict)
        ],
        change(_storywire=1),
    ),
]


@pytest.fixture(scope="module")
def written(documents) -> dict[str, Feed]:
    return {name: json.loads(render(document, Format.JSON)) for name, document in documents.items()}


@pytest.mark.parametrize(
    ("faults", "spoil"), [rule[1:] for rule in RULES], ids=[rule[0] for rule in RULES]
)
def test_every_feed_keeps_the_rule(written, faults, spoil):
    for name, feed in written.items():
        assert not faults(feed), name
    broken = deepcopy(written["full"])
    spoil(broken)
    assert faults(broken)


def test_feeds_of_stored_entries_keep_every_rule(stored_documents):
    for topic, document in stored_documents.items():
        feed = json.loads(render(document, Format.JSON))
        broken = [rule for rule, check, _ in RULES if check(feed)]
        assert broken == [], topic
