"""What feedgen cannot write, added to its trees while it builds them.

feedgen asks three methods of a feed's extension and the last two of an entry's.  It hands in the root of the feed before
the entries hang on it, and each entry by itself.  Its Atom elements have no namespace of lxml's (xmlns is a plain
attribute), its RSS ones never had one.
"""

from lxml.etree import SubElement, _Element

from feeds.content import link_of
from feeds.document import FeedDocument, FeedEntry, Format

ATOM_NS = "http://www.w3.org/2005/Atom"
DC_NS = "http://purl.org/dc/elements/1.1/"
XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"


class FeedExtension:
    """Feed level; ``document`` is set before feedgen writes."""

    document: FeedDocument

    def extend_ns(self) -> dict[str, str]:
        """Prefixes of the RSS root: only those in use, validators warn of others."""
        return {"dc": DC_NS} if _speaks_dublin_core(self.document) else {}

    def extend_atom(self, feed: _Element) -> _Element:
        return feed

    def extend_rss(self, rss: _Element) -> _Element:
        """feedgen writes rel=self only; hubs and contributors are missing."""
        channel = rss[0]
        for hub in self.document.hubs:
            SubElement(channel, f"{{{ATOM_NS}}}link", href=hub, rel="hub")
        for person in self.document.contributors:
            SubElement(channel, f"{{{DC_NS}}}contributor").text = person.name
        return rss


class AtomFeedExtension(FeedExtension):
    """The same for Atom, which needs no prefix."""

    def extend_ns(self) -> dict[str, str]:
        return {}


class EntryExtension:
    """Entry level; ``entry`` is set before feedgen writes."""

    document: FeedDocument
    entry: FeedEntry

    def extend_atom(self, element: _Element) -> _Element:
        """feedgen loses rel and type of each link, which makes every one an alternate: write them again."""
        for link in element.findall("link"):
            element.remove(link)
        SubElement(element, "link", href=self.entry.url, rel="alternate", type="text/html")
        related = link_of(self.entry)
        if related:
            SubElement(element, "link", href=related, rel="related")
        if self.entry.language != self.document.language:
            element.set(XML_LANG, self.entry.language)
        return element

    def extend_rss(self, item: _Element) -> _Element:
        """Bylines without e-mail (RSS's own author demands one), the entry's language, and when it last changed."""
        for person in self.entry.authors:
            SubElement(item, f"{{{DC_NS}}}creator").text = person.name
        if self.entry.language != self.document.language:
            SubElement(item, f"{{{DC_NS}}}language").text = self.entry.language
        SubElement(item, f"{{{ATOM_NS}}}updated").text = self.entry.updated.isoformat()
        return item


def feed_extension(fmt: Format) -> type[FeedExtension]:
    """The class to register for that format."""
    return AtomFeedExtension if fmt is Format.ATOM else FeedExtension


def _speaks_dublin_core(document: FeedDocument) -> bool:
    return bool(document.contributors) or any(entry.authors or entry.language != document.language for entry in document.entries)
