"""Counts and durations of requests. `MemoryLayer` of `cache_layer` counts its own answers, which
never come here.
"""

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, request
from prometheus_client import CollectorRegistry, Histogram, disable_created_metrics

from web.middleware.plain_refusal import ROUTE

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

disable_created_metrics()  # type: ignore[no-untyped-call]  # a series more for each, which nobody asks

_METHODS = {"GET", "HEAD", "POST", "OPTIONS"}  # others are counted as one: anybody can invent them
_BUCKETS_SECONDS = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class RequestMetrics:
    """WSGI middleware that measures each request by method, route and class of status.

    A route is the pattern of a view, such as /streams/<slug:slug>; ``cached`` for a document that
    the response cache had to look at or make, ``unmatched`` where no view is, ``refused`` before
    any is looked for. So the number of series is bounded.
    """

    def __init__(self, app: "WSGIApplication") -> None:
        self.app = app
        self.histogram = Histogram(
            "storywire_http_request_duration_seconds",
            "Seconds until an answer was ready; _count is the number of requests",
            ("method", "route", "status"),
            buckets=_BUCKETS_SECONDS,
            registry=CollectorRegistry(),
        )
        self._series: dict[tuple[str, str, str], Callable[[float], None]] = {}

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Answer and measure; an application that raises has answered 5xx."""
        began, status = time.perf_counter(), "5xx"

        def start(line: str, *rest: Any) -> Any:
            nonlocal status
            status = f"{line[:1]}xx"
            return start_response(line, *rest)

        try:
            return self.app(environ, start)
        finally:
            method = environ["REQUEST_METHOD"]
            key = (
                method if method in _METHODS else "other",
                environ.get(ROUTE, "cached"),
                status,
            )
            observe = self._series.get(key)
            if observe is None:
                observe = self._series[key] = self.histogram.labels(*key).observe
            observe(time.perf_counter() - began)


def note_routes(app: Flask) -> None:
    """Let each request of ``app`` say which route answered it."""

    @app.after_request
    def note(response: Response) -> Response:
        rule = request.url_rule
        request.environ[ROUTE] = rule.rule if rule is not None else "unmatched"
        return response
