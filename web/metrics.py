"""`/metrics`, in the format of Prometheus."""

import hmac
from collections.abc import Iterator
from importlib.metadata import version

from flask import Blueprint, Response, current_app, request
from flask.typing import ResponseReturnValue
from prometheus_client import CollectorRegistry, Metric, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from notifier.reports.gauges import Gauge, gauges
from notifier.worker.wakeup import broker_answers
from web.context import service
from web.middleware.cache_layer import MemoryLayer

metrics = Blueprint("metrics", __name__)

_FORWARDED = ("X-Forwarded-For", "X-Real-Ip", "Forwarded", "Via")
_LOOPBACK = ("127.", "::1", "::ffff:127.")


@metrics.get("/metrics")
def show() -> ResponseReturnValue:
    """Figures of the ledger and of this process, for clients that a setting allows."""
    token = service().settings.metrics_token.get_secret_value()
    if token and not _has_token(token):
        refusal = _refusal(
            401, "Send the value of STORYWIRE_METRICS_TOKEN as `Authorization: Bearer ...`."
        )
        refusal.headers["WWW-Authenticate"] = "Bearer"
        return refusal
    if not token and not _is_local():
        return _refusal(
            404,
            "Set STORYWIRE_METRICS_TOKEN and send it; without one only a site whose BASE_URL is"
            " local shows them, to its own machine.",
        )
    registry = CollectorRegistry()
    registry.register(_ServiceMetrics(_read_ledger()))
    registry.register(_BuildInfo())
    registry.register(current_app.extensions["request_metrics"].histogram)
    ProcessCollector(registry=registry)
    return Response(
        generate_latest(registry),
        content_type=CONTENT_TYPE_PLAIN_0_0_4,
        headers={"Cache-Control": "no-store"},
    )


def _read_ledger() -> list[Gauge] | None:
    """The ledger's gauges; None if the database does not answer, so that the scrape still works."""
    try:
        with service().db.read() as tx:
            return list(gauges(tx))
    except SQLAlchemyError:
        return None


def _has_token(token: str) -> bool:
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    sent = credentials.strip().encode("utf-8", "replace")
    return scheme.lower() == "bearer" and hmac.compare_digest(sent, token.encode())


def _is_local() -> bool:
    """Whether a program on this machine asks, and no proxy on it.

    Not every proxy says that it is one, so the site must be only local, too.
    """
    if not service().settings.only_here:
        return False
    if any(name in request.headers for name in _FORWARDED):
        return False
    return (request.remote_addr or "").startswith(_LOOPBACK)


def _refusal(status: int, sentence: str) -> Response:
    headers = {"Cache-Control": "no-store"}
    return Response(f"{sentence}\n", status, headers, content_type="text/plain; charset=utf-8")


class _ServiceMetrics(Collector):
    """The figures of one scrape."""

    def __init__(self, ledger: list[Gauge] | None) -> None:
        self._ledger = ledger

    def collect(self) -> Iterator[Metric]:
        for gauge in self._ledger or ():
            kind = CounterMetricFamily if gauge.counter else GaugeMetricFamily
            family = kind(gauge.name, gauge.about, labels=gauge.labels)
            for labels, value in gauge.values.items():
                family.add_metric(labels, value)
            yield family
        up = "1 while the database answers this process"
        yield GaugeMetricFamily("storywire_database_up", up, self._ledger is not None)
        broker_url = service().settings.broker_url
        if broker_url:
            up = "1 while the broker accepts connections of this process"
            yield GaugeMetricFamily("storywire_broker_up", up, broker_answers(broker_url))
        cache = service().response_cache
        yield GaugeMetricFamily(
            "storywire_shelf_documents", "Feeds and pages in the cache of this process", len(cache)
        )
        yield GaugeMetricFamily(
            "storywire_shelf_bytes", "Bytes of the cache of this process", cache.bytes
        )
        memory: MemoryLayer = current_app.extensions["memory"]
        hits = CounterMetricFamily(
            "storywire_http_memory_hits",
            "Responses sent from memory without any work",
            labels=["status"],
        )
        hits.add_metric(["2xx"], memory.sent.read())
        hits.add_metric(["3xx"], memory.not_modified.read())
        yield hits
        yield CounterMetricFamily(
            "storywire_shelf_faults", "Feeds and pages that could not be made", cache.failures
        )


class _BuildInfo(Collector):
    """The version of this node."""

    def collect(self) -> Iterator[Metric]:
        yield InfoMetricFamily(
            "storywire_build", "Version of this node", {"version": version("storywire")}
        )
