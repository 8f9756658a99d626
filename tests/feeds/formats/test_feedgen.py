"""Faults of feedgen alone that our code works round.

Each of these tests fails on the day feedgen repairs the fault: then its remedy, named in the test,
can go.
"""

import locale
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from feedgen.feed import FeedGenerator
from lxml import etree

NOON = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)


@pytest.fixture
def feed() -> Any:
    made = FeedGenerator()
    made.id("urn:uuid:0")
    made.title("Feed")
    made.subtitle("Dek")
    made.updated(NOON)
    made.link(href="https://news.example/", rel="alternate")
    return made


@pytest.fixture
def entry(feed) -> Any:
    made = feed.add_entry(order="append")
    made.id("urn:uuid:1")
    made.title("One")
    made.updated(NOON)
    made.link(href="https://news.example/1")
    return made


def test_entry_links_lose_what_they_are(feed, entry):
    """AtomEntry writes them again."""
    entry.link(href="https://elsewhere.example/", rel="related")
    assert b'<link href="https://elsewhere.example/"/>' in feed.atom_str()


def test_the_last_feed_link_becomes_the_link_of_rss(feed):
    """feeds.formats.xml_writer gives the alternate last."""
    feed.link(href="https://hub.example/", rel="hub")
    assert etree.fromstring(feed.rss_str()).findtext("channel/link") == "https://hub.example/"


def test_rss_drops_all_links_but_one(feed):
    """RssHead adds them."""
    for rel in ("hub", "next", "prev-archive", "current"):
        feed.link(href="https://hub.example/", rel=rel)
        assert f'rel="{rel}"'.encode() not in feed.rss_str()


def test_updated_is_now_unless_it_is_set():
    """feeds.formats.xml_writer sets it for the feed and each entry."""
    before = datetime.now(UTC)
    made = FeedGenerator()
    assert made.updated() >= before
    assert made.lastBuildDate() >= before
    assert made.add_entry().updated() >= before


def test_rss_has_no_author_without_an_address(feed, entry):
    """RssItem writes dc:creator."""
    entry.author({"name": "Ines"})
    assert b"Ines" not in feed.rss_str()


def test_rss_has_no_contributors(feed):
    """RssHead writes dc:contributor."""
    feed.contributor({"name": "Ines"})
    assert b"Ines" not in feed.rss_str()


def test_cdata_becomes_a_type_that_atom_does_not_know(feed, entry):
    """feeds.formats.xml_writer gives content as type html."""
    entry.content("<p>Body</p>", type="CDATA")
    assert b'type="CDATA"' in feed.atom_str()


def test_content_without_a_type_is_text_in_atom(feed, entry):
    """feeds.formats.xml_writer gives content as type html."""
    entry.content("<p>Body</p>")
    assert b"<content>&lt;p&gt;" in feed.atom_str()


@pytest.mark.parametrize("bad", ["\x00", "\ufffe", "\ud800"])
def test_one_bad_character_kills_the_whole_feed_and_only_at_the_end(feed, entry, bad):
    """feeds.document.clean leaves such characters out."""
    entry.title(f"a{bad}b")
    with pytest.raises(ValueError):  # UnicodeEncodeError is one
        feed.atom_str()
    with pytest.raises(ValueError):
        feed.rss_str()


def test_an_empty_title_kills_the_whole_feed(feed, entry):
    """feeds.document.entry_content.title_of makes one."""
    entry.title("")
    with pytest.raises(ValueError, match="Required fields not set"):
        feed.atom_str()


def test_rss_refuses_a_channel_without_description(feed):
    """feeds.formats.xml_writer gives the title where there is no dek."""
    feed.subtitle("")
    with pytest.raises(ValueError, match="description"):
        feed.rss_str()


def test_microseconds_come_out_in_atom(feed, entry):
    """feeds.document.clean cuts them off."""
    entry.updated(NOON.replace(microsecond=5))
    assert b"12:00:00.000005+00:00" in feed.atom_str()


def test_a_naive_date_is_refused(entry):
    """feeds.document.clean refuses it in every format, and says which."""
    with pytest.raises(ValueError, match="timezone"):
        entry.updated(NOON.replace(tzinfo=None))


def test_an_offset_keeps_its_seconds_which_neither_format_knows(feed, entry):
    """feeds.document.clean writes UTC: the local mean times of old zones have such offsets."""
    entry.updated(NOON.astimezone(timezone(timedelta(minutes=53, seconds=28))))
    assert b"+00:53:28</updated>" in feed.atom_str()


def test_a_year_before_1000_loses_its_nought_in_rss(feed, entry):
    """RssItem writes the dates."""
    entry.published(NOON.replace(year=999))
    assert b"Mar 999 " in feed.rss_str()


def test_a_feed_without_any_author_is_not_noticed(feed, entry):
    """feeds.formats.xml_writer gives the site for those who have no byline (RFC 4287 section
    4.1.1).
    """
    assert b"<author>" not in feed.atom_str()


def test_a_label_of_none_leaves_a_category_of_rss_empty(feed, entry):
    """feeds.formats.xml_writer leaves out the label of what has none."""
    entry.category(term="key", label=None)
    assert b"<category/>" in feed.rss_str()


def test_a_new_entry_comes_first(feed, entry):
    """feeds.formats.xml_writer writes each entry by itself, and sets them in order."""
    first = feed.add_entry()
    assert feed.entry() == [first, entry]


def test_the_caller_s_dictionaries_are_changed(entry):
    """feeds.formats.xml_writer makes new ones for each call."""
    link = {"href": "https://news.example/1"}
    entry.link(link)
    assert link == {"href": "https://news.example/1", "rel": "alternate"}


def test_an_empty_summary_leaves_an_empty_element(feed, entry):
    """feeds.formats.xml_writer sets only what is there."""
    entry.summary("", type="html")
    assert b'<summary type="html"/>' in feed.atom_str()


def test_any_scheme_passes_as_a_link(feed, entry):
    """feeds.document.entry_content.link_of lets web addresses through."""
    entry.link(href="javascript:alert(1)", rel="related")
    assert b"javascript:alert(1)" in feed.atom_str()


def test_rss_has_no_date_of_change(feed, entry):
    """RssItem writes atom:updated."""
    entry.published(NOON)
    entry.updated(NOON.replace(hour=13))
    assert b"13:00" not in feed.rss_str()


def test_each_date_of_rss_sets_the_locale_of_all_threads(monkeypatch, feed, entry):
    """RssHead and RssItem write the dates."""
    entry.published(NOON)
    feed.rss_str()
    calls = []
    monkeypatch.setattr(locale, "setlocale", lambda *given: calls.append(given))
    feed.rss_str()
    assert len(calls) == 2 * 3


def test_an_rss_date_can_be_omitted_only_by_a_private_attribute(feed):
    """RssWriter reaches into the generator: there is no other way to keep it from writing
    lastBuildDate.
    """
    assert feed.lastBuildDate(None) == NOON
    feed._FeedGenerator__rss_lastBuildDate = None
    assert b"lastBuildDate" not in feed.rss_str()


def test_pictures_have_no_words(entry):
    """feeds.formats.namespaces.add_media writes them with description and credit."""
    entry.load_extension("media")
    with pytest.raises(ValueError, match="invalid keys"):
        entry.media.content(url="https://news.example/a.jpeg", description="A bridge")


def test_a_picture_is_wrapped_in_a_group(feed, entry):
    """feeds.formats.namespaces.add_media puts each into the entry: they are different pictures."""
    entry.load_extension("media")
    entry.media.content(url="https://news.example/a.jpeg")
    assert etree.fromstring(feed.rss_str()).find("channel/item/{*}group") is not None


def test_an_unknown_length_is_written_as_none(feed, entry):
    """feeds.formats.xml_writer gives it as a text, and always knows it."""
    entry.enclosure("https://news.example/a.jpeg", None, "image/jpeg")
    assert b'length="None"' in feed.rss_str()


def test_rss_has_the_last_enclosure_alone(feed, entry):
    """feeds.formats.xml_writer gives one."""
    for name in ("a", "b"):
        entry.enclosure(f"https://news.example/{name}.jpeg", "1", "image/jpeg")
    assert b"a.jpeg" not in feed.rss_str()


def test_a_source_of_atom_lacks_id_and_date(feed, entry):
    """feeds.formats.atom.atom_source writes it."""
    entry.source("https://news.example/streams/flood", "Flood")
    source = etree.fromstring(feed.atom_str()).find("{*}entry/{*}source")
    assert [child.tag.rpartition("}")[2] for child in source] == ["title", "link"]


def test_the_syndication_module_is_written_wrong(feed):
    """RssHead writes it."""
    feed.load_extension("syndication")
    feed.syndication.update_period("hourly")
    assert b"UpdatePeriod" in feed.rss_str()
