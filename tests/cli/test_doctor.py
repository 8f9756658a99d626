"""`storywire doctor` finds what keeps a site from its work, and says what to do."""

import json
import os
from contextlib import ExitStack
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import psycopg
import pytest
from aiosmtpd.smtp import AuthResult
from sqlalchemy import update

import models
from cli.checks.broker import check_broker
from cli.checks.checkup import Checkup
from cli.checks.host import (
    FULL_BYTES,
    NEARLY_FULL_BYTES,
    check_data_dir,
    check_proxies,
    check_settings,
    check_web,
    judge_disk,
)
from cli.checks.mail import check_mail
from cli.checks.sending import check_workers
from cli.doctor import CHECKS
from cli.process.worker_lock import worker_lock
from config.settings import load_settings
from models import Alert, Delivery, Lane, Pause, Recipient, WorkerHeartbeat
from models.db.clock import now
from models.db.database import open_database
from models.db.heartbeats import SILENT_AFTER, record_heartbeat
from notifier.ledger.fan_out import expand_all
from tests.support.broker import URL, Broker
from tests.support.inbox import Inbox
from tests.support.requirements import skip_without
from tests.support.running_site import Site, eventually, free_port


@pytest.fixture
def ledger(story, tmp_path):
    """The database of a site whose worker runs, as far as the database knows."""
    db = open_database(f"sqlite:///{tmp_path / 'var' / 'storywire.sqlite3'}")
    with worker_lock(tmp_path / "var"):
        record_heartbeat(db, Lane)
        yield db
    db.engine.dispose()


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


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
    assert report["checks"]["mail"] == "STORYWIRE_MAIL_URL is not set, so e-mails stay queued."
    for found in report["findings"]:
        assert list(found) == ["check", "status", "problem", "advice"]
        assert found["advice"].endswith((".", "?")), found


def test_for_people_each_check_is_a_line_and_each_problem_has_its_advice(story):
    lines = story("doctor", code=1).output.splitlines()
    assert "ok       database" in lines
    at = lines.index("fault    mail: STORYWIRE_MAIL_URL is not set, so e-mails stay queued.")
    assert lines[at + 1].strip() == "Set it to your mail server."


def test_without_a_database_doctor_explains_how_to_create_one(tmp_path, story, monkeypatch):
    monkeypatch.setenv("STORYWIRE_DATA_DIR", str(tmp_path / "elsewhere"))
    ((status, problem, advice),) = findings(story, "database")
    assert (status, "There is no database in" in problem) == ("fault", True)
    assert "storywire init" in advice
    assert not (tmp_path / "elsewhere").exists()


def test_no_worker_is_a_fault(story):
    ((status, problem, advice),) = findings(story, "workers")
    assert (status, problem) == ("fault", "No worker is running, so no alerts are sent.")
    assert "storywire serve" in advice


def test_a_dead_worker_and_a_lane_without_worker_are_found(story, ledger, monkeypatch):
    assert findings(story, "workers") == []
    monkeypatch.setenv("STORYWIRE_MAIL_URL", "smtp://127.0.0.1:1")
    record_heartbeat(ledger, [Lane.FAST])
    with ledger.begin() as tx:
        long_ago = now(tx) - SILENT_AFTER - timedelta(minutes=1)
        dead = {"worker": "node2.example:7", "lanes": "bulk"}
        tx.add(WorkerHeartbeat(**dead, started_at=long_ago, beat_at=long_ago))
    problems = [problem for _, problem, _ in findings(story, "workers")]
    assert problems == [
        "Worker node2.example:7 has not reported for 3 minutes.",
        "No worker sends e-mail.",
    ]


@pytest.mark.parametrize(
    ("change", "check", "says", "advises"),
    [
        (update(models.Site).values(sending_paused=True), "sending", "paused", "storywire resume"),
        (
            update(models.Site).values(held_reason="A copy."),
            "sending",
            "on hold: A copy.",
            "storywire resume",
        ),
        (
            update(Alert).values(held_at=Alert.created_at),
            "sending",
            "hours late: 1",
            "alert resume",
        ),
        (
            update(Recipient).values(sick_since=Recipient.created_at, reason="404"),
            "channels",
            "room is failing: 404",
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


def test_messages_that_are_late_though_nothing_holds_them_are_found(story, ledger):
    story("channel", "add", "room", "--url", "json://127.0.0.1:9/hook")
    story("entry", "add", "floods", "--title", "River rising")
    expand_all(ledger, go_on=lambda: True, ring=lambda lane: None)
    assert findings(story, "sending") == []
    with ledger.begin() as tx:
        tx.execute(update(Delivery).values(due_at=now(tx) - timedelta(minutes=10)))
    ((status, problem, advice),) = findings(story, "sending")
    assert (status, problem) == ("fault", "Messages for webhook have been queued for 10 minutes.")
    assert "workers are running" in advice


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


def found_by(check):
    """What one check finds with the settings of the environment: status, problem and advice."""
    checkup = Checkup(load_settings())
    try:
        return [(one.status.value, one.problem, one.advice) for one in check(checkup)]
    finally:
        checkup.close()


@pytest.fixture
def plain_server():
    """A function that starts a mail server with these options of aiosmtpd."""
    with ExitStack() as at_end:

        def start(**options):
            server = Inbox(**options)
            server.start()
            at_end.callback(server.stop)
            return server

        yield start


def accept_password(server, session, envelope, mechanism, data):
    return AuthResult(success=data.login == b"ann" and data.password == b"right", handled=False)


NEEDS_LOGIN = {"auth_required": True, "auth_require_tls": False, "authenticator": accept_password}


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
@pytest.mark.parametrize(
    ("scheme", "login", "options", "replies", "says", "advises"),
    [
        ("smtp", "", {}, {}, None, None),
        ("smtp", "ann:right@", NEEDS_LOGIN, {}, None, None),
        (
            "smtp",
            "ann:wrong@",
            NEEDS_LOGIN,
            {},
            "rejects the session: 535",
            "Check user and password",
        ),
        ("smtp", "", NEEDS_LOGIN, {}, "530", "Put user and password into"),
        ("smtp", "ann:right@", {}, {}, "AUTH extension not supported", "smtp+starttls://"),
        ("smtp+starttls", "", {}, {}, "STARTTLS extension not supported", "smtps://"),
        ("smtp", "", {"tls": True, "require_starttls": True}, {}, "530", "Use smtp+starttls://"),
        ("smtp+starttls", "", {"tls": True, "require_starttls": True}, {}, None, None),
        (
            "smtp+starttls",
            "ann:right@",
            {"tls": True, "require_starttls": True, **NEEDS_LOGIN},
            {},
            None,
            None,
        ),
        ("smtps", "", {}, {}, "SSL", "may not speak TLS"),
        ("smtp", "", {}, {"mail": ["550 5.7.1 not yours"]}, "550 5.7.1", "STORYWIRE_MAIL_FROM"),
        ("smtp", "", {}, {"mail": ["451 4.3.0 later"]}, "451 4.3.0", "STORYWIRE_MAIL_FROM"),
        ("smtp", "", {}, {"mail": ["drop"]}, "broke off", "STORYWIRE_MAIL_FROM"),
    ],
)
def test_the_mail_server_is_tried_as_the_worker_would(
    monkeypatch, certificate, plain_server, scheme, login, options, replies, says, advises
):
    if options.get("tls"):
        options = {name: value for name, value in options.items() if name != "tls"}
        options["tls_context"] = certificate.server
    server = plain_server(**options)
    server.replies.update(replies)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.path))
    monkeypatch.setenv("STORYWIRE_MAIL_URL", f"{scheme}://{login}localhost:{server.port}")
    found = found_by(check_mail)
    if says is None:
        assert found == []
    else:
        ((status, problem, advice),) = found
        assert (status, says in problem, advises in advice) == ("fault", True, True), found
        assert "right" not in problem
    assert server.addresses == []
    assert [envelope.rcpt_tos for envelope in server.envelopes] == []


@pytest.mark.parametrize("scheme", ["smtp+starttls", "smtps"])
def test_doctor_finds_an_untrusted_certificate(monkeypatch, certificate, plain_server, scheme):
    options = {"tls_context": certificate.server}
    if scheme == "smtps":
        options = {"ssl_context": certificate.server}
    server = plain_server(**options)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.setenv("STORYWIRE_MAIL_URL", f"{scheme}://localhost:{server.port}")
    ((status, problem, advice),) = found_by(check_mail)
    assert (status, "CERTIFICATE_VERIFY_FAILED" in problem) == ("fault", True), problem
    assert "SSL_CERT_FILE" in advice


@pytest.mark.parametrize(
    ("url", "advises"),
    [
        ("smtp://127.0.0.1:{free}", "answers on port"),
        ("smtp://no-such-host.invalid", "Check the host name"),
    ],
)
def test_a_mail_server_that_is_not_there_is_found(monkeypatch, url, advises):
    monkeypatch.setenv("STORYWIRE_MAIL_URL", url.format(free=free_port()))
    ((status, problem, advice),) = found_by(check_mail)
    assert (status, "cannot be reached" in problem, advises in advice) == ("fault", True, True)


def test_a_broker_that_is_away_or_refuses_us_is_found(monkeypatch):
    monkeypatch.setenv("STORYWIRE_BROKER_URL", f"amqp://guest:hunter2@127.0.0.1:{free_port()}")
    ((status, problem, advice),) = found_by(check_broker)
    assert (status, "Connection refused" in problem) == ("fault", True), problem
    assert "Start RabbitMQ" in advice


def test_a_broker_that_runs_is_well_unless_it_refuses_the_password(monkeypatch, capfd):
    broker = Broker(URL.hostname or "", URL.port or 5672, f"{URL.username}:{URL.password}")
    if not broker.answers():
        skip_without("RabbitMQ")
    address = "{}:{}".format(*broker.address)
    monkeypatch.setenv("STORYWIRE_BROKER_URL", f"amqp://{broker.login}@{address}")
    assert found_by(check_broker) == []
    monkeypatch.setenv("STORYWIRE_BROKER_URL", f"amqp://nobody:hunter2@{address}")
    ((status, problem, advice),) = found_by(check_broker)
    assert (status, "rejects the log-in" in problem, "hunter2" in problem) == (
        "fault",
        True,
        False,
    ), problem
    assert "Check the user, password" in advice
    assert "pika" not in capfd.readouterr().err


def test_a_port_of_another_program_is_found(monkeypatch, plain_server):
    monkeypatch.setenv("STORYWIRE_PORT", str(free_port()))
    assert found_by(check_web) == []
    monkeypatch.setenv("STORYWIRE_PORT", str(plain_server().port))
    ((status, problem, advice),) = found_by(check_web)
    assert (status, "is in use" in problem) == ("fault", True)
    assert "STORYWIRE_PORT" in advice


def test_a_port_of_our_own_web_server_is_well(monkeypatch, httpserver):
    httpserver.expect_request("/healthz").respond_with_data("ok\n")
    monkeypatch.setenv("STORYWIRE_PORT", str(httpserver.port))
    assert found_by(check_web) == []


def test_an_address_of_another_machine_is_found(monkeypatch):
    monkeypatch.setenv("STORYWIRE_HOST", "192.0.2.7")
    ((status, problem, _),) = found_by(check_web)
    assert (status, "Cannot listen on 192.0.2.7" in problem) == ("fault", True)


def test_a_data_folder_that_cannot_be_written_is_found(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("STORYWIRE_DATABASE_URL", f"sqlite:///{tmp_path}/var/storywire.sqlite3")
    for folder, says in (("file/data", "is not a folder"), ("/proc/self/fd", "cannot be written")):
        monkeypatch.setenv("STORYWIRE_DATA_DIR", folder)
        ((status, problem, advice),) = found_by(check_data_dir)
        assert (status, says in problem) == ("fault", True), problem
        assert "the user that runs Storywire" in advice


@pytest.mark.parametrize(
    ("free", "status"),
    [
        (NEARLY_FULL_BYTES, None),
        (NEARLY_FULL_BYTES - 1, "warning"),
        (FULL_BYTES, "warning"),
        (FULL_BYTES - 1, "fault"),
        (0, "fault"),
    ],
)
def test_a_disk_that_is_nearly_full_is_found(tmp_path, free, status):
    found = [result.status.value for result in judge_disk(free, tmp_path)]
    assert found == ([status] if status else [])


def test_a_public_site_without_a_proxy_is_warned_of(monkeypatch):
    assert found_by(check_settings) == []
    monkeypatch.setenv("STORYWIRE_BASE_URL", "https://news.example.org")
    (proxies, sender) = found_by(check_settings)
    assert (proxies[0], "STORYWIRE_PROXIES is 0" in proxies[1]) == ("warning", True)
    assert (sender[0], "localhost" in sender[1]) == ("warning", True)
    monkeypatch.setenv("STORYWIRE_PROXIES", "1")
    monkeypatch.setenv("STORYWIRE_MAIL_FROM", "News <news@example.org>")
    assert found_by(check_settings) == []


@pytest.mark.parametrize(("passes_on", "found"), [(True, ["warning"]), (False, [])])
def test_a_proxy_that_lets_clients_choose_their_address_is_warned_of(monkeypatch, passes_on, found):
    class Proxy(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(400 if passes_on and "X_Forwarded_For" in self.headers else 200)
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as proxy:
        Thread(target=proxy.serve_forever, daemon=True).start()
        monkeypatch.setenv("STORYWIRE_BASE_URL", f"http://127.0.0.1:{proxy.server_port}")
        assert found_by(check_proxies) == [], "there is none"
        monkeypatch.setenv("STORYWIRE_PROXIES", "1")
        assert [status for status, *_ in found_by(check_proxies)] == found
        proxy.shutdown()
    assert found_by(check_proxies) == [], "it does not answer this machine"


def test_a_warning_alone_is_no_fault(story, ledger, monkeypatch, plain_server):
    monkeypatch.setenv("STORYWIRE_PORT", str(free_port()))
    monkeypatch.setenv("STORYWIRE_MAIL_URL", plain_server().url)
    monkeypatch.setenv("STORYWIRE_BASE_URL", "https://news.example.org")
    found = findings(story, "settings", code=0)
    assert [status for status, _, _ in found] == ["warning", "warning"]


def test_invalid_settings_are_reported_in_the_same_format(story, monkeypatch):
    monkeypatch.setenv("STORYWIRE_MAIL_FROM", "news")
    monkeypatch.setenv("STORYWIRE_BROKER_URL", "rabbit")
    problems = [problem for _, problem, _ in findings(story, "settings", code=os.EX_CONFIG)]
    assert problems == [
        "STORYWIRE_BROKER_URL: write it as amqp://user:password@host or amqps://user:password@host:port/vhost.",
        "STORYWIRE_MAIL_FROM must look like: Storywire <news@example.org>.",
    ]
    for command in (("doctor",), ("serve",), ("worker",), ("entry", "list")):
        result = story(*command, code=os.EX_CONFIG)
        for problem in problems:
            assert problem in result.output, command


def test_an_empty_postgresql_database_is_not_called_old(story, postgres_site_url, monkeypatch):
    monkeypatch.setenv("STORYWIRE_DATABASE_URL", postgres_site_url)
    monkeypatch.setenv("STORYWIRE_SECRET_KEY", "x" * 40)
    assert findings(story, "database") == [
        ("fault", "The database has no tables yet.", "Run `storywire init`.")
    ]
    assert "has no tables yet. Run `storywire init`." in story("entry", "list", code=78).stderr
    story("init")
    assert findings(story, "database") == []
    assert "No entries" in story("entry", "list").output
    with psycopg.connect(postgres_site_url, autocommit=True) as admin:
        admin.execute("UPDATE alembic_version SET version_num = '0001'")
    assert "needs an upgrade" in findings(story, "database")[0][1]


def test_a_worker_that_was_killed_is_missed_at_once(tmp_path, monkeypatch):
    site = Site(tmp_path)
    site.do("init")
    worker = site.spawn("worker")
    monkeypatch.setenv("STORYWIRE_DATA_DIR", site.environment["STORYWIRE_DATA_DIR"])
    eventually(lambda: found_by(check_workers) == [], what="the worker's start")
    worker.kill()
    worker.wait()
    assert [one[1] for one in found_by(check_workers)] == [
        "No worker is running, so no alerts are sent."
    ]
