"""Feeds over HTTP; what stands in them has its tests with the feeds."""

import gzip
import json

import brotli
import pytest
from lxml import etree

from feeds.formats.namespaces import SYNDICATION
from models import StreamState
from models.streams.streams import set_stream_state
from tests.support.clock import StandingClock
from tests.support.newsroom import Newsroom
from tests.support.web_person import BASE_URL, Person

TYPES = {
    "atom.xml": "application/atom+xml",
    "rss.xml": "application/rss+xml",
    "feed.json": "application/feed+json",
}


@pytest.mark.parametrize("folder", ["", "/streams/floods"])
@pytest.mark.parametrize("name", TYPES)
def test_a_feed_is_sent_once_and_then_only_confirmed(
    folder: str, name: str, newsroom: Newsroom, reader: Person, clock: StandingClock
) -> None:
    newsroom.post()
    clock.forward(seconds=1)
    first = reader.get(f"{folder}/{name}")
    assert (first.status_code, first.mimetype) == (200, TYPES[name])
    assert b"River rising" in first.data
    assert "Set-Cookie" not in first.headers and first.headers["Vary"] == "Accept-Encoding"
    for condition in (
        {"If-None-Match": first.headers["ETag"]},
        {"If-Modified-Since": first.headers["Last-Modified"]},
    ):
        again = reader.get(f"{folder}/{name}", headers=condition)
        assert (again.status_code, again.data) == (304, b"")
        for header in ("ETag", "Cache-Control", "Vary", "Link"):
            assert again.headers[header] == first.headers[header]
    head = reader.client.head(f"{folder}/{name}", base_url=BASE_URL)
    assert (head.status_code, head.data, head.headers["ETag"]) == (200, b"", first.headers["ETag"])
    newsroom.post(title="River falling")
    assert (
        reader.get(f"{folder}/{name}", headers={"If-None-Match": first.headers["ETag"]}).status_code
        == 200
    )


@pytest.mark.parametrize(
    ("state", "seconds"),
    [(StreamState.LIVE, 60), (StreamState.QUIET, 900), (StreamState.ENDED, 900)],
)
def test_all_hints_say_the_same_and_follow_the_story(
    state: StreamState, seconds: int, newsroom: Newsroom, reader: Person
) -> None:
    reader.get("/streams/floods/rss.xml")
    set_stream_state(newsroom.db, newsroom.actor, "floods", state)
    answer = reader.get("/streams/floods/rss.xml")
    assert (
        answer.headers["Cache-Control"]
        == f"public, max-age={seconds}, stale-while-revalidate=60, stale-if-error=86400"
    )
    channel = etree.fromstring(answer.data)[0]
    assert int(channel.findtext("ttl")) * 60 == seconds
    period = {"hourly": 3_600, "daily": 86_400}[channel.findtext(f"{{{SYNDICATION}}}updatePeriod")]
    assert period / int(channel.findtext(f"{{{SYNDICATION}}}updateFrequency")) == seconds


def test_the_feed_does_not_believe_the_host(newsroom: Newsroom, reader: Person) -> None:
    newsroom.post()
    feed = json.loads(
        reader.client.get("/streams/floods/feed.json", base_url="https://evil.example").text
    )
    assert feed["feed_url"] == f"{BASE_URL}/streams/floods/feed.json"


def test_each_coding_has_its_own_tag_and_any_of_them_is_known(
    newsroom: Newsroom, reader: Person
) -> None:
    newsroom.post()
    plain = reader.get("/atom.xml")
    tags = {plain.headers["ETag"]}
    for coding, decode in (("gzip", gzip.decompress), ("br", brotli.decompress)):
        answer = reader.get("/atom.xml", headers={"Accept-Encoding": coding})
        assert (
            answer.headers["Content-Encoding"] == coding
            and answer.headers["Vary"] == "Accept-Encoding"
        )
        assert decode(answer.data) == plain.data and answer.content_length == len(answer.data)
        tags.add(answer.headers["ETag"])
    assert len(tags) == 3
    for tag in tags:
        for field in (tag, f"W/{tag}", f'"other", {tag}'):
            answer = reader.get(
                "/atom.xml", headers={"Accept-Encoding": "gzip", "If-None-Match": field}
            )
            assert (answer.status_code, answer.headers["ETag"], answer.data) == (304, tag, b"")
    answer = reader.get("/atom.xml", headers={"Accept-Encoding": "gzip", "If-None-Match": "*"})
    assert (answer.status_code, answer.headers["ETag"].endswith('-gzip"')) == (304, True)


def test_a_query_makes_no_other_document(newsroom: Newsroom, reader: Person) -> None:
    plain = reader.get("/atom.xml")
    busted = reader.get("/atom.xml?nocache=1764000000")
    assert (busted.status_code, busted.data, busted.headers["ETag"]) == (
        200,
        plain.data,
        plain.headers["ETag"],
    )
    assert busted.headers["Link"] == f'<{BASE_URL}/atom.xml>; rel="self"'


def test_a_feed_can_only_be_read(newsroom: Newsroom, reader: Person) -> None:
    for method, status in (("POST", 405), ("PUT", 405), ("DELETE", 405), ("OPTIONS", 204)):
        answer = reader.client.open("/atom.xml", method=method, base_url=BASE_URL)
        assert (answer.status_code, answer.headers["Allow"]) == (status, "GET, HEAD, OPTIONS")
        assert len(answer.data) < 100


def test_an_address_that_is_not_ascii_is_one(newsroom: Newsroom, reader: Person) -> None:
    newsroom.post(tags=("Überschwemmung", "\u092c\u093e\u0922\u093c"))
    for _ in range(2):
        assert "River rising" in reader.get("/tags/überschwemmung/feed.json").text
        assert "River rising" in reader.get("/tags/\u092c\u093e\u0922\u093c/feed.json").text
    assert "River rising" in reader.get("/tags/\u092c\u093e\u0922\u093c").text
    assert reader.get("/tags/%FF/feed.json").status_code == 404


def test_an_archive_that_has_a_newer_version_leads_there(
    newsroom: Newsroom, reader: Person
) -> None:
    for number in range(51):
        newsroom.post(title=f"Entry {number}")
    feed = reader.get("/streams/floods/feed.json").json
    path = feed["next_url"].removeprefix(BASE_URL)
    archive = reader.get(path)
    assert (archive.status_code, "max-age=3600" in archive.headers["Cache-Control"]) == (200, True)
    folder, _, name = path.rpartition("/")
    moved = reader.get(f"{folder.partition('-')[0]}-1/{name}")
    assert (moved.status_code, moved.location, moved.headers["Cache-Control"]) == (
        302,
        feed["next_url"],
        "public, max-age=60",
    )


def test_a_feed_of_no_story_is_not_found_and_one_of_a_deleted_story_gone(
    newsroom: Newsroom, reader: Person
) -> None:
    assert reader.get("/streams/nothing/atom.xml").status_code == 404
    for state, status in ((StreamState.HIDDEN, 404), (StreamState.DELETED, 410)):
        set_stream_state(newsroom.db, newsroom.actor, "floods", state)
        answer = reader.get("/streams/floods/atom.xml", headers={"If-None-Match": "*"})
        assert (answer.status_code, answer.mimetype) == (status, "text/plain")
        assert len(answer.data) < 100
