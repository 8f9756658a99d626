"""Cached pages are those that the application gives, only sooner, and while the database is
away.
"""

import gzip
import re
from concurrent.futures import ThreadPoolExecutor
from threading import BoundedSemaphore
from types import SimpleNamespace

import brotli
import pytest
from flask import Flask
from sqlalchemy import text

from models import RevisionKind, StreamState
from models.publishing.revising import Change, retract
from models.streams.contributors import add_contributor
from models.streams.streams import set_stream_state
from tests.support.clock import StandingClock
from tests.support.newsroom import Newsroom
from tests.support.web_person import BASE_URL, Person
from web.middleware.cache_layer import Count
from web.private_response import answer

PAGES = [
    "/",
    "/streams/floods",
    "/streams/floods/entries/{uid}",
    "/tags/überflutung",
    "/contributors/jory-pell",
]


def post(newsroom: Newsroom) -> str:
    return newsroom.post(tags=("Überflutung",), byline=("Jory Pell",)).uid


@pytest.mark.parametrize("path", PAGES)
def test_a_page_has_the_fields_that_the_application_gives_it_whether_sent_or_confirmed(
    path: str, newsroom: Newsroom, reader: Person, app: Flask
) -> None:
    path = path.format(uid=post(newsroom))
    kept, own = reader.get(path), reader.get(f"{path}?before=")
    assert len(app.extensions["cache_layer"].cache) == 1
    assert kept.data == own.data
    assert dict(kept.headers) == dict(own.headers) | {"Vary": "Accept-Encoding"}
    head = reader.client.head(path, base_url=BASE_URL)
    assert (head.data, dict(head.headers)) == (b"", dict(kept.headers))
    known = reader.get(path, headers={"If-None-Match": kept.headers["ETag"]})
    assert (known.status_code, known.data) == (304, b"")
    assert dict(known.headers) == {
        name: value
        for name, value in kept.headers
        if name not in {"Content-Type", "Content-Length"}
    }


def test_a_page_is_sent_as_small_as_the_reader_takes_it(newsroom: Newsroom, reader: Person) -> None:
    plain = reader.get("/streams/floods").data
    for coding, decode in (("gzip", gzip.decompress), ("br", brotli.decompress)):
        sent = reader.get("/streams/floods", headers={"Accept-Encoding": coding})
        assert sent.headers["Content-Encoding"] == coding and decode(sent.data) == plain


def test_a_page_that_nothing_changed_is_made_once(
    newsroom: Newsroom, reader: Person, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    newsroom.stream("drought")
    first = reader.get("/streams/floods").data
    monkeypatch.setitem(app.view_functions, "public.stream", lambda **_: answer("made again"))
    newsroom.post("drought")
    assert reader.get("/streams/floods").data == first, "another story moved"
    newsroom.post("floods")
    assert reader.get("/streams/floods").text == "made again"


def watch(app: Flask) -> None:
    """From now on documents are sent from memory, without a look at the database."""
    app.extensions["memory"].cache.watcher = SimpleNamespace(
        is_alive=lambda: True, wake=lambda: None
    )


@pytest.mark.parametrize(
    "path", [*PAGES, "/atom.xml", "/streams/floods/feed.json", "/streams/floods/live.json"]
)
def test_what_is_sent_from_memory_is_what_was_made_and_is_counted(
    path: str, newsroom: Newsroom, reader: Person, app: Flask, clock: StandingClock
) -> None:
    path = path.format(uid=post(newsroom))
    clock.forward(seconds=2)  # then it has its Last-Modified
    watch(app)
    memory = app.extensions["memory"]
    before = memory.sent.read(), memory.not_modified.read()
    made, sent = reader.get(path), reader.get(path)
    assert (sent.data, list(sent.headers)) == (made.data, list(made.headers))
    assert (
        sent.headers["Strict-Transport-Security"] == "max-age=31536000"
        and sent.headers["X-Content-Type-Options"] == "nosniff"
    )
    known = reader.get(path, headers={"If-None-Match": sent.headers["ETag"]})
    assert (
        known.status_code == 304
        and known.headers["Strict-Transport-Security"] == "max-age=31536000"
    )
    assert (memory.sent.read(), memory.not_modified.read()) == (before[0] + 1, before[1] + 1)
    assert len(sent.headers) == len({name for name, _ in sent.headers}), "each once"


@pytest.mark.parametrize("host", ["a.example, b.example", ""])
def test_from_memory_too_only_a_request_with_one_host_is_answered(
    newsroom: Newsroom, reader: Person, app: Flask, host: str
) -> None:
    watch(app)
    assert {reader.get("/atom.xml").status_code for _ in range(2)} == {200}
    assert reader.get("/atom.xml", headers={"Host": host}).status_code == 400


def test_a_count_that_threads_add_to_misses_nothing() -> None:
    number = Count()
    with ThreadPoolExecutor(4) as threads:
        for _ in threads.map(lambda _: [number.add() for _ in range(5_000)], range(8)):
            assert number.read() >= 5_000
    assert [number.read() for _ in range(3)] == [40_000] * 3


def test_while_too_many_wait_what_is_in_memory_is_sent_and_the_rest_refused(
    newsroom: Newsroom, reader: Person, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch(app)
    kept = {path: reader.get(path).data for path in ("/streams/floods", "/streams/floods/atom.xml")}
    others = ["/login", "/atom.xml", "/", "/streams/floods?before=5"]
    assert 503 not in {
        reader.get(path).status_code for path in ["/login", "/streams/floods?before=5"]
    }
    monkeypatch.setattr(app.extensions["overload"], "_free", BoundedSemaphore(0))
    assert {path: reader.get(path).data for path in kept} == kept
    assert reader.get("/healthz").text == "ok\n"
    for path in others:
        refused = reader.get(path)
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5"), path


def test_another_part_of_a_page_is_asked_of_the_application(
    newsroom: Newsroom, reader: Person, app: Flask
) -> None:
    for number in range(51):
        newsroom.post(title=f"Entry {number}")
    newest = reader.get("/streams/floods").text
    assert "Entry 50<" in newest and "Entry 0<" not in newest
    older = reader.get(re.search(r'href="([^"]+before=[^"]+)"', newest)[1])
    assert "Entry 50<" not in older.text and "Entry 0<" in older.text
    assert len(app.extensions["cache_layer"].cache) == 1


def test_while_the_database_is_away_pages_that_were_read_stay(
    newsroom: Newsroom, reader: Person
) -> None:
    warm = reader.get("/streams/floods").data
    newsroom.post()
    with newsroom.db.begin() as tx:
        tx.execute(text("ALTER TABLE entry RENAME TO away"))
    assert reader.get("/streams/floods").data == warm
    cold = reader.get("/")
    assert (cold.status_code, cold.headers["Retry-After"], cold.mimetype) == (503, "5", "text/html")


def test_gone_and_moved_pages_are_answered_by_the_application(
    newsroom: Newsroom, reader: Person, app: Flask
) -> None:
    entry = newsroom.post()
    path = f"/streams/floods/entries/{entry.uid}"
    assert reader.get(path).status_code == 200
    retract(
        newsroom.db,
        newsroom.actor,
        entry.uid,
        entry.version,
        Change(RevisionKind.RETRACTION, "It was wrong."),
    )
    gone = reader.get(path)
    assert gone.status_code == 410 and "It was wrong." in gone.text
    newsroom.stream("other")
    assert reader.get(f"/streams/other/entries/{newsroom.post().uid}").status_code == 301
    set_stream_state(newsroom.db, newsroom.actor, "floods", StreamState.HIDDEN)
    assert reader.get("/streams/floods").status_code == 404
    assert len(app.extensions["cache_layer"].cache) == 0


def test_pages_and_files_refuse_other_methods(reader: Person, newsroom: Newsroom) -> None:
    assert reader.post("/streams/floods", {}).mimetype == "text/html"
    assert reader.post("/streams/floods", {}).status_code == 405
    assert reader.post("/streams/floods/live.json", {}).headers["Allow"] == "GET, HEAD, OPTIONS"


def test_the_address_of_a_persons_own_page_shows_at_once(
    newsroom: Newsroom, reader: Person
) -> None:
    newsroom.post(byline=("Jory Pell",))
    assert "jory.example" not in reader.get("/contributors/jory-pell").text
    add_contributor(newsroom.db, newsroom.actor, "Jory Pell", url="https://jory.example/")
    assert "jory.example" in reader.get("/contributors/jory-pell").text
