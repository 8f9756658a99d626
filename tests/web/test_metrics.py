"""Who may read `/metrics`, and that Prometheus can."""

import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

HERE = "http://127.0.0.1:8000"


def test_prometheus_reads_what_the_ledger_and_the_shelf_say(reader, change_settings):
    change_settings(base_url=HERE)
    reader.get("/atom.xml")
    answer = reader.get("/metrics")
    assert answer.headers["Cache-Control"] == "no-store"
    found = {family.name: family for family in text_string_to_metric_families(answer.text)}
    assert {name for name in found if not name.startswith("storywire_")} == set()
    assert {tuple(sample.labels.values()) for sample in found["storywire_deliveries"].samples} >= {("bulk", "sent"), ("urgent", "failed")}
    assert found["storywire_shelf_documents"].samples[0].value >= 1
    assert found["storywire_shelf_faults"].samples[0].name == "storywire_shelf_faults_total"


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
def test_metrics_are_for_this_machine_or_for_who_knows_the_token(reader, change_settings, token, headers, status):
    change_settings(metrics_token=SecretStr(token), base_url=HERE)
    answer = reader.get("/metrics", headers=headers)
    assert answer.status_code == status
    assert (status == 200) or "STORYWIRE_METRICS_TOKEN" in answer.text


def test_metrics_are_not_for_callers_from_elsewhere(reader, change_settings):
    assert reader.get("/metrics").status_code == 404, "a public site has a proxy, perhaps one that does not say so"
    change_settings(base_url=HERE)
    assert reader.get("/metrics", environ_base={"REMOTE_ADDR": "198.51.100.7"}).status_code == 404
    assert reader.get("/metrics", environ_base={"REMOTE_ADDR": "::1"}).status_code == 200
