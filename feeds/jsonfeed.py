"""JSON Feed 1.1 (https://www.jsonfeed.org/version/1.1/)."""

import json
from typing import Any

from feeds.content import content_html, link_of, title_of
from feeds.document import FeedDocument, FeedEntry, Format, Person

VERSION = "https://jsonfeed.org/version/1.1"


def render_json(document: FeedDocument) -> bytes:
    """``document`` must be cleaned: a lone surrogate could not be encoded."""
    feed = {
        "version": VERSION,
        "title": document.title,
        "home_page_url": document.page_url,
        "feed_url": document.self_url(Format.JSON),
        "description": document.dek,
        "language": document.language,
        "authors": _persons(document.contributors or (document.site,)),
        "hubs": [{"type": "WebSub", "url": hub} for hub in document.hubs],
    }
    feed = {key: value for key, value in feed.items() if value}
    feed["items"] = [_item(entry, document) for entry in document.entries]
    return json.dumps(feed, ensure_ascii=False, indent=1).encode()


def _item(entry: FeedEntry, document: FeedDocument) -> dict[str, Any]:
    content = content_html(entry)
    raised = [] if entry.importance == "normal" else [entry.importance]
    item = {
        "id": entry.id,
        "url": entry.url,
        "external_url": link_of(entry),
        "title": title_of(entry),
        "summary": entry.dek.strip(),
        "content_html": content,
        "date_published": entry.published.isoformat(),
        "date_modified": entry.updated.isoformat(),
        # Without its own authors an item inherits the feed's, here the contributors, who did not all write it.
        "authors": _persons(entry.authors or (document.site,)),
        "tags": [tag.label for tag in entry.tags] + raised,
        "language": entry.language if entry.language != document.language else None,
        "_storywire": {"importance": entry.importance} if raised else None,
    }
    found = {key: value for key, value in item.items() if value}
    return found if content else {**found, "content_text": ""}  # one of the two must be there


def _persons(people: tuple[Person, ...]) -> list[dict[str, str]]:
    return [{"name": person.name, "url": person.url} if person.url else {"name": person.name} for person in people]
