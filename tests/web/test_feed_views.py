"""Feeds over HTTP; what stands in them has its tests with the feeds."""

import json

import pytest

from models import StreamState
from models.streams import set_stream_state
from tests.conftest import Newsroom, StandingClock
from tests.web.conftest import BASE_URL, Person

TYPES = {"atom.xml": "application/atom+xml", "rss.xml": "application/rss+xml", "feed.json": "application/feed+json"}


@pytest.mark.parametrize("folder", ["", "/streams/floods"])
@pytest.mark.parametrize("name", TYPES)
def test_a_feed_is_sent_once_and_then_only_confirmed(folder: str, name: str, newsroom: Newsroom, reader: Person, clock: StandingClock) -> None:
    newsroom.post()
    clock.forward(seconds=1)
    first = reader.get(f"{folder}/{name}")
    assert (first.status_code, first.mimetype) == (200, TYPES[name])
    assert b"River rising" in first.data
    assert "Set-Cookie" not in first.headers and first.headers["Vary"] == "Accept-Encoding"
    for condition in ({"If-None-Match": first.headers["ETag"]}, {"If-Modified-Since": first.headers["Last-Modified"]}):
        again = reader.get(f"{folder}/{name}", headers=condition)
        assert (again.status_code, again.data) == (304, b"")
        for header in ("ETag", "Cache-Control", "Vary", "Link"):
            assert again.headers[header] == first.headers[header]
    head = reader.client.head(f"{folder}/{name}", base_url=BASE_URL)
    assert (head.status_code, head.data, head.headers["ETag"]) == (200, b"", first.headers["ETag"])
    newsroom.post(title="River falling")
    assert reader.get(f"{folder}/{name}", headers={"If-None-Match": first.headers["ETag"]}).status_code == 200


def test_the_feed_does_not_believe_the_host(newsroom: Newsroom, reader: Person) -> None:
    newsroom.post()
    feed = json.loads(reader.client.get("/streams/floods/feed.json", base_url="https://evil.example").text)
    assert feed["feed_url"] == f"{BASE_URL}/streams/floods/feed.json"


def test_a_feed_of_no_story_is_not_found_and_one_of_a_deleted_story_gone(newsroom: Newsroom, reader: Person) -> None:
    assert reader.get("/streams/nothing/atom.xml").status_code == 404
    for state, status in ((StreamState.HIDDEN, 404), (StreamState.DELETED, 410)):
        set_stream_state(newsroom.db, newsroom.actor, "floods", state)
        assert reader.get("/streams/floods/atom.xml").status_code == status
