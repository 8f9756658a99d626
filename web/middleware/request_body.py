"""Request bodies: read before the application begins, with limits of size, time and number."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from io import BytesIO
from operator import attrgetter
from typing import TYPE_CHECKING

from web.middleware.plain_refusal import refuse_request
from web.middleware.proxies import client_key, peer_of

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

BASE_SECONDS = 10.0
SECONDS_PER_MEBIBYTE = 5.0  # the largest body needs 1.6 Mbit/s
# Bodies being read at once, each in a thread: few of those that `web.middleware.overload` allows.
MAX_READS = 24
MAX_READS_PER_CLIENT = 8


@dataclass(frozen=True, eq=False)
class Read:
    """A body that is being read."""

    client: str
    peer: str  # the other end of the connection: the client or a proxy
    began: float  # of time.monotonic()
    deadline: float


class Reads:
    """The bodies that are being read, each by a waiting thread of the server.

    `web.middleware.connections` ends those that are overdue.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reads: set[Read] = set()
        self._by_client: Counter[str] = Counter()

    def begin(self, client: str, peer: str, seconds: float) -> Read | None:
        """Register a body that may take so many seconds; None if there are too many already."""
        with self._lock:
            if len(self._reads) >= MAX_READS or self._by_client[client] >= MAX_READS_PER_CLIENT:
                return None
            began = time.monotonic()
            read = Read(client, peer, began, began + seconds)
            self._reads.add(read)
            self._by_client[client] += 1
            return read

    def end(self, read: Read) -> None:
        with self._lock:
            self._reads.discard(read)
            self._by_client[read.client] -= 1
            if not self._by_client[read.client]:
                del self._by_client[read.client]

    def overdue(self) -> list[Read]:
        """The bodies past their deadline, oldest first."""
        now = time.monotonic()
        with self._lock:
            overdue = [read for read in self._reads if read.deadline <= now]
        return sorted(overdue, key=attrgetter("began"))


class BodyInTime:
    """A WSGI layer that reads the body first, then runs the application in ``threads`` threads.

    ``max_bytes`` gives the size that a request may have.  The time allowed is ``base_seconds`` and
    `SECONDS_PER_MEBIBYTE` of that size.  The server's thread that reads a body wakes only when the
    input of the connection ends: the guard of `web.middleware.connections` ends it for overdue
    ``reads``, and the client gets 408.  A body that stopped early is never handed on, since half a
    form would be taken for a whole one.  A body of unknown length is refused with 411 (RFC 9112
    section 6.3), because granian does not distinguish its end from a broken connection.
    """

    def __init__(
        self,
        app: "WSGIApplication",
        *,
        threads: int,
        max_bytes: "Callable[[WSGIEnvironment], int]",
        reads: Reads,
        base_seconds: float = BASE_SECONDS,
    ) -> None:
        self._app = app
        self._app_slots = threading.BoundedSemaphore(threads)
        self._max_bytes = max_bytes
        self._reads = reads
        self._base_seconds = base_seconds

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        # Answers at once, however many requests are waiting.
        if environ["PATH_INFO"] == "/healthz":
            return self._app(environ, start_response)
        refusal = self._read(environ)
        if refusal is not None:
            return refuse_request(environ, start_response, *refusal)
        with self._app_slots:
            return self._app(environ, start_response)

    def _read(self, environ: "WSGIEnvironment") -> tuple[str, str] | None:
        """Replace the input by the whole body; else return the status and text of a refusal."""
        if "HTTP_TRANSFER_ENCODING" in environ:
            return "411 Length Required", "Send the request with a Content-Length."
        length = environ.get("CONTENT_LENGTH") or "0"
        size = int(length) if length.isdecimal() else 0
        if size == 0:
            return None
        max_bytes = self._max_bytes(environ)
        if size > max_bytes:
            return None  # the application refuses it without reading
        client = client_key(environ["REMOTE_ADDR"])
        seconds = self._base_seconds + SECONDS_PER_MEBIBYTE * max_bytes / 2**20
        read = self._reads.begin(client, peer_of(environ), seconds)
        if read is None:
            sentence = "Too many forms are being sent. Try again in a moment."
            return "503 Service Unavailable", sentence
        try:
            body = environ["wsgi.input"].read(size)
        except OSError:
            body = b""
        finally:
            self._reads.end(read)
        if len(body) == size:
            environ["wsgi.input"] = BytesIO(body)
            return None
        sentence = "The request was incomplete or took too long. Send it again."
        return "408 Request Timeout", sentence
