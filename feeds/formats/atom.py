"""What feedgen cannot write in Atom, added to its trees while it builds them."""

from lxml.etree import Element, SubElement, _Element

from feeds.document.entry_content import link_of
from feeds.document.feed_document import FeedDocument, FeedEntry, Format, Source
from feeds.formats.namespaces import (
    TOMBSTONES,
    XML_LANG,
    add_comment,
    add_history,
    add_media,
    links,
    prefixes,
)


class AtomHead:
    """An extension of feedgen's feed; ``document`` is set before feedgen writes."""

    document: FeedDocument

    def extend_ns(self) -> dict[str, str]:
        return prefixes(self.document, Format.ATOM)

    def extend_atom(self, feed: _Element) -> _Element:
        add_comment(feed, self.document)
        for link in links(self.document, Format.ATOM):
            SubElement(feed, "link", link)
        add_history(feed, self.document)
        for gone in self.document.tombstones:
            deleted = SubElement(
                feed, f"{{{TOMBSTONES}}}deleted-entry", ref=gone.id, when=gone.when.isoformat()
            )
            if gone.comment:
                SubElement(deleted, f"{{{TOMBSTONES}}}comment").text = gone.comment
        return feed


class AtomEntry:
    """An extension of feedgen's entry; ``entry`` and ``language``, the document's, are set before
    feedgen writes.
    """

    entry: FeedEntry
    language: str

    def extend_atom(self, element: _Element) -> _Element:
        """feedgen loses rel and type of each link, which makes every one an alternate: write them
        again.
        """
        for link in element.findall("link"):
            element.remove(link)
        SubElement(element, "link", href=self.entry.url, rel="alternate", type="text/html")
        related = link_of(self.entry)
        if related:
            SubElement(element, "link", href=related, rel="related")
        for image in self.entry.images:
            link = SubElement(
                element,
                "link",
                href=image.url,
                rel="enclosure",
                type=image.media_type,
                length=str(image.length),
            )
            if image.alt:
                link.set("title", image.alt)
        add_media(element, self.entry.images)
        if self.entry.language != self.language:
            element.set(XML_LANG, self.entry.language)
        return element


def atom_source(source: Source) -> _Element:
    """Where an entry of a mixed feed comes from (RFC 4287 section 4.2.11); feedgen's own lacks id
    and date.
    """
    element = Element("source")
    SubElement(element, "id").text = source.id
    SubElement(element, "title").text = source.title
    SubElement(element, "updated").text = source.updated.isoformat()
    SubElement(element, "link", href=source.url, rel="alternate", type="text/html")
    SubElement(
        element, "link", href=source.feed_url(Format.ATOM), rel="self", type=Format.ATOM.media_type
    )
    return element
