"""`storywire doctor` finds what keeps a site from its work, and says what to do."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import update

from cli.doctor import CHECKS
from models import Alert, Lane, Pause, Recipient, Site, WorkerHeartbeat
from models.clock import now
from models.database import open_database
from models.heartbeats import SILENT_AFTER, record_heartbeat


@pytest.fixture
def ledger(story, tmp_path):
    """The database of a site whose worker runs, as far as the database knows."""
    db = open_database(f"sqlite:///{tmp_path / 'var' / 'storywire.sqlite3'}")
    record_heartbeat(db, Lane)
    yield db
    db.engine.dispose()


def findings(story, check, *, code=1):
    """What the doctor finds by that check: status, problem and advice."""
    report = json.loads(story("doctor", "--json", code=code).output)
    found = [one for one in report["findings"] if one["check"] == check]
    assert (report["checks"][check] is None) == (not found)
    return [(one["status"], one["problem"], one["advice"]) for one in found]


def test_the_report_has_a_stable_form_and_names_every_setting(story):
    report = json.loads(story("doctor", "--json", code=1).output)
    assert list(report) == ["settings", "checks", "findings"]
    assert list(report["checks"]) == list(dict(CHECKS))
    assert report["settings"]["SITE_NAME"] == "Storywire"
    assert report["checks"]["mail"] == "STORYWIRE_MAIL_URL is not set, so mail waits."
    for found in report["findings"]:
        assert list(found) == ["check", "status", "problem", "advice"]
        assert found["advice"].endswith((".", "?")), found


def test_for_people_each_check_is_a_line_and_each_problem_has_its_advice(story):
    lines = story("doctor", code=1).output.splitlines()
    assert "ok       database" in lines
    at = lines.index("fault    mail: STORYWIRE_MAIL_URL is not set, so mail waits.")
    assert lines[at + 1].strip() == "Set it to your mail server."


def test_without_a_database_it_says_how_to_make_one(tmp_path, story, monkeypatch):
    monkeypatch.setenv("STORYWIRE_DATA_DIR", str(tmp_path / "elsewhere"))
    ((status, problem, advice),) = findings(story, "database")
    assert (status, "There is no database in" in problem) == ("fault", True)
    assert "storywire init" in advice
    assert not (tmp_path / "elsewhere").exists()


def test_no_worker_is_a_fault(story):
    ((status, problem, advice),) = findings(story, "workers")
    assert (status, problem) == ("fault", "No worker runs, so no alerts are sent.")
    assert "storywire serve" in advice


def test_a_dead_worker_and_a_lane_without_worker_are_found(story, ledger, monkeypatch):
    assert findings(story, "workers") == []
    monkeypatch.setenv("STORYWIRE_MAIL_URL", "smtp://127.0.0.1:1")
    record_heartbeat(ledger, [Lane.URGENT])
    with ledger.begin() as tx:
        long_ago = now(tx) - SILENT_AFTER - timedelta(minutes=1)
        dead = {"worker": "node2.example:7", "lanes": "bulk"}
        tx.add(WorkerHeartbeat(**dead, started_at=long_ago, beat_at=long_ago))
    problems = [problem for _, problem, _ in findings(story, "workers")]
    assert problems == [
        "Worker node2.example:7 has given no sign of life for 3 minutes.",
        "No worker sends mail.",
    ]


@pytest.mark.parametrize(
    ("change", "check", "says", "advises"),
    [
        (update(Site).values(sending_paused=True), "sending", "paused", "storywire resume"),
        (update(Site).values(held_reason="A copy."), "sending", "held: A copy.", "storywire resume"),
        (update(Alert).values(held_at=Alert.created_at), "sending", "hours late: 1", "alert resume"),
        (
            update(Recipient).values(sick_since=Recipient.created_at, reason="404"),
            "channels",
            "room refuses messages: 404",
            "Try again",
        ),
    ],
)
def test_what_waits_for_a_person_is_found(story, ledger, change, check, says, advises):
    story("channel", "add", "room", "--url", "json://127.0.0.1:9/hook")
    story("entry", "add", "floods", "--title", "River rising")
    assert findings(story, check) == []
    with ledger.begin() as tx:
        tx.execute(change)
    ((status, problem, advice),) = findings(story, check)
    assert (status, says in problem, advises in advice) == ("fault", True, True), (problem, advice)


def test_a_mail_server_that_is_away_is_found(story, ledger):
    with ledger.begin() as tx:
        until = now(tx) + timedelta(minutes=5)
        tx.add(Pause(name="mail", until=until, failures=3, reason="The mail server is away."))
    assert [problem for _, problem, _ in findings(story, "sending")] == ["The mail server is away."]


def test_no_password_is_shown(story, monkeypatch):
    monkeypatch.setenv("STORYWIRE_BROKER_URL", "amqp://guest:hunter2@127.0.0.1")
    monkeypatch.setenv("STORYWIRE_MAIL_URL", "smtp://ann:hunter2@127.0.0.1:1")
    report = story("doctor", "--json", code=1).output
    assert "amqp://guest:***@127.0.0.1" in report
    assert "hunter2" not in report
