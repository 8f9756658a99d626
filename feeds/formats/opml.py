"""OPML 2.0: a list of feeds that feed readers import."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime

from lxml import etree

from feeds.document.clean import clean_text, clean_time

CONTENT_TYPE = "text/x-opml; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Outline:
    title: str
    language: str
    feed_url: str
    page_url: str
    created: datetime | None = None


@dataclass(frozen=True, slots=True)
class Folder:
    title: str
    outlines: Sequence[Outline]


def opml(
    title: str, site_url: str, modified: datetime, outlines: Sequence[Outline | Folder]
) -> bytes:
    """The document.  Its outlines have the type rss in any format, as OPML has no other."""
    root = etree.Element("opml", version="2.0")
    head = etree.SubElement(root, "head")
    etree.SubElement(head, "title").text = clean_text(title)
    etree.SubElement(head, "dateModified").text = format_datetime(clean_time(modified))
    etree.SubElement(head, "ownerName").text = clean_text(title)
    etree.SubElement(head, "ownerId").text = clean_text(site_url)
    body = etree.SubElement(root, "body")
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
    element = etree.SubElement(
        parent,
        "outline",
        type="rss",
        text=name,
        title=name,
        xmlUrl=outline.feed_url,
        htmlUrl=outline.page_url,
        language=outline.language,
    )
    if outline.created:
        element.set("created", format_datetime(clean_time(outline.created)))
