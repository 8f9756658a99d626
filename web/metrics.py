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
    """What the ledger and this process say; who may ask is a setting."""
    token = service().settings.metrics_token.get_secret_value()
    if token and not _bears(token):
        return _refused(
            401,
            "Send the value of STORYWIRE_METRICS_TOKEN as `Authorization: Bearer ...`.",
            {"WWW-Authenticate": "Bearer"},
        )
    if not token and not _from_here():
        return _refused(
            404,
            "Set STORYWIRE_METRICS_TOKEN and send it; without one only a site whose BASE_URL is"
            " local shows them, to its own machine.",
            {},
        )
    registry = CollectorRegistry()
    registry.register(_Found(*_ledger()))
    registry.register(_BuildInfo())
    registry.register(current_app.extensions["request_metrics"].histogram)
    ProcessCollector(registry=registry)
    return Response(
        generate_latest(registry),
        content_type=CONTENT_TYPE_PLAIN_0_0_4,
        headers={"Cache-Control": "no-store"},
    )


def _ledger() -> tuple[list[Gauge], bool]:
    """What the database says, and whether it does: a scrape must not fail while it is away."""
    try:
        with service().db.read() as tx:
            return [*gauges(tx)], True
    except SQLAlchemyError:
        return [], False


def _bears(token: str) -> bool:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(
        given.strip().encode("utf-8", "replace"), token.encode()
    )


def _from_here() -> bool:
    """A program on this machine itself, and no proxy on it that speaks for others: not all say that
    they do.
    """
    if not service().settings.only_here:
        return False
    return (request.remote_addr or "").startswith(_LOOPBACK) and not any(
        name in request.headers for name in _FORWARDED
    )


def _refused(status: int, sentence: str, headers: dict[str, str]) -> Response:
    headers |= {"Cache-Control": "no-store"}
    return Response(f"{sentence}\n", status, headers, content_type="text/plain; charset=utf-8")


class _Found(Collector):
    """What one scrape found."""

    def __init__(self, ledger: list[Gauge], database_up: bool) -> None:
        self._ledger, self._database_up = ledger, database_up

    def collect(self) -> Iterator[Metric]:
        for gauge in self._ledger:
            kind = CounterMetricFamily if gauge.counter else GaugeMetricFamily
            family = kind(gauge.name, gauge.about, labels=gauge.labels)
            for labels, value in gauge.values.items():
                family.add_metric(labels, value)
            yield family
        up = "1 while the database answers this process"
        yield GaugeMetricFamily("storywire_database_up", up, self._database_up)
        if broker_url := service().settings.broker_url:
            up = "1 while the broker takes connections of this process"
            yield GaugeMetricFamily("storywire_broker_up", up, broker_answers(broker_url))
        cache = service().response_cache
        yield GaugeMetricFamily(
            "storywire_shelf_documents", "Finished documents that this process keeps", len(cache)
        )
        yield GaugeMetricFamily("storywire_shelf_bytes", "Bytes that they take", cache.bytes)
        memory: MemoryLayer = current_app.extensions["memory"]
        hits = CounterMetricFamily(
            "storywire_http_memory_hits",
            "Answers sent from memory as they stand there",
            labels=["status"],
        )
        hits.add_metric(["2xx"], memory.sent.read())
        hits.add_metric(["3xx"], memory.not_modified.read())
        yield hits
        yield CounterMetricFamily(
            "storywire_shelf_faults", "Documents that this process could not make", cache.failures
        )


class _BuildInfo(Collector):
    """Which version answers."""

    def collect(self) -> Iterator[Metric]:
        yield InfoMetricFamily(
            "storywire_build", "Version of this node", {"version": version("storywire")}
        )
