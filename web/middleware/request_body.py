"""Request bodies: read whole before the application begins, within a size and a time, and never
more at once than threads can bear.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

from web.middleware.plain_refusal import refuse_request
from web.middleware.proxies import client_key, peer_of

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

BASE_SECONDS = 10.0
SECONDS_PER_MEBIBYTE = 5.0  # the largest body needs 1.6 Mbit/s
MAX_READS = 24
"""Bodies being read at once, each in a thread of the server: few of those that `web.middleware.overload` lets wait."""
MAX_READS_PER_CLIENT = 8


@dataclass(frozen=True, eq=False)
class Read:
    """A body that is being read: for which client, over which peer's connection (a proxy's, where
    there is one), and since when.
    """

    client: str
    peer: str
    began: float  # of time.monotonic()
    ends: float


class Reads:
    """The bodies that are being read now. A server thread waits in each;
    `web.middleware.connections` ends those whose time is over.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reads: set[Read] = set()
        self._by_client: Counter[str] = Counter()

    def begin(self, client: str, peer: str, seconds: float) -> Read | None:
        """Note a body that may take so many seconds; None where too many are being read, of this
        client or of all.
        """
        with self._lock:
            if len(self._reads) >= MAX_READS or self._by_client[client] >= MAX_READS_PER_CLIENT:
                return None
            began = time.monotonic()
            read = Read(client, peer, began, began + seconds)
            self._reads.add(read)
            self._by_client[client] += 1
            return read

    def end(self, read: Read) -> None:
        """Forget a body that was read or given up."""
        with self._lock:
            self._reads.discard(read)
            self._by_client[read.client] -= 1
            if not self._by_client[read.client]:
                del self._by_client[read.client]

    def overdue(self) -> list[Read]:
        """The bodies whose time is over, oldest first."""
        now = time.monotonic()
        with self._lock:
            return sorted(
                (read for read in self._reads if read.ends <= now), key=lambda read: read.began
            )


class BodyInTime:
    """A WSGI layer that reads a request's body first, and runs the application in ``threads``
    threads at most.

    ``max_bytes`` says how much a request may send; the time allowed is ``base_seconds`` and
    `SECONDS_PER_MEBIBYTE` of that. A body is read by the server's own thread, which nothing but the
    end of the connection's input can wake: the guard of `web.middleware.connections` brings that
    about for ``reads`` whose time is over, and the client gets 408. What came of a body that
    stopped early is never handed on: half a form would be taken for a whole one. A body of unknown
    length is refused with 411 (RFC 9112 section 6.3), because granian does not tell its end from a
    broken connection's.
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
        self._working = threading.BoundedSemaphore(threads)
        self._max_bytes = max_bytes
        self._reads = reads
        self._base_seconds = base_seconds

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        # says that this process answers, however long others wait for their turn
        if environ["PATH_INFO"] == "/healthz":
            return self._app(environ, start_response)
        refusal = self._read(environ)
        if refusal is not None:
            return refuse_request(environ, start_response, *refusal)
        with self._working:
            return self._app(environ, start_response)

    def _read(self, environ: "WSGIEnvironment") -> tuple[str, str] | None:
        """Put the whole body in the server's place; else the status and sentence that refuse the
        request.
        """
        if "HTTP_TRANSFER_ENCODING" in environ:
            return "411 Length Required", "Send the request with a Content-Length."
        length = environ.get("CONTENT_LENGTH") or "0"
        size = int(length) if length.isdecimal() else 0
        if size == 0:
            return None
        max_bytes = self._max_bytes(environ)
        if size > max_bytes:
            return None  # refused by the application, which leaves it unread
        peer = peer_of(environ)
        client = client_key(environ["REMOTE_ADDR"])
        read = self._reads.begin(
            client, peer, self._base_seconds + SECONDS_PER_MEBIBYTE * max_bytes / 2**20
        )
        if read is None:
            return (
                "503 Service Unavailable",
                "Too many forms are being sent. Try again in a moment.",
            )
        try:
            body = environ["wsgi.input"].read(size)
        except OSError:
            body = b""
        finally:
            self._reads.end(read)
        if len(body) == size:
            environ["wsgi.input"] = BytesIO(body)
            return None
        return (
            "408 Request Timeout",
            "The request did not arrive whole, or took too long. Send it again.",
        )
