"""Extensions of feedgen: the parts of RSS that it cannot write."""

from email.utils import format_datetime

from lxml.etree import Element, SubElement, _Element

from feeds.document.feed_document import FeedDocument, FeedEntry, Format, Person, Source
from feeds.formats.namespaces import (
    ATOM,
    DC,
    SYNDICATION,
    add_comment,
    add_history,
    add_media,
    links,
    prefixes,
)

# The longest one also stands for longer periods.
_PERIOD_SECONDS = {
    "hourly": 3_600,
    "daily": 86_400,
    "weekly": 7 * 86_400,
    "monthly": 30 * 86_400,
    "yearly": 365 * 86_400,
}


class RssHead:
    """Extends feedgen's feed.  ``document`` is set before feedgen writes."""

    document: FeedDocument

    def extend_ns(self) -> dict[str, str]:
        return prefixes(self.document, Format.RSS)

    def extend_rss(self, rss: _Element) -> _Element:
        add_comment(rss, self.document)
        channel = rss[0]
        for link in links(self.document, Format.RSS):
            SubElement(channel, f"{{{ATOM}}}link", link)
        SubElement(channel, "lastBuildDate").text = format_datetime(self.document.updated)
        period, frequency = update_period(self.document.max_age)
        SubElement(channel, f"{{{SYNDICATION}}}updatePeriod").text = period
        SubElement(channel, f"{{{SYNDICATION}}}updateFrequency").text = str(frequency)
        for person in self.document.contributors:
            SubElement(channel, f"{{{DC}}}contributor").text = person.name
        add_history(channel, self.document)
        return rss


class RssItem:
    """Extends feedgen's entry.  Its fields are set before feedgen writes."""

    entry: FeedEntry
    language: str  # of the document
    site: Person

    def extend_rss(self, item: _Element) -> _Element:
        """Add dates, bylines, language and pictures.

        The byline is Dublin Core's, because RSS's own author requires an email address.
        """
        SubElement(item, "pubDate").text = format_datetime(self.entry.published)
        SubElement(item, f"{{{ATOM}}}updated").text = self.entry.updated.isoformat()
        for person in self.entry.authors or (self.site,):
            SubElement(item, f"{{{DC}}}creator").text = person.name
        if self.entry.language != self.language:
            SubElement(item, f"{{{DC}}}language").text = self.entry.language
        add_media(item, self.entry.images)
        return item


def rss_source(source: Source) -> _Element:
    """The stream of an item."""
    element = Element("source", url=source.feed_url(Format.RSS))
    element.text = source.title
    return element


def update_period(max_age: int) -> tuple[str, int]:
    """``max_age`` seconds for the syndication module: a period, and how often in it."""
    for period, seconds in _PERIOD_SECONDS.items():
        if max_age <= seconds:
            return period, round(seconds / max(1, max_age))
    return "yearly", 1
