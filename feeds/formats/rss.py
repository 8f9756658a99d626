"""What feedgen cannot write in RSS, added to its trees while it builds them."""

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

# Seconds; the longest of them is also said of longer ones.
_PERIODS = {
    "hourly": 3_600,
    "daily": 86_400,
    "weekly": 7 * 86_400,
    "monthly": 30 * 86_400,
    "yearly": 365 * 86_400,
}


class RssHead:
    """An extension of feedgen's feed; ``document`` is set before feedgen writes."""

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
    """An extension of feedgen's entry; ``entry``, the document's ``language`` and the ``site`` are
    set before feedgen writes.
    """

    entry: FeedEntry
    language: str
    site: Person

    def extend_rss(self, item: _Element) -> _Element:
        """Dates, bylines without e-mail (RSS's own author demands one), the entry's language, and
        its pictures.
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
    """The channel that an item of a mixed feed comes from."""
    element = Element("source", url=source.feed_url(Format.RSS))
    element.text = source.title
    return element


def update_period(max_age: int) -> tuple[str, int]:
    """``max_age`` seconds as the syndication module says it: a period, and how often in it."""
    name, seconds = next(
        ((name, most) for name, most in _PERIODS.items() if max_age <= most),
        ("yearly", _PERIODS["yearly"]),
    )
    return name, round(seconds / max(1, min(max_age, seconds)))
