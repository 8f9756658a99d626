"""Who may read `/metrics`, and that Prometheus can."""

import re
import socket
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr
from sqlalchemy import update

import models
from models import Lane, TallyKind, WorkerHeartbeat
from models.alerts.send_hold import pause_sending
from models.db.clock import now
from models.db.database import open_database
from models.db.heartbeats import record_heartbeat
from models.db.tallies import WORKER_NAME, add_to_tallies, condense_tallies
from notifier.ledger.fan_out import expand_all
from tests.support.web_app import restart_app

SAME_ORIGIN = "http://127.0.0.1:8000"


@pytest.fixture
def scrape(reader, change_settings):
    """A function that asks /metrics; families by name, as Prometheus's own parser reads them."""
    change_settings(base_url=SAME_ORIGIN)

    def ask():
        answer = reader.get("/metrics")
        assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
        return {family.name: family for family in text_string_to_metric_families(answer.text)}

    return ask


def value(family, **labels):
    """The number of the one sample with these labels."""
    (found,) = [sample.value for sample in family.samples if sample.labels == labels]
    return found


def test_each_family_keeps_the_conventions(scrape, reader):
    reader.get("/atom.xml")
    for family in scrape().values():
        assert re.fullmatch(r"(storywire|process)_[a-z_]+", family.name)
        assert family.type in {"counter", "gauge", "histogram"}, "each has a # TYPE"
        assert family.documentation, "and a # HELP"
        assert not re.search(r"(milliseconds|minutes|kilobytes|megabytes|percent)", family.name)
        if family.type == "counter":
            assert {sample.name for sample in family.samples} == {f"{family.name}_total"}
        else:
            assert not family.name.endswith("_total")
        assert not {"total", "all", "owed", "sum"} & {
            label for sample in family.samples for label in sample.labels.values()
        }


def test_no_label_value_is_the_sum_of_its_siblings(scrape, newsroom):
    newsroom.subscribe_many(5)
    newsroom.post()
    expand_all(newsroom.db, go_on=lambda: True, ring=lambda lane: None)
    kinds = [TallyKind.SENT, TallyKind.SENT, TallyKind.FAILED]
    with newsroom.db.begin() as tx:
        add_to_tallies(tx, Counter((1, Lane.BULK, kind) for kind in kinds))
    found = scrape()
    ended = {
        state: value(found["storywire_deliveries"], lane="bulk", state=state)
        for state in ("sent", "failed", "unknown", "skipped")
    }
    assert ended == {"sent": 2, "failed": 1, "unknown": 0, "skipped": 0}
    assert value(found["storywire_pending_deliveries"], lane="bulk") == 2
    assert value(found["storywire_enqueued_deliveries"], lane="bulk") == 5
    day = {
        sample.labels["state"]: sample.value for sample in found["storywire_day_deliveries"].samples
    }
    assert day == {"pending": 2, "sent": 2, "failed": 1, "unknown": 0, "skipped": 0}
    assert sum(day.values()) == 5


def test_a_counter_never_falls_when_a_delivery_is_sent_again(scrape, newsroom):
    newsroom.post()
    failed = (1, Lane.BULK, TallyKind.FAILED)
    for change, number, pending in ((3, 3, -3), (-2, 3, -1), (2, 5, -3)):
        with newsroom.db.begin() as tx:
            add_to_tallies(tx, {failed: change})
        found = scrape()
        assert value(found["storywire_deliveries"], lane="bulk", state="failed") == number
        assert value(found["storywire_pending_deliveries"], lane="bulk") == pending
    with newsroom.db.begin() as tx:
        condense_tallies(tx, 1)
    assert value(scrape()["storywire_deliveries"], lane="bulk", state="failed") == 5


def test_a_dead_worker_among_several_shows(scrape, newsroom, clock):
    assert value(scrape()["storywire_workers"]) == 0
    record_heartbeat(newsroom.db, Lane)
    with newsroom.db.begin() as tx:
        long_ago = clock.now - timedelta(minutes=5)
        row = {"worker": "node2.example:7", "lanes": "bulk"}
        tx.add(WorkerHeartbeat(**row, started_at=long_ago, beat_at=long_ago))
    found = scrape()
    assert value(found["storywire_workers"]) == 1
    ages = found["storywire_worker_heartbeat_age_seconds"]
    assert value(ages, worker="node2.example:7") == 300
    assert value(ages, worker=WORKER_NAME) == 0


def request_counts(scrape):
    """How many requests there were by method, route and class of status."""
    samples = scrape()["storywire_http_request_duration_seconds"].samples
    counts = [
        (sample.labels, int(sample.value)) for sample in samples if sample.name.endswith("_count")
    ]
    return Counter(
        {(labels["method"], labels["route"], labels["status"]): number for labels, number in counts}
    )


def test_requests_are_counted_and_timed_by_bounded_labels(app, scrape, reader):
    before = request_counts(scrape)
    reader.get("/atom.xml")
    for path in (
        "/streams/floods",
        "/streams/no-such-story",
        "/login",
        "/no/such/page",
        "/wp-admin",
    ):
        reader.get(path)
    app.test_client().open("/login", method="PROPFIND")
    reader.get("/login", headers={"Host": "a, b"})
    reader.client.post("/login", headers={"Transfer-Encoding": "chunked"})
    assert request_counts(scrape) - before == {
        ("GET", "/metrics", "2xx"): 1,
        ("GET", "cached", "2xx"): 2,
        ("GET", "/login", "2xx"): 1,
        ("GET", "unmatched", "4xx"): 2,
        ("GET", "/streams/<slug:slug>", "4xx"): 1,
        ("other", "unmatched", "4xx"): 1,  # no view takes that method
        ("GET", "refused", "4xx"): 1,  # before any view
        ("POST", "refused", "4xx"): 1,
    }
    buckets = [
        sample
        for sample in scrape()["storywire_http_request_duration_seconds"].samples
        if sample.name.endswith("_bucket")
    ]
    assert {sample.labels["le"] for sample in buckets} >= {"0.005", "10.0", "+Inf"}


def test_a_database_that_is_away_is_a_number_and_no_failed_scrape(app, scrape, clock):
    assert value(scrape()["storywire_database_up"]) == 1
    parts = app.extensions["storywire"]
    away = open_database("sqlite:////nowhere/at/all.sqlite3")
    restart_app(app, replace(parts, db=away), clock)
    found = scrape()
    assert value(found["storywire_database_up"]) == 0
    assert "storywire_deliveries" not in found
    assert found["process_cpu_seconds"].samples[0].value > 0


def test_a_broker_that_is_away_shows_where_one_is_set(scrape, change_settings):
    assert "storywire_broker_up" not in scrape()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"amqp://guest:guest@127.0.0.1:{listener.getsockname()[1]}"
        change_settings(base_url=SAME_ORIGIN, broker_url=url)
        assert value(scrape()["storywire_broker_up"]) == 1
    assert value(scrape()["storywire_broker_up"]) == 0


def test_build_info_names_the_version(scrape):
    assert value(scrape()["storywire_build_info"], version=version("storywire")) == 1


def test_the_documentation_lists_what_is_exported_and_nothing_else(
    scrape, newsroom, change_settings
):
    record_heartbeat(newsroom.db, Lane)
    pause_sending(newsroom.db, newsroom.actor)
    change_settings(base_url=SAME_ORIGIN, broker_url="amqp://guest:guest@127.0.0.1:9")
    with newsroom.db.begin() as tx:
        tx.execute(update(models.Site).values(heartbeat_at=now(tx)))
    exported = {
        f"{name}_total" if family.type == "counter" else name for name, family in scrape().items()
    }
    text = (Path(__file__).parents[2] / "docs" / "operating.md").read_text("utf-8")
    section = text.partition("\n## Metrics\n")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    listed = {f"storywire_{name}" for row in rows for name in re.findall(r"`([a-z_]+)`", row)}
    assert {name for name in exported if name.startswith("storywire_")} == listed
    named = set(re.findall(r"storywire_[a-z_]+", section))
    suffixes = ("_count", "_bucket", "_sum")
    assert {name for name in named if not name.endswith(suffixes)} <= listed | {"storywire_"}


@pytest.mark.parametrize(
    "token, headers, status",
    [
        ("", {}, 200),
        ("", {"X-Forwarded-For": "127.0.0.1"}, 404),
        ("", {"Forwarded": "for=127.0.0.1"}, 404),
        ("s3cret-é", {}, 401),
        ("s3cret-é", {"Authorization": "Bearer s3cret"}, 401),
        ("s3cret", {"Authorization": "Bearer s3cret", "X-Forwarded-For": "203.0.113.9"}, 200),
    ],
)
def test_metrics_are_open_to_this_machine_or_with_the_token(
    reader, change_settings, token, headers, status
):
    change_settings(metrics_token=SecretStr(token), base_url=SAME_ORIGIN)
    answer = reader.get("/metrics", headers=headers)
    assert answer.status_code == status
    assert (status == 200) or "STORYWIRE_METRICS_TOKEN" in answer.text


def test_metrics_are_not_for_callers_from_elsewhere(reader, change_settings):
    assert reader.get("/metrics").status_code == 404, (
        "a public site has a proxy, perhaps one that does not say so"
    )
    change_settings(base_url=SAME_ORIGIN)
    assert reader.get("/metrics", environ_base={"REMOTE_ADDR": "198.51.100.7"}).status_code == 404
    assert reader.get("/metrics", environ_base={"REMOTE_ADDR": "::1"}).status_code == 200
