"""Counts and durations of requests, except those that `cache_layer.MemoryLayer` answers."""

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, request
from prometheus_client import CollectorRegistry, Histogram, disable_created_metrics

from web.middleware.plain_refusal import ROUTE

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

disable_created_metrics()  # type: ignore[no-untyped-call]  # one more series for each, unused

_METHODS = {"GET", "HEAD", "POST", "OPTIONS"}  # clients can invent others, so they count as one
_BUCKETS_SECONDS = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class RequestMetrics:
    """WSGI middleware that measures each request by method, route and class of status.

    A route is the pattern of a view, such as /streams/<slug:slug>; ``cached`` if the response cache
    answered, ``unmatched`` without a view, ``refused`` before the search for one.  So the number
    of series is limited.
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
        began = time.perf_counter()
        status = "5xx"  # unless the application answers

        def start(line: str, *rest: Any) -> Any:
            nonlocal status
            status = f"{line[:1]}xx"
            return start_response(line, *rest)

        try:
            return self.app(environ, start)
        finally:
            method = environ["REQUEST_METHOD"]
            if method not in _METHODS:
                method = "other"
            key = (method, environ.get(ROUTE, "cached"), status)
            observe = self._series.get(key)
            if observe is None:
                observe = self._series[key] = self.histogram.labels(*key).observe
            observe(time.perf_counter() - began)


def note_routes(app: Flask) -> None:
    """Record the route of each request to ``app`` in its environ."""

    @app.after_request
    def note(response: Response) -> Response:
        rule = request.url_rule
        request.environ[ROUTE] = rule.rule if rule is not None else "unmatched"
        return response
