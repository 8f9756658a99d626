"""Elements of other XML namespaces, which Atom and RSS share.

feedgen's own elements have no namespace for lxml: in Atom xmlns is a plain attribute.
"""

from collections.abc import Iterable, Iterator

from lxml.etree import Comment, SubElement, _Element

from feeds.document.feed_document import FeedDocument, Format, Image

ATOM = "http://www.w3.org/2005/Atom"
CONTENT = "http://purl.org/rss/1.0/modules/content/"
DC = "http://purl.org/dc/elements/1.1/"
HISTORY = "http://purl.org/syndication/history/1.0"  # RFC 5005
MEDIA = "http://search.yahoo.com/mrss/"
SYNDICATION = "http://purl.org/rss/1.0/modules/syndication/"
TOMBSTONES = "http://purl.org/atompub/tombstones/1.0"  # RFC 6721
XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"

PREFIXES = {
    "atom": ATOM,
    "content": CONTENT,
    "dc": DC,
    "fh": HISTORY,
    "media": MEDIA,
    "sy": SYNDICATION,
    "at": TOMBSTONES,
}


def prefixes(document: FeedDocument, fmt: Format) -> dict[str, str]:
    """The prefixes in use; validators warn of unused ones."""
    used = {
        "media": any(entry.images for entry in document.entries),
        "fh": document.archive or document.complete,
    }
    if fmt is Format.ATOM:
        used["at"] = bool(document.tombstones)
    else:
        used |= {"sy": True, "dc": bool(document.entries or document.contributors)}
    return {prefix: PREFIXES[prefix] for prefix, is_used in used.items() if is_used}


def links(document: FeedDocument, fmt: Format) -> Iterator[dict[str, str]]:
    """The links of the head that feedgen leaves out: hubs and archives (RFC 5005 section 4)."""
    for hub in document.hubs:
        yield {"rel": "hub", "href": hub}
    older = document.previous_url(fmt)
    newest = document.current_url(fmt)
    for rel, href in (("next", older), ("prev-archive", older), ("current", newest)):
        if href:
            yield {"rel": rel, "href": href, "type": fmt.media_type}


def add_comment(root: _Element, document: FeedDocument) -> None:
    """Explain the feed to a person who opens it in a browser."""
    root.addprevious(Comment(f" {document.browser_hint} "))


def add_history(head: _Element, document: FeedDocument) -> None:
    """Mark an archive or a complete feed (RFC 5005 sections 2 and 4)."""
    if document.archive:
        SubElement(head, f"{{{HISTORY}}}archive")
    elif document.complete:
        SubElement(head, f"{{{HISTORY}}}complete")


def add_media(entry: _Element, images: Iterable[Image]) -> None:
    """Add pictures with description and credit (Media RSS), which feedgen's extension lacks."""
    for image in images:
        content = SubElement(
            entry,
            f"{{{MEDIA}}}content",
            url=image.url,
            type=image.media_type,
            medium="image",
            fileSize=str(image.length),
            width=str(image.width),
            height=str(image.height),
        )
        if image.alt:
            SubElement(content, f"{{{MEDIA}}}description", type="plain").text = image.alt
        if image.credit:
            SubElement(content, f"{{{MEDIA}}}credit").text = image.credit
        if small := image.thumbnail:
            SubElement(
                content,
                f"{{{MEDIA}}}thumbnail",
                url=small.url,
                width=str(small.width),
                height=str(small.height),
            )
