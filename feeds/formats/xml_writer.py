"""Atom 1.0 (RFC 4287) and RSS 2.0 by feedgen; each of its faults has a comment here and a test.

The head and each entry are written separately, so that unchanged entries need not be written again.
"""

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from feedgen.entry import FeedEntry as Item  # type: ignore[import-untyped]
from feedgen.feed import FeedGenerator  # type: ignore[import-untyped]
from lxml.etree import Element, SubElement, _Element, tostring

from feeds.document.entry_content import content_html, summary_html, title_of
from feeds.document.feed_document import FeedDocument, FeedEntry, Format, Person, Source, Tag
from feeds.formats.atom import AtomEntry, AtomHead, atom_source
from feeds.formats.namespaces import PREFIXES
from feeds.formats.rss import RssHead, RssItem, rss_source

GENERATOR = "Storywire"
VERSION = version("storywire")
MAX_ICON_PIXELS = 144  # that RSS allows
# Not a page but a name, equal on every site, so that one rule of a feed reader fits all sites.
IMPORTANCE_SCHEME = "urn:x-storywire:importance"


class AtomWriter:
    """Its arguments must be cleaned."""

    end = b"  </entry>\n"

    def entry(self, entry: FeedEntry, language: str, site: Person) -> bytes:  # noqa: ARG002
        """An entry without its end, for a document in ``language``."""
        item = _item(entry, AtomEntry, language)
        item.published(entry.published)
        return _written(item.atom_entry(), "feed").removesuffix(self.end)

    def source(self, source: Source) -> bytes:
        """The source element, which precedes the end of each entry of that stream."""
        return _written(atom_source(source), "feed", "entry")

    def whole(self, document: FeedDocument, entries: Sequence[bytes]) -> bytes:
        """The document with its written entries, each with its end."""
        head, root, tail = (
            _feed(document, Format.ATOM, AtomHead).atom_str(pretty=True).rpartition(b"</feed>")
        )
        return b"".join([head, *entries, root, tail])


class RssWriter:
    """Its arguments must be cleaned."""

    end = b"    </item>\n"

    def entry(self, entry: FeedEntry, language: str, site: Person) -> bytes:
        """An item without its end, for a document in ``language``."""
        item = _item(entry, RssItem, language)
        item.story.site = site
        return _written(item.rss_entry(), "rss", "channel").removesuffix(self.end)

    def source(self, source: Source) -> bytes:
        """The source element, which precedes the end of each item of that stream."""
        return _written(rss_source(source), "rss", "channel", "item")

    def whole(self, document: FeedDocument, entries: Sequence[bytes]) -> bytes:
        """The document with its written entries, each with its end."""
        feed = _feed(document, Format.RSS, RssHead)
        # feedgen sets a locale for all threads when it writes dates of RSS, so the extensions write
        # them instead.
        feed._FeedGenerator__rss_lastBuildDate = None
        head, root, tail = feed.rss_str(pretty=True).rpartition(b"  </channel>")
        return b"".join([head, *entries, root, tail])


def _feed(document: FeedDocument, fmt: Format, extension: type) -> Any:
    feed = FeedGenerator()
    feed.register_extension("story", extension)
    feed.story.document = document
    feed.id(document.id)
    feed.title(document.title)
    feed.subtitle(document.dek or document.title)  # RSS refuses a channel without a description
    feed.language(document.language)
    feed.updated(document.updated)  # feedgen's default is now, and no ETag would hold
    if document.rights:
        feed.rights(document.rights)
    feed.ttl(max(1, document.max_age // 60))  # minutes
    # The author of entries without a byline (RFC 4287 section 4.1.2).
    feed.author(_person(document.site))
    if document.contributors:
        feed.contributor([_person(person) for person in document.contributors])
    own = {"href": document.self_url(fmt), "rel": "self", "type": fmt.media_type}
    page = {"href": document.page_url, "rel": "alternate", "type": "text/html"}
    icon = document.icon_url(MAX_ICON_PIXELS)
    if fmt is Format.ATOM:
        feed.generator(GENERATOR, version=VERSION)
        feed.icon(icon)
        feed.logo(document.logo_url or document.icon_url(512))
        feed.link([page, own])  # some readers take the first link for the page
    else:
        feed.generator(f"{GENERATOR} {VERSION}")
        # RSS demands the channel's title and link for its image.
        feed.image(
            icon, document.title, document.page_url, str(MAX_ICON_PIXELS), str(MAX_ICON_PIXELS)
        )
        feed.link([own, page])  # last: RSS's own link is whichever came last
    return feed


def _item(entry: FeedEntry, extension: type, language: str) -> Any:
    item = Item()
    item.register_extension("story", extension)
    item.story.entry = entry
    item.story.language = language
    item.id(entry.id)
    item.title(title_of(entry))
    item.updated(entry.updated)
    item.link(href=entry.url)
    for image in entry.images[:1]:  # RSS allows one
        item.enclosure(image.url, str(image.length), image.media_type)
    if entry.authors:
        item.author([_person(person) for person in entry.authors])
    # type='html' suits both formats: Atom has no type CDATA, and without a type tags show as text.
    if summary := summary_html(entry):
        item.summary(summary, type="html")
    if content := content_html(entry):
        item.content(content, type="html")
    for tag in entry.tags:
        item.category(_category(tag))
    if entry.importance != "normal":
        item.category(term=entry.importance, scheme=IMPORTANCE_SCHEME)
    return item


def _written(element: _Element, *ancestors: str) -> bytes:
    """The element, indented as below these ancestors, without declarations of prefixes."""
    root = parent = Element(ancestors[0], nsmap=PREFIXES)
    for name in ancestors[1:]:
        parent = SubElement(parent, name)
    parent.append(element)
    depth = len(ancestors)
    whole: bytes = tostring(root, pretty_print=True, encoding="UTF-8")
    return whole.split(b"\n", depth)[depth].rsplit(b"\n", depth + 1)[0] + b"\n"


def _person(person: Person) -> dict[str, str]:
    # A new dictionary each time, since feedgen writes into it.
    return {"name": person.name, "uri": person.url} if person.url else {"name": person.name}


def _category(tag: Tag) -> dict[str, str]:
    # The term is the label, too: several readers show it, and RSS has nothing else.
    return {"term": tag.label, "scheme": tag.url.rpartition("/")[0] + "/", "label": tag.label}
