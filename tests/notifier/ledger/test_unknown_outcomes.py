"""A message that may have left counts as told, whatever becomes of its delivery since."""

import socket
from collections.abc import Callable

import pytest

from models import Entry, Lane
from models.alerts.alert_control import retry_alert, stop_alert
from models.text.actor import SYSTEM
from notifier.ledger.claim import claim
from notifier.ledger.lease import release_all, release_expired
from notifier.worker import mail_lane
from tests.support.bare_server import BareServer
from tests.support.clock import StandingClock
from tests.support.inbox import DROP, Inbox
from tests.support.newsroom import Newsroom
from tests.support.office import Office

READERS = ["ann@example.org", "bob@example.org", "cem@example.org"]


class Crash(BaseException):
    """The worker dies here."""


@pytest.fixture
def crash(office: Office, inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Send until the mail server has the first mail, and die before its answer is settled."""

    def die(*args: object, **kwargs: object) -> None:
        raise Crash

    def send() -> None:
        with monkeypatch.context() as dying:
            dying.setattr(office.mail._settler, "settle", die)
            dying.setattr(mail_lane, "give_back", lambda *args, **kwargs: 0)
            with pytest.raises(Crash):
                office.mail.send_pass()

    return send


def fail(office: Office, inbox: Inbox, clock: StandingClock, entry: Entry) -> None:
    """The next attempt is refused for good."""
    inbox.replies["rcpt"] = ["552 5.2.2 mailbox full"] * 3
    clock.forward(minutes=1)
    office.send()


def correct(office: Office, inbox: Inbox, clock: StandingClock, entry: Entry) -> None:
    """A correction takes its place, and is refused."""
    office.revise(entry, "Dyke holds")
    inbox.replies["rcpt"] = ["552 5.2.2 mailbox full"] * 3
    clock.forward(minutes=1)
    office.run()


def stop(office: Office, inbox: Inbox, clock: StandingClock, entry: Entry) -> None:
    """Its alert is stopped."""
    stop_alert(office.db, SYSTEM, office.deliveries()[0].alert_id)
    clock.forward(minutes=1)
    office.send()


def nothing(office: Office, inbox: Inbox, clock: StandingClock, entry: Entry) -> None:
    """It waits to be sent again."""


FATES = {"queued": nothing, "failed": fail, "superseded": correct, "stopped": stop}
ENDS: dict[str, tuple[str, list[str]]] = {
    # stage, what the server says to each of three mails, and so who may have got the entry
    "busy before the mail was named": ("mail", ["451 4.3.0 later"] * 3),
    "busy at the recipient": ("rcpt", ["451 4.7.1 later"] * 3),
    "cut at the recipient": ("rcpt", [DROP] * 6),
    "busy after the data": ("data", ["451 4.3.0 later"] * 3),
    "cut after the data": ("data", [DROP] * 6),
}


def withdrawn(inbox: Inbox) -> list[str]:
    return sorted(mail["To"] for mail in inbox.mails if mail["Subject"].startswith("Retracted"))


@pytest.mark.parametrize("fate", FATES)
@pytest.mark.parametrize("end", ENDS)
def test_a_retraction_goes_only_to_recipients_who_may_have_got_the_mail(
    newsroom: Newsroom, office: Office, inbox: Inbox, clock: StandingClock, end: str, fate: str
) -> None:
    office.subscribe(READERS[0])
    entry = newsroom.post(title="Dyke gives way")
    stage, replies = ENDS[end]
    inbox.replies[stage] = list(replies)
    office.run()
    inbox.replies.clear()
    FATES[fate](office, inbox, clock, entry)
    inbox.replies.clear()
    may_have_left = end == "cut after the data"
    assert bool(office.deliveries()[0].may_have_arrived_at) is may_have_left
    office.retract(entry)
    clock.forward(hours=1)
    office.run()
    assert withdrawn(inbox) == (READERS[:1] if may_have_left else [])


@pytest.mark.parametrize("fate", ["queued", "superseded", "stopped"])
@pytest.mark.parametrize("free", ["at the next start", "by another worker"])
def test_after_a_crash_only_the_mail_in_flight_counts_as_delivered(
    newsroom: Newsroom,
    office: Office,
    inbox: Inbox,
    clock: StandingClock,
    crash: Callable[[], None],
    free: str,
    fate: str,
) -> None:
    office.subscribe(*READERS)
    entry = newsroom.post(title="Dyke gives way")
    office.expand()
    crash()
    clock.forward(minutes=2)
    assert (release_all if free == "at the next start" else release_expired)(office.db) == 3
    FATES[fate](office, inbox, clock, entry)
    inbox.replies.clear()
    office.retract(entry)
    clock.forward(hours=1)
    office.run()
    assert withdrawn(inbox) == inbox.addresses[:1]


def test_a_settlement_that_fails_leaves_the_mail_claimed_and_gives_back_the_others(
    newsroom: Newsroom, office: Office, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.subscribe(*READERS)
    newsroom.post()
    office.expand()

    def die(*args: object, **kwargs: object) -> None:
        raise Crash

    with monkeypatch.context() as dying:
        dying.setattr(office.mail._settler, "settle", die)
        with pytest.raises(Crash):
            office.mail.send_pass()
    assert [row.state.value for row in office.deliveries()] == ["claimed", "queued", "queued"]
    assert [row.started_at is not None for row in office.deliveries()] == [True, False, False]


def test_each_mail_is_noted_as_begun_before_it_leaves(
    newsroom: Newsroom, office: Office, inbox: Inbox
) -> None:
    office.subscribe(*READERS)
    newsroom.post()
    begun: list[list[str]] = []

    def look(index: int) -> None:
        rows = [row for row in office.deliveries() if row.state.value == "claimed"]
        begun.append([row.uid for row in rows if row.started_at is not None])

    inbox.on_data = look
    office.run()
    assert begun == [[mail["Message-ID"].strip("<>").partition("@")[0]] for mail in inbox.mails]


def test_an_unknown_mail_that_is_requeued_and_skipped_still_counts_as_delivered(
    newsroom: Newsroom, office: Office, inbox: Inbox, clock: StandingClock
) -> None:
    office.subscribe(READERS[0])
    entry = newsroom.post(title="Dyke gives way")
    office.expand()
    inbox.replies["data"] = [DROP] * 10
    for _ in range(5):
        office.send()
        clock.forward(hours=1)
    assert office.ledger() == [(READERS[0], "unknown")]
    inbox.replies.clear()
    assert retry_alert(office.db, SYSTEM, office.deliveries()[0].alert_id, unknown=True) == 1
    office.retract(entry)
    clock.forward(hours=1)
    office.run()
    assert withdrawn(inbox) == READERS[:1]


def test_an_unknown_end_that_comes_too_late_to_try_again_is_unknown(
    newsroom: Newsroom, office: Office, inbox: Inbox, clock: StandingClock
) -> None:
    office.subscribe(READERS[0])
    newsroom.post()
    office.expand()
    inbox.replies["rcpt"] = ["451 4.7.1 later"]
    office.send()
    clock.forward(hours=30)
    inbox.replies["data"] = [DROP] * 2
    office.send()
    assert office.ledger() == [(READERS[0], "unknown")]


def test_after_a_crash_a_webhook_in_flight_counts_as_delivered_and_a_waiting_one_does_not(
    newsroom: Newsroom, office: Office
) -> None:
    office.channel("hook", "json://hooks.example.org/")
    office.channel(
        "room", "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/%23general", "slack"
    )
    newsroom.post()
    office.expand()
    assert claim(office.db, Lane.FAST, 10) is not None
    assert release_all(office.db) == 2
    assert [row.may_have_arrived_at is not None for row in office.deliveries()] == [True, False]


def answer(status: str) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()


@pytest.mark.parametrize("fate", ["queued", "failed", "superseded"])
@pytest.mark.parametrize("end", ["busy", "cut after the request"])
def test_a_webhook_that_may_have_got_an_entry_gets_its_retraction(
    newsroom: Newsroom,
    office: Office,
    clock: StandingClock,
    bare_server: Callable[..., BareServer],
    allow: Callable[..., None],
    end: str,
    fate: str,
) -> None:
    told: list[bytes] = []
    answers = {"now": answer("503 Busy") if end == "busy" else b""}

    def talk(connection: socket.socket) -> None:
        data = b""
        while not data.rstrip().endswith(b"}"):
            data += (more := connection.recv(65536))
            if not more:
                return
        told.append(data)
        connection.sendall(answers["now"])

    server = bare_server(talk)
    allow(f"127.0.0.1:{server.port}")
    office.channel("hook", f"json://127.0.0.1:{server.port}/")
    entry = newsroom.post(title="Dyke gives way")
    office.run()
    if fate == "superseded":
        answers["now"] = answer("400 Bad")
        office.revise(entry, "Dyke holds")
        clock.forward(minutes=5)
        office.run()
    elif fate == "failed":
        answers["now"] = answer("400 Bad")
        clock.forward(minutes=5)
        office.run()
    answers["now"] = answer("200 OK")
    told.clear()
    office.retract(entry)
    clock.forward(hours=1)
    office.run()
    withdrawals = [b"Storywire-Event: retraction" in request for request in told]
    assert withdrawals == ([True] if end == "cut after the request" else [])
