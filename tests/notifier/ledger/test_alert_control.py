"""Stop, pause, hold, resume, retry: a person's hand on what goes out."""

import shutil
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from sqlalchemy import delete, update

from config.keys import Keys
from models import (
    Alert,
    Delivery,
    DeliveryState,
    Entry,
    EntryState,
    Lane,
    Recipient,
    Revision,
    RevisionKind,
    Role,
)
from models.alerts.alert_control import find_alert, resume_alert, retry_alert, stop_alert
from models.alerts.send_hold import hold, pause_sending, resume_sending, waiting, watch
from models.alerts.send_mark import mark_sends
from models.db.database import open_database
from models.text.actor import SYSTEM, Actor
from models.text.errors import Conflict, Forbidden
from notifier.ledger import pause
from notifier.ledger.claim import claim
from notifier.ledger.lease import release_all
from notifier.reports.delivery_report import why_waiting
from tests.support.clock import StandingClock
from tests.support.databases import sqlite_only
from tests.support.inbox import Inbox
from tests.support.newsroom import Newsroom
from tests.support.office import BASE_URL, Office, lines

FOUR = [f"reader{n}@example.org" for n in range(4)]


@pytest.fixture(autouse=True)
def _looks_before_each_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pause, "LOOK_SECONDS", 0.0)


@pytest.fixture
def alert(newsroom: Newsroom, office: Office) -> Alert:
    """Of one entry, owed to four readers by mail."""
    office.subscribe(*FOUR)
    entry = newsroom.post()
    office.expand()
    with newsroom.db.read() as tx:
        return find_alert(tx, entry.uid)


def test_a_stop_acts_in_the_middle_of_a_claim_and_can_be_taken_back(
    office: Office, inbox: Inbox, alert: Alert
) -> None:
    inbox.on_data = lambda index: index == 1 and stop_alert(office.db, SYSTEM, alert.id)
    office.unsubscribe(FOUR[3])
    office.send()
    assert inbox.addresses == FOUR[:2]
    assert lines(office.ledger())[2:] == [
        f"{FOUR[2]} skipped stopped",
        f"{FOUR[3]} skipped cancelled",
    ]
    assert resume_alert(office.db, SYSTEM, alert.id) == 1  # not who left by himself
    office.send()
    assert inbox.addresses == FOUR[:3]
    assert resume_alert(office.db, SYSTEM, alert.id) == 0


@sqlite_only
def test_a_pause_acts_in_the_middle_of_a_claim_in_chat_too(
    newsroom: Newsroom,
    office: Office,
    inbox: Inbox,
    alert: Alert,
    httpserver: HTTPServer,
    hook: str,
) -> None:
    httpserver.expect_request("/hook").respond_with_data("ok")
    for name in "ab":
        office.channel(name, hook)
    newsroom.post()
    office.expand()
    inbox.on_data = lambda index: index == 1 and pause_sending(office.db, SYSTEM)
    office.send()
    assert (len(inbox.mails), len(httpserver.log)) == (2, 0)
    assert {delivery.state for delivery in office.deliveries()} == {
        DeliveryState.SENT,
        DeliveryState.QUEUED,
    }
    with office.db.read() as tx:
        found = waiting(tx)
    assert (found.mails, found.channels, found.finding) == (6, 2, 0)
    resume_sending(office.db, newsroom.account(Role.EDITOR))
    office.send()
    assert (len(inbox.mails), len(httpserver.log)) == (8, 2)


def test_a_retry_sends_an_alert_only_to_recipients_who_missed_it(
    office: Office, inbox: Inbox, alert: Alert, newsroom: Newsroom, clock: StandingClock
) -> None:
    inbox.replies["data"] = ["250 ok", "550 5.6.0 no", "550 5.6.0 no"]
    office.send()
    assert [state for _, state, *_ in office.ledger()] == ["sent", "failed", "failed", "sent"]
    office.unsubscribe(FOUR[2])
    clock.forward(hours=30)
    assert retry_alert(office.db, SYSTEM, alert.id) == 2
    inbox.replies["data"] = ["451 4.3.0 later"]
    office.send()
    # with a full age before it
    assert [state for _, state, *_ in office.ledger()] == ["sent", "queued", "skipped", "sent"]
    clock.forward(minutes=1)
    office.send()
    assert [state for _, state, *_ in office.ledger()] == ["sent", "sent", "skipped", "sent"]


@sqlite_only
def test_what_may_have_arrived_is_sent_again_only_where_that_is_asked_for(
    newsroom: Newsroom,
    office: Office,
    httpserver: HTTPServer,
    hook: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    httpserver.expect_request("/hook").respond_with_data("ok")
    office.channel("room", hook)
    entry = newsroom.post()
    office.expand()
    found = claim(office.db, Lane.FAST, 1)
    assert found is not None
    with office.db.begin() as tx:
        tx.execute(update(Delivery).values(attempts=2, started_at=entry.published_at))
        tx.execute(update(Recipient).values(service="ntfy"))  # which does not drop doubles
    release_all(office.db)
    with office.db.begin() as tx:
        tx.execute(update(Recipient).values(service="webhook"))
    with office.db.read() as tx:
        alert = find_alert(tx, entry.uid)
    assert office.ledger() == [("room", "unknown")]
    assert retry_alert(office.db, SYSTEM, alert.id) == 0
    assert retry_alert(office.db, SYSTEM, alert.id, unknown=True) == 1
    office.send()
    assert office.ledger() == [("room", "sent")]


@sqlite_only
def test_an_alert_that_is_stopped_or_not_true_any_more_is_not_retried(
    newsroom: Newsroom, office: Office
) -> None:
    entry = newsroom.post()
    with office.db.read() as tx:
        first = find_alert(tx, entry.uid)
    stop_alert(office.db, SYSTEM, first.id)
    with pytest.raises(Conflict, match="Resume it first"):
        retry_alert(office.db, SYSTEM, first.id)
    resume_alert(office.db, SYSTEM, first.id)
    office.revise(entry, "River falling", RevisionKind.CORRECTION)
    with pytest.raises(Conflict, match="Retry that"):
        retry_alert(office.db, SYSTEM, first.id)
    with office.db.read() as tx:
        second = find_alert(tx, entry.uid)
    with office.db.begin() as tx:
        tx.execute(update(Revision).values(alerts=False))
        tx.execute(delete(Alert).where(Alert.id == first.id))
    retry_alert(office.db, SYSTEM, second.id)
    with office.db.begin() as tx:
        tx.execute(update(Entry).values(state=EntryState.RETRACTED))
    with pytest.raises(Conflict, match="retracted"):
        retry_alert(office.db, SYSTEM, second.id)
    with pytest.raises(Forbidden):
        stop_alert(office.db, newsroom.account(Role.AUTHOR), second.id)


def test_a_copy_is_held_where_it_runs_first_and_a_restart_is_not(
    office: Office, inbox: Inbox, alert: Alert
) -> None:
    def start(base_url: str = BASE_URL) -> str | None:
        return watch(office.db, base_url, starting=True)

    assert start() is None
    assert start() is None
    assert "BASE_URL" in (start("https://copy.example.org") or "")
    assert office.send() == 0
    assert start() is not None  # back at the old place the question stays open
    with pytest.raises(Forbidden):
        resume_sending(office.db, Actor(None, Role.EDITOR))
    resume_sending(office.db, SYSTEM)
    assert start("https://copy.example.org") is None
    office.send()
    assert len(inbox.mails) == 4


@sqlite_only
def test_addresses_of_the_machine_itself_are_one_place(office: Office) -> None:
    assert watch(office.db, "http://127.0.0.1:8000", starting=True) is None
    assert watch(office.db, "http://localhost:8001", starting=True) is None


@sqlite_only
def test_a_copied_sqlite_file_is_held(office: Office, tmp_path: Path, clock: StandingClock) -> None:
    watch(office.db, BASE_URL, starting=True)
    with closing(office.db.engine.raw_connection()) as connection:
        connection.cursor().execute(f"VACUUM INTO '{tmp_path / 'copy.sqlite3'}'")
    copy = open_database(f"sqlite:///{tmp_path / 'copy.sqlite3'}", clock=clock)
    assert "file" in (watch(copy, BASE_URL, starting=True) or "")
    copy.engine.dispose()


@sqlite_only
@pytest.mark.parametrize("when", ["before", "in the middle"])
def test_a_copy_that_is_put_back_in_the_same_file_sends_nothing_again(
    office: Office,
    inbox: Inbox,
    alert: Alert,
    tmp_path: Path,
    when: str,
    keys: Keys,
    clock: StandingClock,
) -> None:
    watch(office.db, BASE_URL, starting=True)
    path, copy = Path(str(office.db.engine.url.database)), tmp_path / "copy.sqlite3"

    def back_up() -> None:
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)

    inbox.on_data = lambda index: index == 2 and when == "in the middle" and back_up()
    if when == "before":
        back_up()
    office.send()
    assert inbox.addresses == FOUR
    mark_sends(office.db, durable=True)  # as a worker ends
    office.close()
    office.db.engine.dispose()
    shutil.copyfile(copy, path)
    db = open_database(f"sqlite:///{path}", clock=clock)
    release_all(db)
    reason = watch(db, BASE_URL, starting=True) or ""
    assert "would be sent again" in reason
    again = Office(db, keys, inbox.url)
    again.run()
    assert inbox.addresses == FOUR, "nobody got it twice"
    again.close()
    db.engine.dispose()


@pytest.mark.parametrize(
    ("silence", "held"), [(timedelta(minutes=59), False), (timedelta(minutes=61), True)]
)
def test_pending_deliveries_are_held_after_a_long_silence(
    newsroom: Newsroom,
    office: Office,
    inbox: Inbox,
    alert: Alert,
    clock: StandingClock,
    silence: timedelta,
    held: bool,
) -> None:
    watch(office.db, BASE_URL)
    clock.forward(seconds=silence.total_seconds())
    assert (office.send() == 0) is held  # nothing is claimed between waking up and looking
    assert (watch(office.db, BASE_URL) is not None) is held
    assert (office.send() == 0) is True
    if held:
        newsroom.post(title="New")
        office.run()
        assert inbox.mails == []
        resume_sending(office.db, SYSTEM)
        office.run()
        assert len(inbox.mails) == 8


@sqlite_only
def test_a_silence_without_pending_deliveries_holds_nothing(
    newsroom: Newsroom, office: Office, inbox: Inbox, clock: StandingClock
) -> None:
    watch(office.db, BASE_URL)
    clock.forward(days=3)
    assert watch(office.db, BASE_URL, starting=True) is None
    office.subscribe(*FOUR)
    newsroom.post()
    office.run()
    assert len(inbox.mails) == 4


def test_an_alert_that_would_come_hours_late_waits_for_a_person_and_lets_others_pass(
    newsroom: Newsroom, office: Office, inbox: Inbox, alert: Alert, clock: StandingClock
) -> None:
    clock.forward(hours=6, seconds=1)
    office.send()
    assert inbox.mails == []
    newsroom.post(title="News")
    office.run()
    assert {mail["Subject"] for mail in inbox.mails} == {"News"}
    with office.db.read() as tx:
        assert tx.get_one(Alert, alert.id).held_at == clock.now
        assert len([said for said in why_waiting(tx) if "late" in said]) == 1
    resume_sending(office.db, SYSTEM)
    office.send()
    assert len(inbox.mails) == 8


@sqlite_only
def test_a_held_alert_can_be_stopped(office: Office, alert: Alert, clock: StandingClock) -> None:
    clock.forward(hours=7)
    office.send()
    stop_alert(office.db, SYSTEM, alert.id)
    office.send()
    assert {row[1:] for row in office.ledger()} == {("skipped", "stopped")}
    assert resume_alert(office.db, SYSTEM, alert.id) == 4


@sqlite_only
def test_an_alert_of_which_some_went_out_in_time_is_never_held(
    office: Office, inbox: Inbox, alert: Alert, clock: StandingClock
) -> None:
    inbox.replies["data"] = ["250 ok", "451 4.3.0 later"]
    office.send()
    clock.forward(hours=7)
    office.send()
    assert {state for _, state in office.ledger()} == {"sent"}


@sqlite_only
def test_what_was_brought_back_is_held_with_its_reason(office: Office, alert: Alert) -> None:
    with office.db.begin() as tx:
        hold(tx, "Brought back from a copy.")
        hold(tx, "Another reason.")
    assert office.send() == 0
    with office.db.read() as tx:
        assert why_waiting(tx) == [
            "Sending is held: Brought back from a copy. `storywire resume` lets it go on."
        ]
