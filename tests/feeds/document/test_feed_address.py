"""Each feed has one address, and nothing else is one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds.document.feed_address import Archive, FeedTopic, Flavour, Scope, parse_feed_path
from feeds.document.feed_document import Format

NAMES = st.from_regex(r"[a-z0-9éß]{1,9}(-[a-z0-9]{1,5})?", fullmatch=True)
ARCHIVES = st.none() | st.builds(Archive, st.integers(0, 10**12), st.integers(0, 16**12))
TOPICS = st.builds(
    FeedTopic, st.just(Scope.SITE), st.just(""), st.sampled_from(Flavour), ARCHIVES
) | st.builds(
    FeedTopic,
    st.sampled_from([Scope.STREAM, Scope.TAG, Scope.CONTRIBUTOR]),
    NAMES,
    st.sampled_from(Flavour),
    ARCHIVES,
)


@given(TOPICS, st.sampled_from(Format))
def test_every_address_is_read_as_what_it_was_written_for(topic, fmt):
    topic_read = parse_feed_path(
        topic.folder.replace("%C3%A9", "é").replace("%C3%9F", "ß") + fmt.file_name
    )
    assert topic_read == (topic, fmt)


@pytest.mark.parametrize(
    "path",
    [
        "", "/", "atom.xml", "/atom", "/feed.xml", "//atom.xml", "/streams/atom.xml",
        "/streams//atom.xml", "/streams/a/b/atom.xml",
        "/new/key/atom.xml", "/streams/a/KEY/atom.xml", "/streams/a/archive/atom.xml",
        "/streams/a/archive/5/atom.xml",
        "/streams/a/archive/05-1/atom.xml", "/streams/a/archive/5-0x1/atom.xml",
        "/streams/a/archive/5-F/atom.xml",
        "/streams/a/archive/-5-1/atom.xml", "/streams/a/archive/٥-1/atom.xml",
        "/streams/a/archive/5-1/key/atom.xml",
        "/archive/99999999999999999999-1/atom.xml", "/tags/" + "a" * 121 + "/atom.xml",
        "/places/a/atom.xml",
        "/tags/\0/atom.xml", "/streams/a\r\nb/rss.xml",
    ],
)  # fmt: skip
def test_anything_else_is_no_feed(path):
    assert parse_feed_path(path) is None
