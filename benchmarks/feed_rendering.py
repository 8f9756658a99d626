"""Writing feeds: ours beside feedgen with its dc and media extensions, the same entries, in one
process.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from statistics import median
from time import process_time
from typing import NamedTuple

from feedgen.feed import FeedGenerator

from feeds.cache.renderer import Renderer
from feeds.document.feed_document import FeedDocument, FeedEntry, Format, Image, Person, Source, Tag

ENTRIES, CHARACTERS, ROUNDS = 50, 3_000, 15
NOON = datetime(2026, 3, 14, 12, tzinfo=UTC)
HOST = "https://news.example"


class Row(NamedTuple):
    """One comparison; ``ratio`` is ours to the peer's, ``target`` the most that it may be."""

    name: str
    ours_ms: float
    peer_ms: float
    ratio: float
    target: float


def rows() -> list[Row]:
    """Measured in turn with the peer's, so that what else the machine does falls on both; takes a
    few seconds.
    """
    stream, site = document("flood"), document("")
    names = [
        (f"Atom + RSS of {ENTRIES} entries, none of them kept", lambda _: _cold(stream), 2.0),
        (
            "one new entry: Atom, RSS and JSON of its stream and of the site",
            _Warm(stream, site),
            3.0,
        ),
    ]
    return [_row(name, ours, stream, target) for name, ours, target in names]


def _row(name: str, ours: Callable[[int], None], peer: FeedDocument, target: float) -> Row:
    times: list[tuple[float, float]] = []
    for number in range(ROUNDS + 1):
        times.append((_seconds(lambda: ours(number)), _seconds(lambda: feedgen_alone(peer))))  # noqa: B023  # called at once
    del times[0]  # the first also imports
    mine, theirs = median(own for own, _ in times), median(other for _, other in times)
    return Row(
        name, mine * 1000, theirs * 1000, median(own / other for own, other in times), target
    )


def _seconds(job: Callable[[], object]) -> float:
    start = process_time()
    job()
    return process_time() - start


def _cold(given: FeedDocument) -> None:
    render = Renderer()
    render(given, Format.ATOM)
    render(given, Format.RSS)


class _Warm:
    """Each call brings one new entry to documents that were written before."""

    def __init__(self, *documents: FeedDocument) -> None:
        self._documents, self._render = documents, Renderer()
        self(0)

    def __call__(self, number: int) -> None:
        for given in self._documents:
            fresh = replace(given, entries=(entry(ENTRIES + number), *given.entries[:-1]))
            for fmt in Format:
                self._render(fresh, fmt)


def feedgen_alone(given: FeedDocument) -> tuple[bytes, bytes]:
    """Atom and RSS as one would write them with feedgen and what comes with it."""
    feed = FeedGenerator()
    feed.load_extension("dc")
    feed.load_extension("media")
    feed.id(given.id)
    feed.title(given.title)
    feed.subtitle(given.dek)
    feed.updated(given.updated)
    feed.link(href=given.self_url(Format.ATOM), rel="self")
    feed.link(href=given.page_url, rel="alternate")
    for one in given.entries:
        item = feed.add_entry(order="append")
        item.id(one.id)
        item.title(one.title)
        item.published(one.published)
        item.updated(one.updated)
        item.link(href=one.url)
        item.author([{"name": person.name} for person in one.authors])
        item.dc.dc_creator([person.name for person in one.authors])
        item.summary(one.dek)
        item.content(one.content_html, type="html")
        item.category(
            [{"term": tag.slug, "scheme": tag.url, "label": tag.label} for tag in one.tags]
        )
        for image in one.images:
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
    given = tuple(entry(number) for number in range(ENTRIES))
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
        entries=given,
        sources=() if name else (source,),
    )


def entry(number: int) -> FeedEntry:
    """The same every time."""
    sentence = (
        f"<p>At {number} metres the <strong>river</strong> passed the mark &amp; went on rising,"
        " said the town.</p>\n"
    )
    moment = NOON + timedelta(minutes=number)
    page = f"{HOST}/streams/flood/entries/{number}"
    return FeedEntry(
        id=f"urn:x-entry:{number}",
        url=page,
        title=f"River passes {number} metres",
        published=moment,
        updated=moment,
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
