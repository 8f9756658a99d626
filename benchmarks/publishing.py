"""The cost of a change until readers have it, in all documents and processes; and memory."""

import json
import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from random import choices
from statistics import median
from time import process_time
from typing import cast

import requests
from sqlalchemy import Table, insert, select, update

from benchmarks.feed_rendering import feedgen_alone
from benchmarks.process import core, free_port, output, started
from benchmarks.site import STREAM, Site, temporary_site
from benchmarks.table import Row
from config.keys import Keys
from feeds.cache.cached_feeds import CachedFeeds
from feeds.cache.cached_response import CachedResponse
from feeds.cache.changes import read_changes
from feeds.cache.encodings import CODINGS
from feeds.cache.response_cache import ResponseCache
from feeds.document.feed_address import FeedTopic, Scope
from feeds.document.feed_document import Format
from feeds.document.load import FeedLoader
from models import Entry, Revision, Stream
from models import Site as SiteRow
from models.streams.streams import StreamText, add_stream
from web import create_app

POSTS = 15
FEW = 100  # entries of a short stream
MANY = 100_000
STREAMS = 1_000
ENTRIES_PER_STREAM = 20
FILES = [fmt.file_name for fmt in Format]
_SENTENCE = (
    "At {} metres the **river** passed the mark and went on rising, said the town's own watch."
)
# 3 kB as HTML.
BODY = "\n\n".join(map(_SENTENCE.format, range(36)))
# Compresses about as well as words do.
WORDS = [f"{number:x}" for number in range(0x10000, 0x10000 + 2_000)]


class _Quiet:
    def report(self, what: str, exc: Exception) -> None:
        raise SystemExit(f"{what}: {exc}") from exc

    def over(self, what: str) -> None:
        """Nothing was wrong."""


class _Watched:
    def is_alive(self) -> bool:
        return True

    def wake(self) -> None:
        """The benchmark looks itself."""


def rows() -> list[Row]:
    """A minute."""
    with temporary_site() as site:
        return [
            _all_documents(site),
            _long_stream(site),
            _long_page(site),
            _two_processes(site),
            _memory(site),
        ]


def _response_cache(site: Site) -> ResponseCache:
    cache = ResponseCache(
        CachedFeeds(site.db, site.settings),
        partial(read_changes, site.db),
        max_bytes=64_000_000,
        threads=2,
        outages=_Quiet(),
    )
    cache.watcher = _Watched()
    return cache


def _all_documents(site: Site) -> Row:
    """From a commit until each document that readers ask for has its new bytes, uncompressed;
    beside feedgen's two documents.
    """
    for number in range(50):
        site.post(f"Entry {number}", BODY)
    cache = _response_cache(site)
    paths = [f"{folder}/{name}" for folder in ("", f"/streams/{STREAM}") for name in FILES]
    loader = FeedLoader(site.db, site.settings)
    document = loader.load(FeedTopic(Scope.STREAM, STREAM))
    ours, peer = _turns(
        lambda: _renew(cache, paths),
        lambda: feedgen_alone(document),
        lambda number: site.post(f"Post {number}", BODY),
    )
    texts = [_load(cache, path).body() for path in paths]
    for coding in ("gzip", "br"):
        took = _seconds(partial(_encode_all, coding, texts))
        print(
            f"beside it: {coding} of all {len(texts)}, once, where a reader asked for it:"
            f" {took * 1000:.0f} ms",
            flush=True,
        )
    return Row(
        f"post to all {len(paths)} documents of stream and site",
        ours,
        peer,
        "ms CPU",
        "feedgen, Atom + RSS",
        most=3,
    )


def _long_stream(site: Site) -> Row:
    caches: dict[int, ResponseCache] = {}
    took: dict[int, list[float]] = {}
    for number in (FEW, MANY):
        add_stream(site.db, site.actor, f"s{number}", StreamText(f"With {number}"))
        site.post("The first", BODY, f"s{number}")
        _fill(site, {f"s{number}": number})
        caches[number] = _response_cache(site)
    for turn in range(POSTS):
        for number, cache in caches.items():
            site.post(f"Post {turn}", BODY, f"s{number}")
            paths = [f"/streams/s{number}/{name}" for name in FILES]
            took.setdefault(number, []).append(_seconds(partial(_renew, cache, paths)) * 1000)
    return Row(
        f"the same for a stream of {MANY:,} entries",
        took[MANY][2:],
        took[FEW][2:],
        "ms CPU",
        f"one of {FEW}",
        most=1.2,
    )


def _long_page(site: Site) -> Row:
    """The page of a story, made anew: in the streams that `_long_stream` filled."""
    app = create_app(
        site.settings, Keys("of a benchmark, which signs nothing"), site.db, ring=lambda: None
    )
    cache = app.extensions["storywire"].response_cache
    took: dict[int, list[float]] = {}
    cache.watcher = _Watched()
    for turn in range(POSTS):
        for number in (FEW, MANY):
            site.post(f"Shown {turn}", BODY, f"s{number}")
            took.setdefault(number, []).append(
                _seconds(partial(_renew, cache, [f"/streams/s{number}"])) * 1000
            )
    return Row(
        f"the page of a stream of {MANY:,} entries",
        took[MANY][2:],
        took[FEW][2:],
        "ms CPU",
        f"of one of {FEW}",
        most=1.2,
    )


def _encode_all(coding: str, texts: list[bytes]) -> list[bytes]:
    return [CODINGS[coding](text) for text in texts]


def _renew(cache: ResponseCache, paths: list[str]) -> None:
    cache.check_for_changes()
    for path in paths:
        _load(cache, path)


def _load(cache: ResponseCache, path: str) -> CachedResponse:
    response = cache.get_fresh(path) or cache.get(path)
    assert isinstance(response, CachedResponse), f"{path}: {response}"
    return response


def _turns(
    ours: Callable[[], object], peer: Callable[[], object], change: Callable[[int], object]
) -> tuple[list[float], list[float]]:
    took: list[tuple[float, float]] = []
    for number in range(POSTS + 2):
        change(number)
        took.append((_seconds(ours) * 1000, _seconds(peer) * 1000))
    # the first ones also import, and read all entries
    return [own for own, _ in took[2:]], [other for _, other in took[2:]]


def _seconds(job: Callable[[], object]) -> float:
    start = process_time()
    job()
    return process_time() - start


def _fill(site: Site, numbers: dict[str, int]) -> None:
    """Entries as the one that is there, in one transaction: one post each would take longer than
    all benchmarks.
    """
    entry_table = cast(Table, Entry.__table__)
    revision_table = cast(Table, Revision.__table__)
    with site.db.begin() as tx:
        seq = tx.scalar(select(SiteRow.seq)) or 0
        like = dict(
            tx.execute(
                select(entry_table).where(Entry.seq.is_not(None)).order_by(Entry.id.desc()).limit(1)
            )
            .mappings()
            .one()
        )
        published = dict(
            tx.execute(
                select(revision_table).where(
                    revision_table.c.entry_id == like.pop("id"), revision_table.c.no == 1
                )
            )
            .mappings()
            .one()
        )
        published.pop("id")
        for slug, number in numbers.items():
            stream = tx.scalar(select(Stream.id).where(Stream.slug == slug))
            entries = []
            for place in range(number):
                time_of_entry = like["published_at"] - timedelta(seconds=number - place)
                times = dict.fromkeys(
                    ("published_at", "updated_at", "created_at", "changed_at"), time_of_entry
                )
                uid, html = uuid.uuid4().hex, f"<p>{' '.join(choices(WORDS, k=500))}</p>"
                own = {
                    "uid": uid[:12],
                    "guid": f"urn:uuid:{uid}",
                    "stream_id": stream,
                    "seq": seq + place + 1,
                    "body_html": html,
                }
                entries.append({**like, **times, **own})
            seq += number
            tx.execute(insert(entry_table), entries)
            ids = tx.execute(
                select(Entry.id, Entry.published_at)
                .where(Entry.stream_id == stream)
                .order_by(Entry.id)
                .offset(1)
            )
            dates = ("created_at", "apply_at", "applied_at")
            tx.execute(
                insert(revision_table),
                [{**published, "entry_id": id_, **dict.fromkeys(dates, at)} for id_, at in ids],
            )
            tx.execute(
                update(Stream)
                .where(Stream.id == stream)
                .values(
                    seq=seq, last_entry_at=like["published_at"], published=Stream.published + number
                )
            )
        tx.execute(update(SiteRow).values(seq=seq))


def _two_processes(site: Site) -> Row:
    """From the commit until a reader of either process gets the post; the slower one."""
    took = []
    with ExitStack() as stack:
        ports = [free_port(), free_port()]
        for port in ports:
            variables = {**site.settings.environment(), "STORYWIRE_PORT": str(port)}
            stack.enter_context(
                started(
                    "benchmarks.web_process",
                    "web.wsgi:app",
                    port=port,
                    environment=variables,
                    cores=core(0),
                )
            )
        sessions = {port: stack.enter_context(requests.Session()) for port in ports}
        for port, session in sessions.items():
            session.get(f"http://127.0.0.1:{port}/streams/{STREAM}/atom.xml", timeout=10)
        for number in range(POSTS):
            title = f"Seen {number}"
            site.post(title, BODY)
            began = time.perf_counter()
            for port, session in sessions.items():
                while (
                    f"{title}<".encode()
                    not in session.get(
                        f"http://127.0.0.1:{port}/streams/{STREAM}/atom.xml", timeout=10
                    ).content
                ):
                    pass
            took.append((time.perf_counter() - began) * 1000)
    print(
        f"beside it: posts were served by both of two processes after {median(took):.0f} ms, the"
        f" slowest of {POSTS}: {max(took):.0f}",
        flush=True,
    )
    return Row(
        "a post in the slower of two processes, slowest of all",
        [max(took)],
        [300.0],
        "ms",
        "the promise",
        most=1,
    )


def _memory(site: Site) -> Row:
    slugs = [f"m{number}" for number in range(STREAMS)]
    for slug in slugs:
        add_stream(site.db, site.actor, slug, StreamText(slug))
    _fill(site, dict.fromkeys(slugs, ENTRIES_PER_STREAM))
    grown, documents, size = json.loads(
        output("benchmarks.cache_memory", str(site.settings.data_dir), str(STREAMS))
    )
    print(
        f"beside it: {documents:,} of {STREAMS * 3:,} documents, {size / 1e6:.0f} MB by the"
        " cache's own count",
        flush=True,
    )
    return Row(
        f"memory of {STREAMS:,} streams, all formats, all asked for",
        [grown / 1e6],
        [64.0],
        "MB",
        "shelf_megabytes",
    )
