"""JSON Feed 1.1 (https://www.jsonfeed.org/version/1.1/); `_storywire` has what it cannot say."""

import json
from collections.abc import Sequence
from typing import Any

from feeds.document.entry_content import content_html, link_of, title_of
from feeds.document.feed_document import FeedDocument, FeedEntry, Format, Image, Person, Source

VERSION = "https://jsonfeed.org/version/1.1"


class JsonWriter:
    """Its arguments must be cleaned: a lone surrogate could not be encoded."""

    end = b"}"

    def entry(self, entry: FeedEntry, language: str, site: Person) -> bytes:
        """An item without its end, for a document in ``language``."""
        return _to_json(_item(entry, language, site)).removesuffix(self.end)

    def source(self, source: Source) -> bytes:
        """The source, which precedes the end of each item of that stream."""
        fields = {
            "id": source.id,
            "title": source.title,
            "url": source.url,
            "feed_url": source.feed_url(Format.JSON),
        }
        return b', "_source": ' + _to_json(fields)

    def whole(self, document: FeedDocument, entries: Sequence[bytes]) -> bytes:
        """The document with its written entries, each with its end and on a line."""
        head = _to_json(_head(document)).removesuffix(b"}")
        return head + b', "items": [\n' + b",\n".join(entries) + b"\n]}\n"


def _head(document: FeedDocument) -> dict[str, Any]:
    withdrawn = []
    for tombstone in document.tombstones:
        when = tombstone.when.isoformat()
        fields = {"id": tombstone.id, "when": when, "comment": tombstone.comment}
        withdrawn.append(_without_empty(fields))
    own = {
        "rights": document.rights,
        "archive": document.archive,
        "complete": document.complete,
        "current_url": document.current_url(Format.JSON),
        "withdrawn": withdrawn,
    }
    head = {
        "version": VERSION,
        "title": document.title,
        "home_page_url": document.page_url,
        "feed_url": document.self_url(Format.JSON),
        "description": document.dek,
        "user_comment": document.browser_hint,
        "next_url": document.previous_url(Format.JSON),
        "icon": document.icon_url(512),
        "favicon": document.icon_url(64),
        "language": document.language,
        "authors": _authors(document.contributors or (document.site,)),
        "hubs": [{"type": "WebSub", "url": hub} for hub in document.hubs],
        "_storywire": _without_empty(own),
    }
    return _without_empty(head)


def _item(entry: FeedEntry, language: str, site: Person) -> dict[str, Any]:
    content = content_html(entry)
    tags = [tag.label for tag in entry.tags]
    own = {}
    if entry.importance != "normal":
        tags.append(entry.importance)
        own["importance"] = entry.importance
    fields = {
        "id": entry.id,
        "url": entry.url,
        "external_url": link_of(entry),
        "title": title_of(entry),
        "summary": entry.dek.strip(),
        "content_html": content,
        "image": entry.images[0].url if entry.images else None,
        "date_published": entry.published.isoformat(),
        "date_modified": entry.updated.isoformat(),
        # Without its own authors an item inherits the feed's, that is all contributors.
        "authors": _authors(entry.authors or (site,)),
        "tags": tags,
        "language": entry.language if entry.language != language else None,
        "attachments": [_attachment(image) for image in entry.images],
        "_storywire": own,
    }
    item = _without_empty(fields)
    if not content:
        item["content_text"] = ""  # JSON Feed requires one of the two
    return item


def _attachment(image: Image) -> dict[str, Any]:
    fields = {
        "url": image.url,
        "mime_type": image.media_type,
        "size_in_bytes": image.length,
        "title": image.alt,
        "_storywire": _without_empty({"credit": image.credit}),
    }
    return _without_empty(fields)


def _authors(people: tuple[Person, ...]) -> list[dict[str, str]]:
    return [_without_empty({"name": person.name, "url": person.url}) for person in people]


def _without_empty(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields that are not empty, false or unknown."""
    return {key: value for key, value in fields.items() if value}


def _to_json(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, ensure_ascii=False).encode()
