"""A bound on the requests that wait: each holds a thread of the server, and some threads stay free
for what needs no waiting.
"""

import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING

from web.middleware.plain_refusal import refuse_request

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

MAX_WAITING = 384
"""Requests that are being read or answered, or wait for their turn: fewer than the server has threads and connections, so that
while a database hangs, documents in memory are still sent, and the supervisor, which asks `/healthz`, does not take the process
for frozen.  A thread that waits takes some 50 kB."""


class OverloadLayer:
    """Refuses a request with 503 while ``max_waiting`` others are on their way through ``app``;
    never `/healthz`.
    """

    def __init__(self, app: "WSGIApplication", max_waiting: int = MAX_WAITING) -> None:
        self._app = app
        self._free = threading.BoundedSemaphore(max_waiting)

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
