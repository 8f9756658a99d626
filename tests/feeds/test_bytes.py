"""Properties of the bytes: any text we accept survives, nothing in an entry can break the feed, and bytes never vary by chance."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from feeds.clean import clean_text, cleaned
from feeds.content import summary_html
from feeds.document import Format, Note, Person, Tag
from feeds.render import render

ATOM = "{http://www.w3.org/2005/Atom}"
DC = "{http://purl.org/dc/elements/1.1/}"
CONTENT = "{http://purl.org/rss/1.0/modules/content/}"

# What the newsroom lets in: no control characters, not blank, no blanks around it.
clean = st.text(min_size=1, max_size=60).map(clean_text).map(str.strip).filter(bool)
anything = st.text(alphabet=st.characters(exclude_categories=()), max_size=40)  # surrogates and control characters too


@given(title=clean, dek=clean, name=clean, label=clean, note=clean)
@settings(max_examples=120, deadline=None)
def test_any_clean_text_survives_all_three_formats(make_document, make_entry, title, dek, name, label, note):
    entry = make_entry(
        title=title, dek=dek, authors=(Person(name),), tags=(Tag("t", label, "https://news.example/tags/t"),), note=Note("Correction", note)
    )
    document = make_document(entry, title=title, dek=dek, contributors=(Person(name),))

    atom = etree.fromstring(render(document, Format.ATOM))
    assert (atom.findtext(f"{ATOM}title"), atom.findtext(f"{ATOM}subtitle")) == (title, dek)
    assert atom.findtext(f"{ATOM}contributor/{ATOM}name") == name
    element = atom.find(f"{ATOM}entry")
    assert element.findtext(f"{ATOM}title") == title
    assert element.findtext(f"{ATOM}author/{ATOM}name") == name
    assert element.find(f"{ATOM}category").get("label") == label
    assert element.findtext(f"{ATOM}summary") == summary_html(entry)
    content = element.findtext(f"{ATOM}content")

    channel = etree.fromstring(render(document, Format.RSS)).find("channel")
    item = channel.find("item")
    assert (channel.findtext("title"), channel.findtext("description")) == (title, dek)
    assert (item.findtext("title"), item.findtext(f"{DC}creator"), item.findtext("category")) == (title, name, label)
    assert (item.findtext("description"), item.findtext(f"{CONTENT}encoded")) == (summary_html(entry), content)

    feed = json.loads(render(document, Format.JSON))
    assert (feed["title"], feed["description"], feed["authors"]) == (title, dek, [{"name": name}])
    found = feed["items"][0]
    assert (found["title"], found["summary"], found["authors"], found["tags"]) == (title, dek, [{"name": name}], [label])
    assert found["content_html"] == content


@given(text=anything)
@settings(max_examples=120, deadline=None)
def test_whatever_an_entry_holds_the_feed_stays_readable(make_document, make_entry, text):
    bad = make_entry(
        "bad",
        title=text,
        dek=text,
        content_html=text,
        link="https://x.example/" + text,
        authors=(Person("A" + text),),
        note=Note("N", text),
    )
    document = make_document(make_entry("good", title="Good"), replace(bad, tags=(Tag("t", text, "https://news.example/tags/t"),)))
    atom = etree.fromstring(render(document, Format.ATOM))
    assert [title.text for title in atom.iter(f"{ATOM}title")][1] == "Good"
    assert all(title.text for title in atom.iter(f"{ATOM}title"))
    assert [title.text for title in etree.fromstring(render(document, Format.RSS)).iter("title")][1] == "Good"
    assert json.loads(render(document, Format.JSON))["items"][0]["title"] == "Good"


@pytest.mark.parametrize("bad", ["\x00", "\x08", "\x0b", "\x1f", "\x7f", "\x85", "\x9f", "\ud800", "\udfff", "\ufffe", "\uffff"])
def test_a_character_that_xml_forbids_is_left_out(bad):
    assert clean_text(f"a{bad}b") == "ab"


@pytest.mark.parametrize("good", ["\t", "\n", "\r", "\xa0", "\ud7ff", "\ue000", "\ufffd", "\U00010000", "\U0010ffff", "👩‍🚒", "\u200f"])
def test_every_other_character_stays(good):
    assert clean_text(f"a{good}b") == f"a{good}b"


def test_cleaning_reaches_every_text_and_leaves_the_rest_alone(make_document, make_entry):
    dirty = make_entry(title="a\x00", authors=(Person("b\x01", "https://x.example/\x02"),), note=Note("c\x03", "d\ud800"))
    entry = cleaned(make_document(dirty)).entries[0]
    assert (entry.title, entry.authors, entry.note) == ("a", (Person("b", "https://x.example/"),), Note("c", "d"))
    assert entry.link is None


@pytest.mark.parametrize(("dek", "title"), [("The dek", "The dek"), ("", "https://news.example/streams/flood/entries/e1")])
@pytest.mark.parametrize("blank", ["", "  ", "\x00"])
def test_an_entry_without_title_borrows_one(make_document, make_entry, blank, dek, title):
    document = make_document(make_entry(title=blank, dek=dek))
    assert etree.fromstring(render(document, Format.ATOM)).findtext(f"{ATOM}entry/{ATOM}title") == title
    assert etree.fromstring(render(document, Format.RSS)).findtext("channel/item/title") == title
    assert json.loads(render(document, Format.JSON))["items"][0]["title"] == title


RENDER_ONE = """
import sys
from datetime import UTC, datetime
from feeds.document import FeedDocument, FeedEntry, Format, Person, Tag
from feeds.render import render
moment = datetime(2026, 3, 14, 12, tzinfo=UTC)
entry = FeedEntry("urn:uuid:1", "https://x.example/1", "One", moment, moment, "en", "Dek", "<p>Body</p>", (Person("A"), Person("B")),
                  (Tag("a", "A", "https://x.example/tags/a"), Tag("b", "B", "https://x.example/tags/b")), "breaking")
document = FeedDocument("urn:uuid:0", "S", "https://x.example/s/", "https://x.example/s", "en", moment, Person("Site"), "D",
                        (Person("A"),), (entry,), hubs=("https://hub.example/",), changed=moment)
sys.stdout.buffer.write(b"".join(render(document, fmt) for fmt in Format))
"""


def test_bytes_are_the_same_in_every_process():
    runs = {
        subprocess.run(
            [sys.executable, "-c", RENDER_ONE], env={**os.environ, "PYTHONHASHSEED": seed, "TZ": zone}, capture_output=True, check=True
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
        body.count(b"2026-03-14T12:00:00+00:00") + body.count(b"Sat, 14 Mar 2026 12:00:00 +0000") == {"atom": 3, "rss": 3, "json": 2}[fmt]
    )


def _prefixes(body: bytes) -> set[str]:
    return {prefix or "" for element in etree.fromstring(body).iter() for prefix in element.nsmap}


def test_only_prefixes_in_use_are_declared(make_document, make_entry):
    plain, signed = make_document(make_entry()), make_document(make_entry(authors=(Person("A"),), language="uk"))
    assert _prefixes(render(signed, Format.ATOM)) == {""}
    assert _prefixes(render(plain, Format.RSS)) == {"atom", "content", "sy"}  # feedgen declares the first two always
    assert _prefixes(render(signed, Format.RSS)) == {"atom", "content", "sy", "dc"}
