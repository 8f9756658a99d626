"""JSON Feed 1.1 (https://www.jsonfeed.org/version/1.1/); what it has no word for stands in
`_storywire`.
"""

import json
from collections.abc import Sequence
from typing import Any

from feeds.document.entry_content import content_html, link_of, title_of
from feeds.document.feed_document import FeedDocument, FeedEntry, Format, Image, Person, Source

VERSION = "https://jsonfeed.org/version/1.1"


class JsonWriter:
    """What it is given must be cleaned: a lone surrogate could not be encoded."""

    end = b"}"

    def entry(self, entry: FeedEntry, language: str, site: Person) -> bytes:
        """An item of a document in ``language``, without its end."""
        return _dumped(_item(entry, language, site)).removesuffix(self.end)

    def source(self, source: Source) -> bytes:
        """What comes before the end of that stream's items."""
        said = {
            "id": source.id,
            "title": source.title,
            "url": source.url,
            "feed_url": source.feed_url(Format.JSON),
        }
        return b', "_source": ' + _dumped(said)

    def whole(self, document: FeedDocument, entries: Sequence[bytes]) -> bytes:
        """The document of that head; ``entries`` are its own, each ended and on a line."""
        return (
            _dumped(_head(document)).removesuffix(b"}")
            + b', "items": [\n'
            + b",\n".join(entries)
            + b"\n]}\n"
        )


def _head(document: FeedDocument) -> dict[str, Any]:
    return _said(
        {
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
            "authors": _persons(document.contributors or (document.site,)),
            "hubs": [{"type": "WebSub", "url": hub} for hub in document.hubs],
            "_storywire": _said(
                {
                    "rights": document.rights,
                    "archive": document.archive,
                    "complete": document.complete,
                    "current_url": document.current_url(Format.JSON),
                    "withdrawn": [
                        _said(
                            {"id": gone.id, "when": gone.when.isoformat(), "comment": gone.comment}
                        )
                        for gone in document.tombstones
                    ],
                }
            ),
        }
    )


def _item(entry: FeedEntry, language: str, site: Person) -> dict[str, Any]:
    content = content_html(entry)
    raised = [] if entry.importance == "normal" else [entry.importance]
    item = {
        "id": entry.id,
        "url": entry.url,
        "external_url": link_of(entry),
        "title": title_of(entry),
        "summary": entry.dek.strip(),
        "content_html": content,
        "image": entry.images[0].url if entry.images else None,
        "date_published": entry.published.isoformat(),
        "date_modified": entry.updated.isoformat(),
        # Without its own authors an item inherits the feed's, here the contributors, who did not
        # all write it.
        "authors": _persons(entry.authors or (site,)),
        "tags": [tag.label for tag in entry.tags] + raised,
        "language": entry.language if entry.language != language else None,
        "attachments": [_attachment(image) for image in entry.images],
        "_storywire": {"importance": entry.importance} if raised else None,
    }
    found = _said(item)
    return found if content else {**found, "content_text": ""}  # one of the two must be there


def _attachment(image: Image) -> dict[str, Any]:
    own = {"credit": image.credit} if image.credit else None
    said = {
        "url": image.url,
        "mime_type": image.media_type,
        "size_in_bytes": image.length,
        "title": image.alt,
        "_storywire": own,
    }
    return _said(said)


def _persons(people: tuple[Person, ...]) -> list[dict[str, str]]:
    return [_said({"name": person.name, "url": person.url}) for person in people]


def _said(values: dict[str, Any]) -> dict[str, Any]:
    """Without what is empty, false or unknown."""
    return {key: value for key, value in values.items() if value}


def _dumped(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()
