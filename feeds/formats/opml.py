"""A list of feeds that readers import (OPML 2.0)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime

from lxml import etree

from feeds.document.clean import clean_text, clean_time

CONTENT_TYPE = "text/x-opml; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Outline:
    """A feed: its title and language, its address and that of its page, and since when it exists."""

    title: str
    language: str
    feed_url: str
    page_url: str
    created: datetime | None = None


@dataclass(frozen=True, slots=True)
class Folder:
    """Feeds under a heading."""

    title: str
    outlines: Sequence[Outline]


def opml(
    title: str, site_url: str, modified: datetime, outlines: Sequence[Outline | Folder]
) -> bytes:
    """The document. Its outlines are of the type rss whatever the format, as the specification
    knows no other.
    """
    root = etree.Element("opml", version="2.0")
    head, body = etree.SubElement(root, "head"), etree.SubElement(root, "body")
    said = {
        "title": title,
        "dateModified": format_datetime(clean_time(modified)),
        "ownerName": title,
        "ownerId": site_url,
    }
    for name, value in said.items():
        etree.SubElement(head, name).text = clean_text(value)
    for outline in outlines:
        _add(body, outline)
    return etree.tostring(root, encoding="UTF-8", xml_declaration=True, pretty_print=True)


def _add(parent: etree._Element, outline: Outline | Folder) -> None:
    name = clean_text(outline.title)
    if isinstance(outline, Folder):
        folder = etree.SubElement(parent, "outline", text=name, title=name)
        for part in outline.outlines:
            _add(folder, part)
        return
    url, page = outline.feed_url, outline.page_url
    found = etree.SubElement(
        parent,
        "outline",
        type="rss",
        text=name,
        title=name,
        xmlUrl=url,
        htmlUrl=page,
        language=outline.language,
    )
    if outline.created:
        found.set("created", format_datetime(clean_time(outline.created)))
