"""What stands on the shelf: a document's bytes in each coding, beside header fields that are ready
to be sent.
"""

import math
import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import UTC, datetime

from feeds.cache.encodings import CODINGS, DECODERS, IDENTITY
from feeds.cache.validators import etag, last_modified, response_headers

OVERHEAD_BYTES = 6_000  # bytes of a document on the shelf beside its bodies

HeaderList = list[tuple[str, str]]
# readers that run in a browser may read what everybody may
ANY_ORIGIN = ("Access-Control-Allow-Origin", "*")
# a browser only shows the text
SAFE_HEADERS = (
    ("X-Content-Type-Options", "nosniff"),
    ("Content-Security-Policy", "default-src 'none'"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """A document as its maker read it. Two whose ``same`` is equal have the same bytes and headers:
    only one is rendered.
    """

    render: Callable[[], bytes]
    same: Hashable
    content_type: str
    cache_control: str
    stamp: int  # the counter of the stream, or of the site, at which it was read
    changed: datetime | None = None  # when, for Last-Modified; None: it bears none
    stream: str | None = None  # whose counter that is; None: the site's
    valid_until: datetime | None = None  # when time alone makes it another
    headers: tuple[tuple[str, str], ...] = SAFE_HEADERS  # beside those that the shelf itself writes


@dataclass(frozen=True, slots=True)
class FinishedResponse:
    """A small answer where there is no document; it is not kept."""

    status: str
    text: str
    headers: tuple[tuple[str, str], ...] = ()


MAX_AGE_ONE_MINUTE = (("Cache-Control", "public, max-age=60"),)
NOT_FOUND = FinishedResponse(
    "404 Not Found", "There is nothing at this address.", (("Cache-Control", "public, max-age=10"),)
)


class Copy:
    """A document in one coding, as WSGI takes it."""

    __slots__ = ("chunks", "headers")

    def __init__(self, body: bytes) -> None:
        self.chunks = [body]  # one piece: a server sends each on its own
        self.headers: HeaderList = []


class CachedResponse:
    """One document. The shelf's lock guards ``stale``, ``until``, ``made`` and ``size``; copies are
    only ever added.
    """

    __slots__ = (
        "_after", "_before", "_freshness", "_lock", "_plain", "asked", "changed", "copies", "expires", "made", "modified", "path", "same",
        "size", "stale", "stamp", "stream", "tags", "unchanged", "until",
    )  # fmt: skip

    def __init__(
        self, path: str, made: Rendered, before: "CachedResponse | None", now: float
    ) -> None:
        """Rendered now; in the codings that readers of the document ``before`` took, and never
        dated before it.
        """
        self._lock = threading.Lock()
        self.path, self.same, self.stream, self._freshness = (
            path,
            made.same,
            made.stream,
            made.cache_control,
        )
        self.changed: datetime | None = (
            max(made.changed, before.changed)
            if made.changed and before and before.changed
            else made.changed
        )
        self.asked: float = before.asked if before else now
        self.made = now  # or found to be the same
        self.stale, self.until = False, 0.0
        self.confirm(made)
        self._before, self._after = (
            ("Content-Type", made.content_type),
            [("Vary", "Accept-Encoding"), *made.headers],
        )
        self._plain: bytes | None = made.render()
        plain = etag(self._plain)
        self.tags = {coding: _tag(plain, coding) for coding in CODINGS}
        self.copies: dict[str, Copy] = {}
        self._date(self._modified(now))
        # a reader of the old one may add to them meanwhile
        for coding in list(before.copies) if before else ():
            self.add(coding)
        self.size = 0
        self.measure()

    def confirm(self, made: Rendered) -> None:
        """It was read again and is the same."""
        self.stamp = made.stamp
        self.expires = made.valid_until.timestamp() if made.valid_until else math.inf

    def add(self, coding: str) -> Copy:
        """The copy in that coding, made unless it is there."""
        with self._lock:
            if coding not in self.copies:
                copy = Copy(CODINGS[coding](self.body()))
                copy.headers = self._whole(coding, copy)
                self.copies[coding] = copy
                self._plain = None  # any copy leads back to it
            return self.copies[coding]

    def body(self) -> bytes:
        """The document without a coding; kept as such only where a reader asked for it, since it is
        ten times as long.
        """
        if self._plain is not None:
            return self._plain
        coding = next(coding for coding in (IDENTITY, *DECODERS) if coding in self.copies)
        return DECODERS[coding](self.copies[coding].chunks[0])

    def measure(self) -> int:
        """Count its bytes; returns by how many they grew."""
        before, self.size = (
            self.size,
            OVERHEAD_BYTES
            + len(self._plain or b"")
            + sum(len(copy.chunks[0]) for copy in list(self.copies.values())),
        )
        return self.size - before

    def date(self, now: float) -> float:
        """Write Last-Modified once the second of the last change is over; returns until when the
        headers stand as they are.
        """
        modified = self._modified(now)
        with self._lock:
            if modified != self.modified:
                self._date(modified)
        return (
            math.inf if modified or not self.changed else math.floor(self.changed.timestamp()) + 1.0
        )

    def _modified(self, now: float) -> datetime | None:
        return (
            last_modified(self.changed, datetime.fromtimestamp(now, UTC)) if self.changed else None
        )

    def _date(self, modified: datetime | None) -> None:
        self.modified = modified
        # Of a 304, by tag: a reader may have any copy, also one that another process made.
        # nginx takes no new fields from a 304: what it kept without a date would stay so, and
        # readers that compare dates alone
        # would get it whole each time.
        undated = [("X-Accel-Expires", "0")] if self.changed and not modified else []
        self.unchanged = {
            tag: [*response_headers(tag, modified, self._freshness).items(), *undated, *self._after]
            for tag in self.tags.values()
        }
        for coding, copy in self.copies.items():
            copy.headers = self._whole(coding, copy)

    def _whole(self, coding: str, copy: Copy) -> HeaderList:
        encoding = [("Content-Encoding", coding)] if coding != IDENTITY else []
        return [
            self._before,
            ("Content-Length", str(len(copy.chunks[0]))),
            *encoding,
            *self.unchanged[self.tags[coding]],
        ]


def _tag(plain: str, coding: str) -> str:
    """Each coding has a tag of its own, since a strong one names bytes (RFC 9110 section 8.8.3)."""
    return plain if coding == IDENTITY else f'{plain[:-1]}-{coding}"'
