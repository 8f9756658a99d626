"""Atom by its rules: RFC 4287 (grammar and prose), RFC 5005, RFC 6721. Each rule is also shown to
see what breaks it.
"""

from collections.abc import Callable
from copy import deepcopy
from datetime import datetime
from pathlib import Path

import pytest
from lxml import etree

from feeds.cache.renderer import Renderer
from feeds.document.feed_document import Format
from tests.support.broken_feeds import NAMES, Element, add, again, change, drop, find, twice

render = Renderer()

GRAMMAR = etree.RelaxNG(etree.parse(Path(__file__).with_name("atom.rng")))


def alternates(feed: Element) -> list:
    return [
        fault
        for place in find(feed, "/a:feed | //a:entry | //a:source")
        for fault in twice(
            (link.get("type"), link.get("hreflang"))
            for link in place.xpath("a:link[@rel='alternate']", namespaces=NAMES)
        )
    ]


def moment(element: Element, name: str) -> datetime:
    return datetime.fromisoformat(element.findtext(f"a:{name}", namespaces=NAMES))


# What it says, what finds breaches of it (an XPath, or a function), and what breaks it.
RULES: list[tuple[str, str | Callable[[Element], object], Callable[[Element], object]]] = [
    ("it follows the grammar", lambda feed: not GRAMMAR.validate(feed), drop("a:id")),
    (
        "no two alternates of the same type and language (4.1.1)",
        alternates,
        again("//a:entry/a:link"),
    ),
    (
        "it says where it lies, in its own media type (4.1.1)",
        "self::a:feed[count(a:link[@rel='self'][@type='application/atom+xml']) != 1]",
        change("a:link[@rel='self']", type="text/xml"),
    ),
    (
        "an entry has an author, or its feed has (4.1.2)",
        "a:entry[not(a:author or ../a:author)]",
        drop("a:author"),
    ),
    (
        "an entry has an alternate (4.1.2: at least where it has no content)",
        "a:entry[not(a:link/@rel='alternate')]",
        change("a:entry/a:link[@rel='alternate']", rel="via"),
    ),
    (
        "no two entries have the same id (4.1.1: not with the same date)",
        lambda feed: twice(find(feed, "a:entry/a:id/text()")),
        again("a:entry"),
    ),
    ("a title says something", "//a:title[not(normalize-space())]", change("a:entry/a:title", " ")),
    (
        "HTML says that it is HTML (3.1.1)",
        "//a:content[not(@type='html')] | //a:summary[not(@type='html')]",
        change("//a:content", type="text"),
    ),
    (
        "what is plain text has no type or says text (3.1.1)",
        "//a:title[@type] | a:subtitle[@type] | //at:comment[@type]",
        change("a:title", type="html"),
    ),
    (
        "nothing was updated before it was published",
        lambda feed: [
            e for e in find(feed, "a:entry") if moment(e, "updated") < moment(e, "published")
        ],
        change("a:entry/a:updated", "2026-03-14T11:59:59+00:00"),
    ),
    (
        "the feed is no older than an entry (4.2.15)",
        lambda feed: [
            e for e in find(feed, "a:entry") if moment(e, "updated") > moment(feed, "updated")
        ],
        change("a:updated", "2026-03-14T11:59:59+00:00"),
    ),
    (
        "categories of one scheme differ within an entry",
        lambda feed: [
            f
            for e in find(feed, "a:entry")
            for f in twice((c.get("scheme"), c.get("term")) for c in find(e, "a:category"))
        ],
        again("//a:category"),
    ),
    (
        "an enclosure tells its type and length (4.2.7.6)",
        "//a:link[@rel='enclosure'][not(@type and @length)]",
        lambda feed: find(feed, "//a:link[@rel='enclosure']")[0].attrib.pop("length"),
    ),
    ("nobody's e-mail is handed to harvesters", "//a:email", add("a:author", "a:email")),
    (
        "an archive leads to the newest (RFC 5005, 4)",
        "fh:archive[not(../a:link[@rel='current'])]",
        add(".", "fh:archive"),
    ),
    (
        "what is complete has no archive (RFC 5005, 2)",
        "fh:complete[../a:link[@rel='prev-archive' or @rel='next']]",
        add(".", "fh:complete"),
    ),
    (
        "no document is its own predecessor",
        "a:link[@rel='prev-archive' or @rel='next'][@href=../a:link[@rel='self']/@href]",
        change("a:link[@rel='next']", href="https://news.example/streams/flood/atom.xml"),
    ),
    (
        (
            "an entry that came back is newer than its deletion, or still the word that it is gone"
            " (RFC 6721, 3)"
        ),
        "a:entry[a:id=//at:deleted-entry/@ref][not(a:title='Retracted')]",
        change("at:deleted-entry", ref="tag:news.example,2026:e1"),
    ),
    (
        "each prefix that is declared is in use",
        lambda feed: set(feed.nsmap) - {None} - {e.prefix for e in feed.iter()},
        drop("at:deleted-entry"),
    ),
]


@pytest.fixture(scope="module")
def written(documents) -> dict[str, Element]:
    return {
        name: etree.fromstring(render(document, Format.ATOM))
        for name, document in documents.items()
    }


@pytest.mark.parametrize(
    ("faults", "spoil"), [rule[1:] for rule in RULES], ids=[rule[0] for rule in RULES]
)
def test_every_feed_keeps_the_rule(written, faults, spoil):
    found = faults if callable(faults) else lambda feed: find(feed, faults)
    for name, feed in written.items():
        assert not found(feed), f"{name}: {GRAMMAR.error_log}"
    broken = deepcopy(written["full"])
    spoil(broken)
    assert found(broken)


@pytest.mark.parametrize(
    "spoil",
    [
        again("a:title"),
        change("a:updated", "2026-03-14 12:00:00"),
        change("//a:entry/a:updated", "2026-03-14T12:00:00"),
        change("a:link", href="/relative"),
        change("//a:link[@rel='enclosure']", length="None"),
        change("//a:content", type="CDATA"),
        change("//a:author/a:name", " "),
        change("//at:deleted-entry", when="yesterday"),
        change("//media:content", medium="picture"),
        drop("//a:source/a:id"),
    ],
)
def test_the_grammar_sees_what_is_wrong(written, spoil):
    broken = deepcopy(written["full"])
    spoil(broken)
    assert not GRAMMAR.validate(broken)


def test_feeds_of_stored_entries_keep_every_rule(stored_documents):
    for topic, document in stored_documents.items():
        feed = etree.fromstring(render(document, Format.ATOM))
        broken = [
            rule
            for rule, check, _ in RULES
            if (check(feed) if callable(check) else find(feed, check))
        ]
        assert broken == [], topic
