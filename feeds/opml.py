"""A list of feeds that readers import (OPML 2.0)."""

from collections.abc import Sequence
from dataclasses import dataclass

from lxml import etree

from feeds.clean import clean_text

CONTENT_TYPE = "text/x-opml; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Outline:
    """A feed: its title and language, its address and that of its page."""

    title: str
    language: str
    feed_url: str
    page_url: str


def opml(title: str, outlines: Sequence[Outline]) -> bytes:
    """The document.  Its outlines are of the type rss whatever the format, as the specification knows no other."""
    root = etree.Element("opml", version="2.0")
    head, body = etree.SubElement(root, "head"), etree.SubElement(root, "body")
    etree.SubElement(head, "title").text = clean_text(title)
    for outline in outlines:
        name = clean_text(outline.title)
        url, page = outline.feed_url, outline.page_url
        etree.SubElement(body, "outline", type="rss", text=name, title=name, xmlUrl=url, htmlUrl=page, language=outline.language)
    return etree.tostring(root, encoding="UTF-8", xml_declaration=True, pretty_print=True)
