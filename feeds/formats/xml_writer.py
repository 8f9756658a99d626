"""Atom 1.0 (RFC 4287) and RSS 2.0 by feedgen; what it gets wrong is told beside each remedy and
pinned by a test.

feedgen writes the head and each entry by itself, so that an entry need not be written again with
every other one.
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

GENERATOR, VERSION = "Storywire", version("storywire")
ICON_PIXELS = 144  # the widest that RSS allows
# Not a page: a name that is the same on every site, so that one rule of a reader fits all.
IMPORTANCE_SCHEME = "urn:x-storywire:importance"


class AtomWriter:
    """What it is given must be cleaned."""

    end = b"  </entry>\n"

    def entry(self, entry: FeedEntry, language: str, site: Person) -> bytes:  # noqa: ARG002  # Atom names the site in the head
        """An entry of a document in ``language``, without its end."""
        item = _item(entry, AtomEntry, language)
        item.published(entry.published)
        return _written(item.atom_entry(), "feed").removesuffix(self.end)

    def source(self, source: Source) -> bytes:
        """What comes before the end of that stream's entries."""
        return _written(atom_source(source), "feed", "entry")

    def whole(self, document: FeedDocument, entries: Sequence[bytes]) -> bytes:
        """The document of that head; ``entries`` are its own, each ended."""
        head, root, tail = (
            _feed(document, Format.ATOM, AtomHead).atom_str(pretty=True).rpartition(b"</feed>")
        )
        return b"".join([head, *entries, root, tail])


class RssWriter:
    """What it is given must be cleaned."""

    end = b"    </item>\n"

    def entry(self, entry: FeedEntry, language: str, site: Person) -> bytes:
        """An item of a document in ``language``, without its end."""
        item = _item(entry, RssItem, language)
        item.story.site = site
        return _written(item.rss_entry(), "rss", "channel").removesuffix(self.end)

    def source(self, source: Source) -> bytes:
        """What comes before the end of that stream's items."""
        return _written(rss_source(source), "rss", "channel", "item")

    def whole(self, document: FeedDocument, entries: Sequence[bytes]) -> bytes:
        """The document of that head; ``entries`` are its own, each ended."""
        feed = _feed(document, Format.RSS, RssHead)
        # feedgen writes dates of RSS under a locale that it sets for all threads, so the extensions
        # write them instead.
        feed._FeedGenerator__rss_lastBuildDate = None
        head, root, tail = feed.rss_str(pretty=True).rpartition(b"  </channel>")
        return b"".join([head, *entries, root, tail])


def _feed(document: FeedDocument, fmt: Format, extension: type) -> Any:
    """The head for feedgen to write."""
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
    # the author of entries without a byline (RFC 4287 section 4.1.2)
    feed.author(_person(document.site))
    if document.contributors:
        feed.contributor([_person(person) for person in document.contributors])
    own = {"href": document.self_url(fmt), "rel": "self", "type": fmt.media_type}
    page = {"href": document.page_url, "rel": "alternate", "type": "text/html"}
    icon = document.icon_url(ICON_PIXELS)
    if fmt is Format.ATOM:
        feed.generator(GENERATOR, version=VERSION)
        feed.icon(icon)
        feed.logo(document.logo_url or document.icon_url(512))
        feed.link([page, own])  # some readers take the first link for the page
    else:
        feed.generator(f"{GENERATOR} {VERSION}")
        # Title and link are the channel's (RSS 2.0, image).
        feed.image(icon, document.title, document.page_url, str(ICON_PIXELS), str(ICON_PIXELS))
        feed.link([own, page])  # last: RSS's own link is whichever came last
    return feed


def _item(entry: FeedEntry, extension: type, language: str) -> Any:
    """The entry for feedgen to write."""
    item = Item()
    item.register_extension("story", extension)
    item.story.entry, item.story.language = entry, language
    item.id(entry.id)
    item.title(title_of(entry))
    item.updated(entry.updated)
    item.link(href=entry.url)
    for image in entry.images[:1]:  # RSS bears one
        item.enclosure(image.url, str(image.length), image.media_type)
    if entry.authors:
        item.author([_person(person) for person in entry.authors])
    # type='html' is the one that suits both: CDATA is no type of Atom's, none at all would show
    # tags as text.
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
    """The element as it stands, indented, in a document whose root declares all prefixes."""
    root = parent = Element(ancestors[0], nsmap=PREFIXES)
    for name in ancestors[1:]:
        parent = SubElement(parent, name)
    parent.append(element)
    depth = len(ancestors)
    whole: bytes = tostring(root, pretty_print=True, encoding="UTF-8")
    return whole.split(b"\n", depth)[depth].rsplit(b"\n", depth + 1)[0] + b"\n"


def _person(person: Person) -> dict[str, str]:
    # A new dictionary each time, since feedgen writes into the caller's.  Never an e-mail address.
    return {"name": person.name, "uri": person.url} if person.url else {"name": person.name}


def _category(tag: Tag) -> dict[str, str]:
    # Several readers show the term of Atom, and RSS has nothing but the label; all tags are of one
    # scheme.
    return {"term": tag.label, "scheme": tag.url.rpartition("/")[0] + "/", "label": tag.label}
