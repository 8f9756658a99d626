"""Extensions of feedgen: the parts of Atom that it cannot write."""

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
    """Extends feedgen's feed.  ``document`` is set before feedgen writes."""

    document: FeedDocument

    def extend_ns(self) -> dict[str, str]:
        return prefixes(self.document, Format.ATOM)

    def extend_atom(self, feed: _Element) -> _Element:
        add_comment(feed, self.document)
        for link in links(self.document, Format.ATOM):
            SubElement(feed, "link", link)
        add_history(feed, self.document)
        for tombstone in self.document.tombstones:
            when = tombstone.when.isoformat()
            deleted = SubElement(
                feed, f"{{{TOMBSTONES}}}deleted-entry", ref=tombstone.id, when=when
            )
            if tombstone.comment:
                SubElement(deleted, f"{{{TOMBSTONES}}}comment").text = tombstone.comment
        return feed


class AtomEntry:
    """Extends feedgen's entry.  Its fields are set before feedgen writes."""

    entry: FeedEntry
    language: str  # of the document

    def extend_atom(self, element: _Element) -> _Element:
        """Write the links again, since feedgen loses their rel and type."""
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
    """The stream of an entry (RFC 4287 section 4.2.11); feedgen's own source lacks id and date."""
    element = Element("source")
    SubElement(element, "id").text = source.id
    SubElement(element, "title").text = source.title
    SubElement(element, "updated").text = source.updated.isoformat()
    SubElement(element, "link", href=source.url, rel="alternate", type="text/html")
    SubElement(
        element, "link", href=source.feed_url(Format.ATOM), rel="self", type=Format.ATOM.media_type
    )
    return element
