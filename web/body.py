"""Forms that arrive in time: the whole body is here before the application begins, and a caller who stops halfway is let go."""

import threading
from collections.abc import Callable, Iterable
from io import BytesIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

SECONDS_A_MEBIBYTE = 5.0
"""Time for a body, by how much may be sent there: the largest needs 1.6 Mbit/s then."""


class BodyInTime:
    """A WSGI layer that reads the body first, within a time, and runs the application in ``threads`` threads at most.

    ``most_bytes`` says what may be sent to a path with a content type; the time goes with it, ``seconds`` for each mebibyte.

    A server's thread that reads a body waits as long as the connection lives, which is for good where a phone has lost
    its network: a few such connections would hold every thread.  So the server has more threads than the application may
    use, and those that wait for bodies take none of the application's.
    """

    def __init__(
        self, app: "WSGIApplication", *, threads: int, most_bytes: Callable[[str, str], int], seconds: float = SECONDS_A_MEBIBYTE
    ) -> None:
        self._app = app
        self._working = threading.BoundedSemaphore(threads)
        self._most_bytes = most_bytes
        self._seconds = seconds

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        most = self._most_bytes(environ.get("PATH_INFO", ""), environ.get("CONTENT_TYPE", ""))
        if _has_body(environ, most):
            body = _within(self._seconds * most / 2**20, lambda: environ["wsgi.input"].read(most + 1))
            if body is None:
                start_response("408 Request Timeout", [("Content-Type", "text/plain; charset=utf-8"), ("Connection", "close")])
                return [b"The request took too long to arrive. Try again.\n"]
            environ["wsgi.input"] = BytesIO(body)
        with self._working:
            return self._app(environ, start_response)


def _has_body(environ: "WSGIEnvironment", most: int) -> bool:
    """Whether there is one to be read; one that says that it is too long is left to the application, which refuses it unread."""
    length = environ.get("CONTENT_LENGTH") or ""
    if length.isdecimal():
        return 0 < int(length) <= most
    return "HTTP_TRANSFER_ENCODING" in environ


def _within(seconds: float, read: Callable[[], bytes]) -> bytes | None:
    """What ``read`` returns, nothing where the caller broke off; None where it takes longer: then its thread stays until the
    connection is given up."""
    found: list[bytes] = []

    def keep() -> None:
        try:
            found.append(read())
        except OSError:
            found.append(b"")

    reader = threading.Thread(target=keep, name="body", daemon=True)
    reader.start()
    reader.join(seconds)
    return found[0] if found else None
