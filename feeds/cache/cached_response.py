"""A cached response: a document's bytes in each coding, with header fields ready to be sent."""

import math
import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import UTC, datetime

from feeds.cache.encodings import CODINGS, DECODERS, IDENTITY
from feeds.cache.validators import etag, last_modified, response_headers

OVERHEAD_BYTES = 6_000  # memory of a cached response beside its bodies

HeaderList = list[tuple[str, str]]
ANY_ORIGIN = ("Access-Control-Allow-Origin", "*")  # for feed readers that run in a browser
# A browser only shows the text.
SAFE_HEADERS = (
    ("X-Content-Type-Options", "nosniff"),
    ("Content-Security-Policy", "default-src 'none'"),
)
MAX_AGE_ONE_MINUTE = (("Cache-Control", "public, max-age=60"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """A document as its loader read it.

    Documents of equal ``fingerprint`` have the same bytes and headers: only one is rendered.
    """

    render: Callable[[], bytes]
    fingerprint: Hashable
    content_type: str
    cache_control: str
    seq: int  # of the stream, or of the site, when the document was read
    changed: datetime | None = None  # becomes Last-Modified; None: the document has none
    stream: str | None = None  # slug of the stream whose seq it is; None: the site's
    valid_until: datetime | None = None  # when time alone changes the document
    headers: tuple[tuple[str, str], ...] = SAFE_HEADERS  # beside those that the cache writes


@dataclass(frozen=True, slots=True)
class FinishedResponse:
    """A small response where there is no document; it is not cached."""

    status: str
    text: str
    headers: tuple[tuple[str, str], ...] = ()


NOT_FOUND = FinishedResponse(
    "404 Not Found", "This document does not exist.", (("Cache-Control", "public, max-age=10"),)
)


class Copy:
    """A document in one coding, as WSGI takes it."""

    __slots__ = ("chunks", "headers")

    def __init__(self, body: bytes) -> None:
        self.chunks = [body]  # one piece, because servers send each on its own
        self.headers: HeaderList = []


class CachedResponse:
    """One document.

    The cache's lock guards ``stale``, ``fresh_until``, ``loaded_at`` and ``size``.  Copies are
    only ever added.
    """

    __slots__ = (
        "_content_type",
        "_freshness",
        "_lock",
        "_other_headers",
        "_plain",
        "changed",
        "copies",
        "expires_at",
        "fingerprint",
        "fresh_until",
        "last_access",
        "loaded_at",
        "modified",
        "not_modified",
        "path",
        "seq",
        "size",
        "stale",
        "stream",
        "tags",
    )

    def __init__(
        self, path: str, rendered: Rendered, former: "CachedResponse | None", now: float
    ) -> None:
        """Render the document in the codings of its ``former`` version, never dated before it."""
        self._lock = threading.Lock()
        self.path = path
        self.fingerprint = rendered.fingerprint
        self.stream = rendered.stream
        self._freshness = rendered.cache_control
        self.changed: datetime | None = rendered.changed
        if rendered.changed and former and former.changed:
            self.changed = max(rendered.changed, former.changed)
        self.last_access: float = former.last_access if former else now
        self.loaded_at = now  # or when it was last found to be unchanged
        self.stale = False
        self.fresh_until = 0.0  # until then it is sent without any check
        self.confirm(rendered)
        self._content_type = ("Content-Type", rendered.content_type)
        self._other_headers = [("Vary", "Accept-Encoding"), *rendered.headers]
        self._plain: bytes | None = rendered.render()
        plain_tag = etag(self._plain)
        self.tags = {coding: _tag(plain_tag, coding) for coding in CODINGS}
        self.copies: dict[str, Copy] = {}
        self._write_headers(self._last_modified(now))
        if former:
            # a list, since another thread may add to it meanwhile
            for coding in list(former.copies):
                self.add(coding)
        self.size = 0
        self.measure()

    def confirm(self, rendered: Rendered) -> None:
        """Note that the document was read again and is unchanged."""
        self.seq = rendered.seq
        self.expires_at = math.inf
        if rendered.valid_until:
            self.expires_at = rendered.valid_until.timestamp()

    def add(self, coding: str) -> Copy:
        """The copy in that coding, made if it is missing."""
        with self._lock:
            if coding not in self.copies:
                copy = Copy(CODINGS[coding](self.body()))
                copy.headers = self._headers_of(coding, copy)
                self.copies[coding] = copy
                self._plain = None  # any copy leads back to it
            return self.copies[coding]

    def body(self) -> bytes:
        """The plain document.

        It is kept only for readers that accept no coding, since it is ten times as long.
        """
        if self._plain is not None:
            return self._plain
        coding = next(coding for coding in (IDENTITY, *DECODERS) if coding in self.copies)
        return DECODERS[coding](self.copies[coding].chunks[0])

    def measure(self) -> int:
        """Count the bytes again; returns by how many they grew."""
        size = OVERHEAD_BYTES + len(self._plain or b"")
        for copy in list(self.copies.values()):
            size += len(copy.chunks[0])
        growth = size - self.size
        self.size = size
        return growth

    def update_last_modified(self, now: float) -> float:
        """Write Last-Modified once the second of the last change is over.

        Returns until when the headers stay as they are.
        """
        modified = self._last_modified(now)
        with self._lock:
            if modified != self.modified:
                self._write_headers(modified)
        if modified or not self.changed:
            return math.inf
        return math.floor(self.changed.timestamp()) + 1.0

    def _last_modified(self, now: float) -> datetime | None:
        if self.changed is None:
            return None
        return last_modified(self.changed, datetime.fromtimestamp(now, UTC))

    def _write_headers(self, modified: datetime | None) -> None:
        self.modified = modified
        # nginx takes no new fields from a 304: a copy that it stored without a date would stay so,
        # and readers that compare dates alone would get it whole each time.
        undated = [("X-Accel-Expires", "0")] if self.changed and not modified else []
        # The headers of a 304 by tag: a reader may have any copy, also one of another process.
        self.not_modified = {
            tag: [
                *response_headers(tag, modified, self._freshness).items(),
                *undated,
                *self._other_headers,
            ]
            for tag in self.tags.values()
        }
        for coding, copy in self.copies.items():
            copy.headers = self._headers_of(coding, copy)

    def _headers_of(self, coding: str, copy: Copy) -> HeaderList:
        encoding = [("Content-Encoding", coding)] if coding != IDENTITY else []
        return [
            self._content_type,
            ("Content-Length", str(len(copy.chunks[0]))),
            *encoding,
            *self.not_modified[self.tags[coding]],
        ]


def _tag(plain: str, coding: str) -> str:
    """Each coding has its own tag, since a strong one identifies bytes (RFC 9110 section 8.8.3)."""
    return plain if coding == IDENTITY else f'{plain[:-1]}-{coding}"'
