"""Properties of the bytes: any text we accept survives, nothing in an entry can break the feed, and
bytes never vary by chance.
"""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from html import unescape
from urllib.parse import quote
from xml.etree import ElementTree  # expat: another parser than the one that writes

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from lxml import etree
from pydantic_core import from_json  # not the library that writes

from feeds.cache.renderer import Renderer
from feeds.document.bounded_cache import BoundedCache
from feeds.document.clean import clean_text, cleaned
from feeds.document.entry_content import content_html
from feeds.document.feed_document import Format, Note, Person, Tag
from models.text.errors import Invalid
from models.text.markdown import to_html, with_absolute_links
from models.text.texts import EntryText, slugify
from tests.support.examples import examples

render = Renderer()

ATOM = "{http://www.w3.org/2005/Atom}"
DC = "{http://purl.org/dc/elements/1.1/}"
CONTENT = "{http://purl.org/rss/1.0/modules/content/}"

HREF = "https://news.example/streams/flood/entries/e1"
AWKWARD = [
    "]]>",
    "👩‍🚒 🌊",
    "نهر\u200f",
    "<b>&amp;",
    "& <",
    "**",
    "`",
    "\n\n- ",
    "[a](/x?a=1&b=2)",
    "|a|\n|-|\n",
    "%s{0}\\n",
    "\u2028",
    "\x85",
]
# surrogates and control characters too
anything = st.text(alphabet=st.characters(exclude_categories=()), max_size=40)
written = st.lists(
    st.sampled_from(AWKWARD) | st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20),
    max_size=6,
).map("".join)
headline, short = (
    written.map(lambda text: text.strip() or "River rising"),
    written.map(lambda text: text[:60]),
)


def through_the_door(make_entry, **given):
    """An entry as the newsroom would keep it; None where it is refused."""
    try:
        text = EntryText(**given).cleaned()
    except Invalid:
        return None
    html = with_absolute_links(to_html(text.body), HREF)
    tags = tuple(
        Tag(slugify(tag), tag, f"https://news.example/tags/{quote(slugify(tag))}")
        for tag in text.tags
    )
    return make_entry(
        title=text.title,
        dek=text.dek,
        content_html=html,
        authors=tuple(map(Person, text.byline)),
        tags=tags,
    )


@given(title=headline, dek=written, body=written, name=short, tag=short)
# 100,000 characters
@example(title="Long", dek="", body="🌊 نهر ]]> <b>& " * 6_250, name="", tag="")
@examples(60)
def test_whatever_the_door_lets_in_comes_back_equal_from_all_formats(
    make_document, make_entry, title, dek, body, name, tag
):
    entry = through_the_door(
        make_entry, title=title, dek=dek, body=body, byline=(name,), tags=(tag,)
    )
    if entry is None:
        return
    names, labels, content = (
        [who.name for who in entry.authors],
        [tag.label for tag in entry.tags],
        content_html(entry),
    )
    document = make_document(
        entry, title=entry.title, dek=entry.dek or "Dek", contributors=entry.authors
    )
    assert entry.content_html in content

    atom = ElementTree.fromstring(render(document, Format.ATOM))
    assert (atom.findtext(f"{ATOM}title"), atom.findtext(f"{ATOM}subtitle")) == (
        document.title,
        document.dek,
    )
    element = atom.find(f"{ATOM}entry")
    assert element.findtext(f"{ATOM}title") == entry.title
    assert [who.text for who in element.findall(f"{ATOM}author/{ATOM}name")] == names
    assert [category.get("label") for category in element.findall(f"{ATOM}category")] == labels
    assert unescape(element.findtext(f"{ATOM}summary", "")) == entry.dek
    assert element.findtext(f"{ATOM}content", "") == content

    channel = ElementTree.fromstring(render(document, Format.RSS)).find("channel")
    assert (channel.findtext("title"), channel.findtext("description")) == (
        document.title,
        document.dek,
    )
    item = channel.find("item")
    assert item.findtext("title") == entry.title
    assert [who.text for who in item.findall(f"{DC}creator")] == (names or ["News"])
    assert [category.text for category in item.findall("category")] == labels
    assert (unescape(item.findtext("description")) if entry.dek else "") == entry.dek
    assert (
        item.findtext(f"{CONTENT}encoded") if entry.dek else item.findtext("description", "")
    ) == content

    feed = from_json(render(document, Format.JSON))
    found = feed["items"][0]
    assert (feed["title"], feed["description"]) == (document.title, document.dek)
    assert (found["title"], found.get("summary", ""), found.get("content_html", "")) == (
        entry.title,
        entry.dek,
        content,
    )
    assert ([who["name"] for who in found["authors"]], found.get("tags", [])) == (
        names or ["News"],
        labels,
    )


@given(title=headline, dek=written, tag=short)
@examples(25)
def test_feedparser_finds_it_too(make_document, make_entry, parsed, title, dek, tag):
    entry = through_the_door(make_entry, title=title, dek=dek, tags=(tag,))
    if entry is None:
        return
    document = make_document(entry, title=entry.title, dek=entry.dek)
    found = parsed(document, Format.ATOM)
    assert (found.feed.title, found.entries[0].title) == (mended(entry.title), mended(entry.title))
    assert found.feed.subtitle == mended(entry.dek or entry.title)
    assert [category.label for category in found.entries[0].get("tags", [])] == [
        tag.label for tag in entry.tags
    ]
    # What looks like markup in a title of RSS it unescapes once more, as many readers do.
    assert unescape(parsed(document, Format.RSS).entries[0].title) == unescape(mended(entry.title))


def mended(text):
    """feedparser decodes again what looks like UTF-8 that was taken for Latin 1."""
    try:
        return text.encode("latin-1").decode()
    except UnicodeError:
        return text


@given(text=anything, field=st.sampled_from(["title", "dek", "body", "byline", "tags", "link"]))
@examples(60)
def test_what_the_door_refuses_it_refuses_naming_the_field(text, field):
    try:
        EntryText(
            **{"title": "River", field: (text,) if field in {"byline", "tags"} else text}
        ).cleaned()
    except Invalid as refused:
        assert refused.field == field


@given(text=anything)
@examples(60)
def test_whatever_an_entry_holds_the_feed_stays_readable(make_document, make_entry, text):
    bad = make_entry(
        "bad",
        title=text,
        dek=text,
        content_html=text,
        link="https://x.example/" + text,
        authors=(Person("A" + text),),
        notes=(Note("N", text),),
    )
    document = make_document(
        make_entry("good", title="Good"),
        replace(bad, tags=(Tag("t", text, "https://news.example/tags/t"),)),
    )
    atom = etree.fromstring(render(document, Format.ATOM))
    assert [title.text for title in atom.iter(f"{ATOM}title")][1] == "Good"
    assert all(title.text for title in atom.iter(f"{ATOM}title"))
    assert etree.fromstring(render(document, Format.RSS)).findtext("channel/item/title") == "Good"
    assert json.loads(render(document, Format.JSON))["items"][0]["title"] == "Good"


@pytest.mark.parametrize(
    "bad", ["\x00", "\x08", "\x0b", "\x1f", "\x7f", "\x9f", "\ud800", "\udfff", "\ufffe", "\uffff"]
)
def test_a_character_that_xml_forbids_is_dropped(bad):
    assert clean_text(f"a{bad}b") == "ab"


@pytest.mark.parametrize(
    "good",
    [
        "\t",
        "\n",
        "\r",
        "\x85",
        "\xa0",
        "\ud7ff",
        "\ue000",
        "\ufffd",
        "\U00010000",
        "\U0010ffff",
        "👩‍🚒",
        "\u200f",
    ],
)
def test_every_other_character_stays(good):
    assert clean_text(f"a{good}b") == f"a{good}b"


def test_cleaning_reaches_every_text_and_leaves_the_rest_alone(make_document, make_entry):
    dirty = make_entry(
        title="a\x00",
        authors=(Person("b\x01", "https://x.example/\x02"),),
        notes=(Note("c\x03", "d\ud800"),),
    )
    entry = cleaned(make_document(dirty)).entries[0]
    assert (entry.title, entry.authors, entry.notes) == (
        "a",
        (Person("b", "https://x.example/"),),
        (Note("c", "d"),),
    )
    assert entry.link is None


@pytest.mark.parametrize(
    ("dek", "title"),
    [("The dek", "The dek"), ("", "https://news.example/streams/flood/entries/e1")],
)
@pytest.mark.parametrize("blank", ["", "  ", "\x00"])
def test_an_entry_without_title_borrows_one(make_document, make_entry, blank, dek, title):
    document = make_document(make_entry(title=blank, dek=dek))
    assert (
        etree.fromstring(render(document, Format.ATOM)).findtext(f"{ATOM}entry/{ATOM}title")
        == title
    )
    assert etree.fromstring(render(document, Format.RSS)).findtext("channel/item/title") == title
    assert json.loads(render(document, Format.JSON))["items"][0]["title"] == title


RENDER_ONE = """
import sys
from datetime import UTC, datetime
from feeds.document.feed_document import FeedDocument, FeedEntry, Format, Person, Tag
from feeds.cache.renderer import Renderer
moment = datetime(2026, 3, 14, 12, tzinfo=UTC)
entry = FeedEntry(
    "urn:uuid:1", "https://x.example/1", "One", moment, moment, "en", "Dek", "<p>Body</p>",
    (Person("A"), Person("B")),
    (Tag("a", "A", "https://x.example/tags/a"), Tag("b", "B", "https://x.example/tags/b")),
    "breaking",
)
document = FeedDocument(
    "urn:uuid:0", "S", "https://x.example/s/", "https://x.example/s", "en", moment,
    Person("Site"), "D", contributors=(Person("A"),), entries=(entry,),
    hubs=("https://hub.example/",), changed=moment,
)
sys.stdout.buffer.write(b"".join(Renderer()(document, fmt) for fmt in Format))
"""


@pytest.mark.processes
def test_bytes_are_the_same_in_every_process():
    runs = {
        subprocess.run(
            [sys.executable, "-c", RENDER_ONE],
            env={**os.environ, "PYTHONHASHSEED": seed, "TZ": zone},
            capture_output=True,
            check=True,
        ).stdout
        for seed, zone in [("1", "UTC"), ("2", "Asia/Tokyo")]
    }
    assert len(runs) == 1
    assert runs.pop().startswith(b"<?xml")


@pytest.mark.parametrize("fmt", list(Format))
def test_no_byte_depends_on_the_present_moment(make_document, make_entry, fmt):
    body = render(make_document(make_entry()), fmt)
    assert body == render(make_document(make_entry()), fmt)
    assert (
        body.count(b"2026-03-14T12:00:00+00:00") + body.count(b"Sat, 14 Mar 2026 12:00:00 +0000")
        == {"atom": 3, "rss": 3, "json": 2}[fmt]
    )


@pytest.mark.parametrize("fmt", list(Format))
def test_cached_entries_render_like_freshly_rendered_ones(
    make_document, make_entry, documents, fmt
):
    kept = Renderer()
    body = [kept(document, fmt) for document in documents.values()]
    assert body == [kept(document, fmt) for document in documents.values()]
    assert body == [Renderer(0)(document, fmt) for document in documents.values()]
    # What an entry looks like depends on the document's language and, without a byline, on the
    # site.
    for other in ({"language": "uk"}, {"site": Person("Other", "https://other.example/")}):
        document = replace(documents["full"], **other)
        assert kept(document, fmt) == Renderer(0)(document, fmt)


def test_threads_can_share_the_entry_cache(documents):
    alone = [render(document, fmt) for document in documents.values() for fmt in Format]
    shared = Renderer(20_000)  # too little to keep all
    with ThreadPoolExecutor(4) as threads:
        jobs = [
            threads.submit(shared, document, fmt)
            for _ in range(4)
            for document in documents.values()
            for fmt in Format
        ]
        assert [job.result() for job in jobs] == alone * 4


def test_the_least_recently_used_are_evicted_when_there_is_no_room():
    cache: BoundedCache[str, bytes] = BoundedCache(100, len)
    for key in ("a", "b"):
        cache.put(key, bytes(40))
    assert cache.get("a") == bytes(40)
    cache.put("c", bytes(40))
    assert (cache.get("a"), cache.get("b"), cache.get("c")) == (bytes(40), None, bytes(40))
    cache.put("a", bytes(60))  # in place of the former value
    assert (len(cache.get("a")), len(cache.get("c"))) == (60, 40)
    cache.put("large", bytes(101))
    assert cache.get("large") is None


def _prefixes(body: bytes) -> set[str]:
    return {prefix or "" for element in etree.fromstring(body).iter() for prefix in element.nsmap}


def test_only_prefixes_in_use_are_declared(make_document, make_entry):
    plain, signed = (
        make_document(make_entry()),
        make_document(make_entry(authors=(Person("A"),), language="uk")),
    )
    assert _prefixes(render(signed, Format.ATOM)) == {""}
    # feedgen declares the first two always; an item without a byline names the site as its creator.
    for document in (plain, signed):
        assert _prefixes(render(document, Format.RSS)) == {"atom", "content", "sy", "dc"}
