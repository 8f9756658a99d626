"""Cached responses are loaded once for each change, right under threads, and served on when making
fails.
"""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial

import psycopg
import pytest

from config.settings import load_settings
from feeds.cache.cached_feeds import CachedFeeds
from feeds.cache.cached_response import OVERHEAD_BYTES, CachedResponse, FinishedResponse, Rendered
from feeds.cache.change_watcher import ChangeWatcher
from feeds.cache.changes import read_changes
from feeds.cache.encodings import CODINGS, choose
from feeds.cache.response_cache import (
    RECENT_SECONDS,
    RETRY_SECONDS,
    UNAVAILABLE,
    PublicChanges,
    ResponseCache,
)
from models.db.database import Database, open_database
from tests.support.clock import StandingClock
from tests.support.newsroom import Newsroom

PATIENCE = 10.0  # seconds that a thread may take on a busy machine
NOON = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)
A, B, SITE = "/a", "/b", "/"


class Heard:
    """What went wrong, as it would be logged."""

    def __init__(self) -> None:
        self.reported: list[str] = []

    def report(self, what: str, exc: Exception) -> None:
        self.reported.append(f"{what}: {exc}")

    def over(self, what: str) -> None:
        pass


class Source:
    """Two streams and a page about both, with counters as the tables have them; counts what is read
    and rendered.
    """

    def __init__(self) -> None:
        self.site, self.streams, self.text = 1, {A: 1, B: 1}, {A: "a", B: "b", SITE: "all"}
        self.now, self.changed, self.valid_until = NOON.timestamp() + 60, NOON, None
        self.read: list[str] = []
        self.rendered: list[str] = []
        self.during_render: Callable[[], object] = lambda: None
        self.heard = Heard()
        self.cache = self.another()

    def another(self, max_bytes: int = 1_000_000, threads: int = 4) -> ResponseCache:
        return ResponseCache(
            self.loader_of,
            self.changes_since,
            max_bytes=max_bytes,
            threads=threads,
            outages=self.heard,
            clock=lambda: self.now,
        )

    def change(self, path: str, text: str | None = None) -> None:
        self.site += 1
        if path in self.streams:
            self.streams[path] = self.site
        self.text[path] = text or f"{path}{self.site}"

    def changes_since(self, since: int) -> PublicChanges | None:
        moved = {
            path: seq
            for path, seq in self.streams.items()
            if seq > (since if since < self.site else 0)
        }
        return PublicChanges(self.site, moved) if self.site != since else None

    def loader_of(self, path: str) -> Callable[[bool], Rendered | FinishedResponse] | None:
        return partial(self.load, path) if path.startswith("/") else None

    def load(self, path: str, reread: bool) -> Rendered | FinishedResponse:
        self.read.append(path)
        if path not in self.text:
            return FinishedResponse("404 Not Found", "nothing")
        text, stream = self.text[path], path if path in self.streams else None
        seq = self.streams.get(path, self.site)

        def render() -> bytes:
            self.rendered.append(path)
            self.during_render()
            return text.encode()

        return Rendered(
            render=render, fingerprint=text, content_type="text/plain",
            cache_control="max-age=60", changed=self.changed, seq=seq,
            stream=stream, valid_until=self.valid_until,
        )  # fmt: skip

    def serves(self, path: str) -> str:
        found = self.cache.get_fresh(path) or self.cache.get(path)
        assert isinstance(found, CachedResponse)
        return found.body().decode()


class Alive:
    """A watcher that is there, and looks only when the test does."""

    def is_alive(self) -> bool:
        return True

    def wake(self) -> None:
        pass


@pytest.fixture
def source() -> Source:
    source = Source()
    source.cache.watcher = Alive()
    return source


@pytest.fixture
def held(source: Source) -> Iterator["Held"]:
    held = Held()
    yield held
    held.go.set()


class Held:
    """Stops a render halfway."""

    def __init__(self) -> None:
        self.there, self.go = threading.Event(), threading.Event()

    def __call__(self) -> None:
        self.there.set()
        assert self.go.wait(PATIENCE)


@contextmanager
def behind(source: Source, held: Held, path: str) -> Iterator[Callable[[], str]]:
    """Another thread that asks for a document, and is held while it renders it."""
    source.during_render = held
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(source.serves, path)
        assert held.there.wait(PATIENCE)
        source.during_render = lambda: None
        yield lambda: (held.go.set(), answer.result(PATIENCE))[1]


def test_only_what_a_change_concerns_is_made_again_and_only_what_differs_is_rendered(
    source: Source,
) -> None:
    for path in (A, B, SITE, A, B, SITE):
        source.serves(path)
    assert source.rendered == [A, B, SITE], "a hit makes nothing"
    source.change(A, "a, longer")
    assert source.serves(A) == "a", "nobody has looked yet"
    source.cache.check_for_changes()
    assert [source.serves(path) for path in (A, B, SITE)] == ["a, longer", "b", "all"]
    assert source.read[3:] == [A, SITE], "b's stream did not move"
    assert source.rendered[3:] == [A], "the page about all reads the same"
    source.cache.check_for_changes()
    assert [source.serves(path) for path in (A, B, SITE)] == ["a, longer", "b", "all"]
    assert len(source.read) == 5


def test_two_changes_during_one_render_never_leave_the_older_there(
    source: Source, held: Held
) -> None:
    with behind(source, held, A) as answer:
        for text in ("second", "third"):
            source.change(A, text)
            source.cache.check_for_changes()
        assert answer() == "a"
    assert source.serves(A) == "third"
    assert source.rendered == [A, A]


def test_many_readers_of_one_document_wait_for_one_that_makes_it(
    source: Source, held: Held
) -> None:
    with behind(source, held, A) as answer, ThreadPoolExecutor(8) as pool:
        others = [pool.submit(source.serves, A) for _ in range(8)]
        assert source.serves(B) == "b", "another document waits for nobody"
        assert {answer(), *(other.result(PATIENCE) for other in others)} == {"a"}
    assert source.rendered == [A, B]


def test_a_failed_render_keeps_the_last_good_response_and_is_logged_and_counted(
    source: Source,
) -> None:
    source.serves(A)
    source.change(A)
    source.cache.check_for_changes()

    def fail() -> None:
        raise ValueError("a bad entry")

    source.during_render = fail
    assert source.serves(A) == source.serves(A) == "a"
    assert source.heard.reported == ["making /a: a bad entry"]
    assert source.cache.failures == 1, "not tried again at each request"
    assert source.cache.get("/new") == FinishedResponse("404 Not Found", "nothing")
    source.during_render = lambda: None
    source.now += RETRY_SECONDS
    assert source.serves(A) == "/a2"


def test_while_one_reader_waits_for_a_database_that_hangs_the_others_get_the_old_one(
    source: Source, held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("feeds.cache.response_cache.WAIT_SECONDS", 0.001)
    source.cache = source.another(threads=1)
    source.cache.watcher = Alive()
    for path in (A, B):
        source.serves(path)
        source.change(path, "new")
    source.cache.check_for_changes()
    with behind(source, held, A) as answer:
        for path, text in ((A, "a"), (B, "b")):
            assert source.serves(path) == source.serves(path) == text
            assert source.cache.get_fresh(path), "nobody waits for the next second"
        assert answer() == "new"
    assert source.serves(A) == "new"


def test_while_the_database_is_away_what_is_there_is_served_and_nothing_else(
    source: Source,
) -> None:
    source.serves(A)

    def away(*_: object) -> None:
        raise ConnectionError("refused")

    source.text = None  # type: ignore[assignment]
    assert source.serves(A) == "a"
    assert source.cache.get(B) is UNAVAILABLE
    assert len(source.heard.reported) == 1
    unwatched = source.another()
    unwatched._changes_since = away  # type: ignore[assignment]
    assert unwatched.get(B) is UNAVAILABLE


def test_time_alone_can_make_a_document_another(source: Source) -> None:
    source.valid_until = datetime.fromtimestamp(source.now + 5, UTC)
    source.serves(A)
    source.now += 4.9
    source.text[A], source.valid_until = "after", None
    assert source.serves(A) == "a"
    source.now += 0.1
    assert source.serves(A) == "after"


def test_last_modified_is_omitted_within_its_second_and_never_goes_back(source: Source) -> None:
    def date() -> str | None:
        found = source.cache.get_fresh(A) or source.cache.get(A)
        assert isinstance(found, CachedResponse)
        whole, unchanged = (
            dict(source.cache.encode(found, "identity").headers),
            dict(found.not_modified[found.tags["identity"]]),
        )
        assert whole.get("Last-Modified") == unchanged.get("Last-Modified")
        return whole.get("Last-Modified")

    source.now = NOON.timestamp() + 0.9
    assert date() is None
    source.now += 0.2
    assert date() == "Sat, 14 Mar 2026 12:00:00 GMT"
    assert source.rendered == [A], "the same bytes"
    source.change(A)
    source.changed = datetime(2026, 3, 14, 11, tzinfo=UTC)
    source.cache.check_for_changes()
    assert date() == "Sat, 14 Mar 2026 12:00:00 GMT"
    assert source.rendered == [A, A]


def test_memory_is_bounded_and_the_least_recently_used_response_is_evicted(source: Source) -> None:
    size = 2_000 + OVERHEAD_BYTES
    cache = source.cache = source.another(max_bytes=8 * size)
    cache.watcher = Alive()
    for number in range(9):
        source.text[f"/{number}"] = str(number) * 2_000
        source.now += 1
        source.serves(f"/{number}")
        source.serves("/0")
    assert len(cache) == 7 and cache.bytes == 7 * size
    assert cache.get_fresh("/0") and cache.get_fresh("/8") and not cache.get_fresh("/1")
    source.text["/large"] = "x" * 8 * size
    assert source.serves("/large") == source.text["/large"]
    assert len(cache) == 7 and not cache.get_fresh("/large")
    found = cache.get_fresh("/8")
    assert found
    plain = found.body()
    cache.encode(found, "gzip")
    assert cache.bytes == 7 * size - 2_000 + len(found.copies["gzip"].chunks[0]), (
        "what leads back to the rest is enough"
    )
    for coding in ("br", "identity"):
        cache.encode(found, coding)
        assert found.body() == plain


def test_the_watcher_makes_again_what_was_asked_for_lately_and_in_the_codings_asked_for(
    source: Source,
) -> None:
    source.text["/once"] = "read by a robot"
    source.serves(B)
    source.now += RECENT_SECONDS
    for path in (SITE, A, "/once", SITE, A):
        source.now += 1
        source.serves(path)
    found = source.cache.get_fresh(A)
    assert found
    source.cache.encode(found, "br")
    for path in (A, B, SITE):
        source.change(path)
    source.cache.check_for_changes()
    assert source.cache.paths_to_refresh() == [A, SITE]
    source.cache.refresh(A)
    assert source.cache.paths_to_refresh() == [SITE]
    again = source.cache.get_fresh(A)
    assert again and set(again.copies) == {"br"}
    source.cache.refresh(SITE)
    source.now += 1
    source.change(SITE)
    source.cache.check_for_changes()
    assert source.cache.paths_to_refresh() == [], "nobody has read it since"
    source.serves(SITE)
    source.now += 1
    source.serves(SITE)
    source.change(SITE)
    source.cache.check_for_changes()
    assert source.cache.paths_to_refresh() == [SITE]


def test_a_reader_may_take_an_old_document_in_another_coding_while_its_next_is_compressed(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    source.serves(A)
    old = source.cache.get_fresh(A)
    assert old is not None
    source.cache.encode(old, "br")

    def compress(body: bytes) -> bytes:
        source.cache.encode(old, "gzip")
        return CODINGS["br"](body)

    monkeypatch.setattr("feeds.cache.cached_response.CODINGS", {**CODINGS, "br": compress})
    source.change(A, "new")
    source.cache.check_for_changes()
    assert (source.serves(A), source.heard.reported) == ("new", [])


def test_a_document_that_is_no_more_leaves(source: Source) -> None:
    source.serves(A)
    source.change(A)
    del source.text[A]
    source.cache.check_for_changes()
    assert isinstance(source.cache.get(A), FinishedResponse)
    assert (len(source.cache), source.cache.bytes) == (0, 0)


def test_a_database_that_went_back_empties_the_cache(source: Source) -> None:
    source.change(A)
    source.cache.check_for_changes()
    source.serves(A)
    source.site = source.streams[A] = 1
    source.text[A] = "restored"
    source.cache.check_for_changes()
    assert source.serves(A) == "restored"


@pytest.mark.parametrize(
    ("field", "coding"),
    [
        (None, "identity"),
        ("", "identity"),
        ("gzip, deflate, br", "br"),
        ("gzip, deflate", "gzip"),
        ("X-GZIP", "gzip"),
        ("br;q=0.5, gzip;q=0.9", "gzip"),
        ("gzip;q=0.5, identity", "identity"),
        ("gzip;q=0", "identity"),
        ("br;q=0, *", "gzip"),
        ("identity;q=0, *", "br"),
        ("*;q=0", "identity"),
        ("identity;q=0", "identity"),
        ("gzip;q=nonsense", "identity"),
        ("gzip;q=nan, br;q=7", "identity"),
        (";;,=", "identity"),
        ("zstd" + ", br" * 1000, "br"),
    ],
)
def test_the_coding_is_the_best_that_the_reader_takes(field: str | None, coding: str) -> None:
    assert choose(field) == coding


def test_compressing_gives_the_same_bytes_at_any_time(monkeypatch: pytest.MonkeyPatch) -> None:
    def at(moment: float) -> list[bytes]:
        monkeypatch.setattr(time, "time", lambda: moment)
        return [encode(b"a" * 1000) for encode in CODINGS.values()]

    assert at(0) == at(1e9)


@pytest.fixture
def process(db: Database) -> Iterator[Callable[[], ResponseCache]]:
    """A cache with its watcher over a connection of its own, as each process has them."""
    opened: list[tuple[ChangeWatcher, Database]] = []

    def start() -> ResponseCache:
        own = open_database(db.engine.url.render_as_string(hide_password=False))
        settings = load_settings(base_url="https://news.example.org")
        cache = ResponseCache(
            CachedFeeds(own, settings),
            partial(read_changes, own),
            max_bytes=1_000_000,
            threads=1,
            outages=Heard(),
        )
        watcher = ChangeWatcher(own, cache, Heard())
        watcher.start()
        opened.append((watcher, own))
        return cache

    yield start
    for watcher, own in opened:
        watcher.close()
        assert not watcher.is_alive()
        own.engine.dispose()


def until_served(cache: ResponseCache, path: str, text: bytes) -> float:
    """Seconds until a reader gets that text."""
    began = time.monotonic()
    while True:
        found = cache.get_fresh(path) or cache.get(path)
        assert isinstance(found, CachedResponse)
        if text in found.body():
            return time.monotonic() - began
        assert time.monotonic() < began + PATIENCE, f"{text!r} was not served"
        time.sleep(0.002)


def test_every_process_serves_a_change_within_300_ms_and_asks_nothing_until_then(
    newsroom: Newsroom, process: Callable[[], ResponseCache], clock: StandingClock
) -> None:
    caches = [process(), process()]
    for cache in caches:
        for path in ("/streams/floods/atom.xml", "/feed.json"):
            until_served(cache, path, b"floods" if "streams" in path else b"Storywire")
    took = []
    for title in ("River rising", "River falling"):
        newsroom.post(title=title)
        took += [
            until_served(cache, path, title.encode())
            for cache in caches
            for path in ("/streams/floods/atom.xml", "/feed.json")
        ]
    assert sorted(took)[len(took) // 2] < 0.3
    assert max(took) < 1, "on a machine that does other things, too"


def test_the_watcher_outlives_whatever_befalls_it(
    sqlite_db: Database, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = threading.Event()

    def fail_once() -> list[str]:
        if source.heard.reported:
            again.set()
            return []
        raise MemoryError("no room")

    monkeypatch.setattr(source.cache, "paths_to_refresh", fail_once)
    watcher = ChangeWatcher(sqlite_db, source.cache, source.heard)
    watcher.start()
    assert again.wait(PATIENCE)
    watcher.close()
    assert source.heard.reported == ["keeping feeds fresh: no room"]


@pytest.mark.parametrize(
    "db", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True
)
def test_the_watcher_outlives_its_connection(
    newsroom: Newsroom, postgres_tables: str, process: Callable[[], ResponseCache]
) -> None:
    cache = process()
    until_served(cache, "/atom.xml", b"Storywire")
    with psycopg.connect(postgres_tables, autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname ="
            " current_database() AND pid <> pg_backend_pid()"
        )
    newsroom.post(title="River rising")
    until_served(cache, "/atom.xml", b"River rising")
