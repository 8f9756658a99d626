"""Writing feeds: ours beside feedgen with its dc and media extensions, the same entries, in one
process.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from statistics import median
from time import process_time
from typing import NamedTuple

from feedgen.feed import FeedGenerator  # type: ignore[import-untyped]

from feeds.cache.renderer import Renderer
from feeds.document.feed_document import FeedDocument, FeedEntry, Format, Image, Person, Source, Tag

ENTRIES = 50
CHARACTERS = 3_000
ROUNDS = 15
NOON = datetime(2026, 3, 14, 12, tzinfo=UTC)
HOST = "https://news.example"


class RenderingRow(NamedTuple):
    """One comparison; ``ratio`` is ours to the peer's, ``target`` the most that it may be."""

    name: str
    ours_ms: float
    peer_ms: float
    ratio: float
    target: float


def rows() -> list[RenderingRow]:
    """Measured in turn with the peer's, so that what else the machine does falls on both; takes a
    few seconds.
    """
    stream = document("flood")
    site = document("")
    cold = f"Atom + RSS of {ENTRIES} entries, none of them kept"
    warm = "one new entry: Atom, RSS and JSON of its stream and of the site"
    return [
        _row(cold, lambda _: _cold(stream), stream, 2.0),
        _row(warm, _Warm(stream, site), stream, 3.0),
    ]


def _row(name: str, ours: Callable[[int], None], peer: FeedDocument, target: float) -> RenderingRow:
    times: list[tuple[float, float]] = []
    for number in range(ROUNDS + 1):
        our_time = _seconds(partial(ours, number))
        times.append((our_time, _seconds(partial(feedgen_alone, peer))))
    del times[0]  # the first also imports
    ours_ms = 1000 * median(our_time for our_time, _ in times)
    peer_ms = 1000 * median(peer_time for _, peer_time in times)
    ratio = median(our_time / peer_time for our_time, peer_time in times)
    return RenderingRow(name, ours_ms, peer_ms, ratio, target)


def _seconds(job: Callable[[], object]) -> float:
    start = process_time()
    job()
    return process_time() - start


def _cold(feed: FeedDocument) -> None:
    render = Renderer()
    render(feed, Format.ATOM)
    render(feed, Format.RSS)


class _Warm:
    """Each call brings one new entry to documents that were written before."""

    def __init__(self, *documents: FeedDocument) -> None:
        self._documents = documents
        self._render = Renderer()
        self(0)

    def __call__(self, number: int) -> None:
        for feed in self._documents:
            fresh = replace(feed, entries=(entry(ENTRIES + number), *feed.entries[:-1]))
            for fmt in Format:
                self._render(fresh, fmt)


def feedgen_alone(document: FeedDocument) -> tuple[bytes, bytes]:
    """Atom and RSS as one would write them with feedgen and what comes with it."""
    feed = FeedGenerator()
    feed.load_extension("dc")
    feed.load_extension("media")
    feed.id(document.id)
    feed.title(document.title)
    feed.subtitle(document.dek)
    feed.updated(document.updated)
    feed.link(href=document.self_url(Format.ATOM), rel="self")
    feed.link(href=document.page_url, rel="alternate")
    for entry in document.entries:
        item = feed.add_entry(order="append")
        item.id(entry.id)
        item.title(entry.title)
        item.published(entry.published)
        item.updated(entry.updated)
        item.link(href=entry.url)
        item.author([{"name": person.name} for person in entry.authors])
        item.dc.dc_creator([person.name for person in entry.authors])
        item.summary(entry.dek)
        item.content(entry.content_html, type="html")
        item.category(
            [{"term": tag.slug, "scheme": tag.url, "label": tag.label} for tag in entry.tags]
        )
        for image in entry.images:
            item.media.content(
                url=image.url,
                type=image.media_type,
                fileSize=str(image.length),
                medium="image",
                group=None,
            )
    return feed.atom_str(pretty=True), feed.rss_str(pretty=True)


def document(name: str) -> FeedDocument:
    """The feed of a stream; of the site where the name is empty."""
    folder = f"{HOST}/streams/{name}/" if name else f"{HOST}/"
    entries = tuple(entry(number) for number in range(ENTRIES))
    source = Source("urn:x-stream:flood", "Flood", f"{HOST}/streams/flood", NOON)
    return FeedDocument(
        id=f"urn:x-feed:{name}",
        title="Flood in the valley",
        folder_url=folder,
        page_url=folder.rstrip("/"),
        language="en",
        updated=NOON,
        changed=NOON,
        site=Person("News", f"{HOST}/"),
        dek="What we know, as it comes in",
        entries=entries,
        sources=() if name else (source,),
    )


def entry(number: int) -> FeedEntry:
    """The same every time."""
    sentence = (
        f"<p>At {number} metres the <strong>river</strong> passed the mark &amp; went on rising,"
        " said the town.</p>\n"
    )
    time = NOON + timedelta(minutes=number)
    page = f"{HOST}/streams/flood/entries/{number}"
    return FeedEntry(
        id=f"urn:x-entry:{number}",
        url=page,
        title=f"River passes {number} metres",
        published=time,
        updated=time,
        language="en",
        dek="The town asks people near the bank to leave",
        content_html=sentence * (CHARACTERS // len(sentence)),
        authors=(
            Person("Ines Ölander", f"{HOST}/contributors/ines"),
            Person("Jory Tan", f"{HOST}/contributors/jory"),
        ),
        tags=(Tag("river", "River", f"{HOST}/tags/river"),),
        images=(
            Image(
                f"{page}.jpeg",
                "image/jpeg",
                81_234,
                1200,
                800,
                "A bridge under water",
                "Ines Ölander",
            ),
        ),
        stream="urn:x-stream:flood",
    )
