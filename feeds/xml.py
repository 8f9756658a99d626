"""Atom 1.0 (RFC 4287) and RSS 2.0 by feedgen; what it gets wrong is told beside each remedy and pinned by a test."""

from typing import Any

from feedgen.feed import FeedGenerator  # type: ignore[import-untyped]

from feeds.content import content_html, summary_html, title_of
from feeds.document import FeedDocument, FeedEntry, Format, Person, Tag
from feeds.extension import EntryExtension, feed_extension

GENERATOR = "Storywire"
# Not a page: a name that is the same on every site, so that one rule of a reader fits all.
IMPORTANCE_SCHEME = "urn:x-storywire:importance"


def render_atom(document: FeedDocument) -> bytes:
    """``document`` must be cleaned."""
    return _generator(document, Format.ATOM).atom_str(pretty=True)  # type: ignore[no-any-return]


def render_rss(document: FeedDocument) -> bytes:
    """``document`` must be cleaned."""
    return _generator(document, Format.RSS).rss_str(pretty=True)  # type: ignore[no-any-return]


def _generator(document: FeedDocument, fmt: Format) -> Any:
    feed = FeedGenerator()
    feed.register_extension("story", feed_extension(fmt), EntryExtension)
    feed.story.document = document
    feed.id(document.id)
    feed.title(document.title)
    feed.subtitle(document.dek or document.title)  # RSS refuses a channel without a description
    feed.language(document.language)
    feed.updated(document.updated)  # feedgen's default is now, and no ETag would hold
    feed.generator(GENERATOR)
    feed.ttl(max(1, document.max_age // 60))  # minutes
    feed.author(_person(document.site))  # the author of entries without a byline (RFC 4287 section 4.1.2)
    if document.contributors:
        feed.contributor([_person(person) for person in document.contributors])
    feed.link(href=document.self_url(fmt), rel="self", type=fmt.media_type)
    for hub in document.hubs:
        feed.link(href=hub, rel="hub")
    feed.link(href=document.page_url, rel="alternate", type="text/html")  # last: RSS's own link is whichever came last
    for entry in document.entries:
        _fill(feed.add_entry(order="append"), entry, document)  # by default it turns the order round
    return feed


def _fill(item: Any, entry: FeedEntry, document: FeedDocument) -> None:
    item.story.entry, item.story.document = entry, document
    item.id(entry.id)
    item.title(title_of(entry))
    item.published(entry.published)
    item.updated(entry.updated)
    item.link(href=entry.url)
    if entry.authors:
        item.author([_person(person) for person in entry.authors])
    # type='html' is the one that suits both: CDATA is no type of Atom's, none at all would show tags as text.
    if summary := summary_html(entry):
        item.summary(summary, type="html")
    if content := content_html(entry):
        item.content(content, type="html")
    for tag in entry.tags:
        item.category(_category(tag))
    if entry.importance != "normal":
        item.category(term=entry.importance, scheme=IMPORTANCE_SCHEME)


def _person(person: Person) -> dict[str, str]:
    # A new dictionary each time, since feedgen writes into the caller's.  Never an e-mail address.
    return {"name": person.name, "uri": person.url} if person.url else {"name": person.name}


def _category(tag: Tag) -> dict[str, str]:
    return {"term": tag.slug, "scheme": tag.url, "label": tag.label}
