"""RSS by its rules: the specification (2.0.11), the Advisory Board's profile, and the modules that
we use.
"""

import re
from collections.abc import Callable
from copy import deepcopy
from email.utils import parsedate_to_datetime

import pytest
from lxml import etree

from feeds.cache.renderer import Renderer
from feeds.document.feed_document import Format
from tests.support.broken_feeds import Element, add, again, change, drop, find, twice

render = Renderer()

CHANNEL = {"title", "link", "description", "language", "copyright", "managingEditor", "webMaster",
           "pubDate", "lastBuildDate", "category",
           "generator", "docs", "cloud", "ttl", "image", "rating", "textInput", "skipHours",
           "skipDays", "item"}  # fmt: skip
ITEM = {
    "title",
    "link",
    "description",
    "author",
    "category",
    "comments",
    "enclosure",
    "guid",
    "pubDate",
    "source",
}
DATE = re.compile(
    r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4}"
    r" \d\d:\d\d:\d\d (GMT|[+-]\d{4})"
)
ABSOLUTE = re.compile(r"https?://[^\s<>]+")
HOURS = {"hourly": 1, "daily": 24, "weekly": 7 * 24, "monthly": 30 * 24, "yearly": 365 * 24}


def repeated(rss: Element) -> list:
    """Elements of RSS itself: only items and categories may come again."""
    places = find(rss, "channel | channel/item")
    return [
        name
        for place in places
        for name in twice(child.tag for child in place)
        if name not in {"item", "category"} and "{" not in name
    ]


def unknown(rss: Element) -> list:
    plain = [
        (place.tag, child.tag)
        for place in find(rss, "channel | channel/item")
        for child in place
        if "{" not in child.tag
    ]
    return [
        (place, name)
        for place, name in plain
        if name not in {"channel": CHANNEL, "item": ITEM}[place]
    ]


def wrong_dates(rss: Element) -> list:
    dates = find(rss, "//pubDate/text() | //lastBuildDate/text()")
    return [
        date
        for date in dates
        if not DATE.fullmatch(date) or f"{parsedate_to_datetime(date):%a}" != date[:3]
    ]


def relative(rss: Element) -> list:
    plain = find(
        rss,
        "//link/text() | //source/@url | //enclosure/@url | //media:content/@url | //a:link/@href |"
        " //@domain[contains(., '/')]",
    )
    inside = [
        link
        for html in find(rss, "//description/text() | //content:encoded/text()")
        for link in re.findall(r'<[^>]* (?:href|src)="([^"]*)"', html)
    ]
    return [link for link in plain + inside if not ABSOLUTE.fullmatch(link)]


def seconds(rss: Element) -> tuple[int, int]:
    """How long a copy stays fresh by ttl, and by the syndication module."""
    period, frequency = (
        find(rss, "channel/sy:updatePeriod/text()")[0],
        find(rss, "channel/sy:updateFrequency/text()")[0],
    )
    return int(find(rss, "channel/ttl/text()")[0]) * 60, HOURS[period] * 3600 // int(frequency)


# What it says, what finds breaches of it (an XPath, or a function), and what breaks it.
RULES: list[tuple[str, str | Callable[[Element], object], Callable[[Element], object]]] = [
    (
        "the root is rss of version 2.0 with one channel",
        "self::*[not(self::rss[@version='2.0'][count(*)=1]/channel)]",
        change(".", version="0.91"),
    ),
    ("a channel has a title", "channel[not(normalize-space(title))]", change("channel/title", " ")),
    ("a channel has a link", "channel[not(normalize-space(link))]", drop("channel/link")),
    (
        "a channel has a description",
        "channel[not(normalize-space(description))]",
        drop("channel/description"),
    ),
    (
        "nothing but items and categories comes twice in its place (profile: one enclosure)",
        repeated,
        again("//item/enclosure"),
    ),
    ("RSS has no other elements of its own", unknown, add("//item", "updated")),
    (
        "dates are RFC 822's, with four digits of the year and the right day of the week",
        wrong_dates,
        change("//item/pubDate", "Fri, 14 Mar 2026 12:00:00 +0000"),
    ),
    ("every item is dated", "//item[not(pubDate)]", drop("//pubDate")),
    (
        "the language is a language tag",
        lambda rss: [
            tag
            for tag in find(rss, "//language/text() | //dc:language/text()")
            if not re.fullmatch(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*", tag)
        ],
        change("//language", "English"),
    ),
    (
        "addresses are absolute, in the HTML too (profile)",
        relative,
        change("//item/link", "/streams/flood"),
    ),
    (
        "it says where it lies (profile: atom:link)",
        "channel[count(a:link[@rel='self'][@type='application/rss+xml']) != 1]",
        drop("//a:link"),
    ),
    (
        "an item has a title or a description",
        "//item[not(normalize-space(title) or normalize-space(description))]",
        drop("//item/title | //item/description"),
    ),
    (
        "an item has a guid, which is no address unless it says so",
        "//item[not(guid[normalize-space()][@isPermaLink='false'])]",
        change("//guid", isPermaLink="true"),
    ),
    (
        "no two items have the same guid",
        lambda rss: twice(find(rss, "//guid/text()")),
        again("//item"),
    ),
    (
        "an author is an e-mail address, so there is none; nor is there an editor's",
        "//author | //managingEditor | //webMaster",
        add("//item", "author"),
    ),
    (
        "a byline names somebody",
        "//dc:creator[not(normalize-space())]",
        change("//dc:creator", " "),
    ),
    (
        "an enclosure has an address, a length in bytes and a type",
        "//enclosure[not(@url and number(@length) >= 0 and contains(@type, '/'))]",
        change("//enclosure", length="None"),
    ),
    ("a category is not empty", "//category[not(normalize-space())]", change("//category", " ")),
    (
        "a source has an address and a name",
        "//source[not(@url and normalize-space())]",
        change("//source", " "),
    ),
    (
        "the whole text stands beside a summary, once (content module)",
        "//item[count(content:encoded) > 1 or content:encoded and not(description)]",
        again("//content:encoded"),
    ),
    ("ttl is a number of minutes", "channel[not(ttl >= 1)]", change("//ttl", "soon")),
    (
        "ttl and the syndication module agree",
        lambda rss: len(set(seconds(rss))) > 1,
        change("//ttl", "60"),
    ),
    ("docs leads to the specification", "channel[not(starts-with(docs, 'http'))]", drop("//docs")),
    ("the generator is named", "channel[not(normalize-space(generator))]", drop("//generator")),
    (
        "a picture says where, what, how large (Media RSS)",
        (
            "//media:content[not(@url and @type and @medium='image' and @fileSize and @width and"
            " @height)]"
        ),
        lambda rss: find(rss, "//media:content")[0].attrib.pop("width"),
    ),
    (
        "what is said of a picture stands in it",
        "//item/media:description | //item/media:credit",
        add("//item", "media:credit"),
    ),
    (
        "an item's change is dated as Atom does",
        "//item[not(contains(a:updated, 'T') and contains(a:updated, '+00:00'))]",
        change("//item/a:updated", "yesterday"),
    ),
    (
        "an archive leads to the newest (RFC 5005, 4)",
        "//fh:archive[not(../a:link[@rel='current'])]",
        add("channel", "fh:archive"),
    ),
    (
        "what is complete has no archive (RFC 5005, 2)",
        "//fh:complete[../a:link[@rel='prev-archive']]",
        add("channel", "fh:complete"),
    ),
    (
        "each prefix that is declared is in use; feedgen declares content always",
        lambda rss: set(rss.nsmap) - {"content"} - {e.prefix for e in rss.iter()},
        drop("//media:content"),
    ),
]


@pytest.fixture(scope="module")
def written(documents) -> dict[str, Element]:
    return {
        name: etree.fromstring(render(document, Format.RSS)) for name, document in documents.items()
    }


@pytest.mark.parametrize(
    ("faults", "spoil"), [rule[1:] for rule in RULES], ids=[rule[0] for rule in RULES]
)
def test_every_feed_keeps_the_rule(written, faults, spoil):
    found = faults if callable(faults) else lambda rss: find(rss, faults)
    for name, rss in written.items():
        assert not found(rss), name
    broken = deepcopy(written["full"])
    spoil(broken)
    assert found(broken)


def test_feeds_of_stored_entries_keep_every_rule(stored_documents):
    for topic, document in stored_documents.items():
        feed = etree.fromstring(render(document, Format.RSS))
        broken = [
            rule
            for rule, check, _ in RULES
            if (check(feed) if callable(check) else find(feed, check))
        ]
        assert broken == [], topic
