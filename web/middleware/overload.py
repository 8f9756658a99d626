"""A limit of concurrent requests, so that some of the server's threads stay free."""

import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING

from web.middleware.plain_refusal import refuse_request

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# Requests that are being read, answered or queued: fewer than the server has threads and
# connections.  So while a database hangs, cached responses are still sent, and the supervisor still
# gets an answer of `/healthz`.  A waiting thread takes some 50 kB.
MAX_REQUESTS = 384


class OverloadLayer:
    """Refuses a request with 503 while ``app`` has ``max_requests`` others; never `/healthz`."""

    def __init__(self, app: "WSGIApplication", max_requests: int = MAX_REQUESTS) -> None:
        self._app = app
        self._free = threading.BoundedSemaphore(max_requests)

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/healthz":
            return self._app(environ, start_response)
        if not self._free.acquire(blocking=False):
            return refuse_request(
                environ,
                start_response,
                "503 Service Unavailable",
                "Too many requests are waiting. Try again in a moment.",
            )
        try:
            return self._app(environ, start_response)
        finally:
            self._free.release()
