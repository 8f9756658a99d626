"""Faults of the disk and the clock, and a person's hand in the middle of a drain: nobody is lost,
and nobody hears what is not for him.
"""

import logging
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from sqlalchemy import event, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import Pool
from werkzeug import Request, Response

from config.keys import Keys
from models import Delivery, DeliveryState, Entry, Recipient, RevisionKind
from models.alerts.alert_control import resume_alert, stop_alert
from models.alerts.send_hold import resume_sending
from models.db.database import Database, open_database
from models.publishing.posting import Release
from models.publishing.revising import Change, retract
from models.recipients.audience import unsubscribe
from models.text.actor import SYSTEM
from models.text.texts import MAX_BODY_CHARS
from models.text.tokens import ALL_STREAMS
from notifier.ledger.lease import release_expired
from notifier.reports.delivery_report import alert_sums
from notifier.worker.ticker import Ticker
from tests.support.clock import StandingClock
from tests.support.databases import sqlite_only
from tests.support.delivery_audit import audit_deliveries
from tests.support.mail_sink import MailSink, mail_sink
from tests.support.newsroom import Newsroom
from tests.support.office import Office, counted, tallied
from tests.support.running_worker import eventually, states, working

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

Say = Callable[[str, object], None]
CONNECTIONS = 4
MINUTES = 240.0  # that thousands of mails may take where other work has the processor, too


@pytest.fixture
def live(db: Database) -> Iterator[Newsroom]:
    """A newsroom whose clock runs."""
    real = open_database(db.engine.url.render_as_string(hide_password=False))
    room = Newsroom(real)
    room.stream()
    yield room
    real.engine.dispose()


class Disk:
    """SQLite's own limit to its file, put on every connection of this process."""

    full = False

    def limit(self, connection: object, *_: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {1 if self.full else 2**30}")  # type: ignore[attr-defined]


@pytest.fixture
def disk() -> Iterator[Disk]:
    disk = Disk()
    event.listen(Pool, "checkout", disk.limit)
    yield disk
    event.remove(Pool, "checkout", disk.limit)


@pytest.fixture
def ticks(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """One item for each tick that a worker has begun."""
    begun: list[None] = []
    tick = Ticker.tick

    def counted_tick(self: Ticker) -> None:
        begun.append(None)
        tick(self)

    monkeypatch.setattr(Ticker, "tick", counted_tick)
    return begun


@sqlite_only
def test_a_full_disk_is_logged_once_and_sending_recovers(
    live: Newsroom,
    keys: Keys,
    sink: MailSink,
    disk: Disk,
    ticks: list[None],
    caplog: pytest.LogCaptureFixture,
    say: Say,
) -> None:
    live.subscribe_many(6_000)
    sink.on_mail = lambda index: setattr(disk, "full", True) if index == 5 else None
    with working(live.db, keys, mail_url=sink.url):
        live.post()
        assert eventually(lambda: "database or disk is full" in caplog.text)
        with pytest.raises(OperationalError, match="full"):
            live.post(title="Too much", body="x" * (MAX_BODY_CHARS - 1))
        begun = len(ticks)
        assert eventually(lambda: len(ticks) >= begun + 4)
        said = [record for record in caplog.records if record.levelno >= logging.WARNING]
        disk.full = False
        assert eventually(lambda: states(live) == {DeliveryState.SENT: 6_000}, MINUTES), states(
            live
        )
        live.post(title="The disk has room again", release=Release(alerts=False))
    found = audit_deliveries(live.db, sink.arrived)
    say(f"a full disk for four ticks, {len(said)} lines of log", found)
    with live.db.read() as tx:
        assert [entry.title for entry in tx.scalars(select(Entry))] == [
            "River rising",
            "The disk has room again",
        ]
    assert 0 < len(said) <= 10
    assert found.lost == []
    assert found.doubled <= CONNECTIONS
    assert tallied(live.db) == counted(live.db)


def test_a_clock_that_steps_back_an_hour_loses_and_doubles_nothing(
    newsroom: Newsroom,
    new_office: Callable[..., Office],
    sink: MailSink,
    clock: StandingClock,
    say: Say,
) -> None:
    office = new_office()
    newsroom.subscribe_many(500)
    clock.forward(hours=2)
    newsroom.post()
    office.expand()
    sink.on_mail = lambda index: index == 20 and clock.forward(hours=-1)
    office.mail.send_pass()
    release_expired(office.db)
    newsroom.post(title="Posted after the step")
    office.run()
    told = Counter(
        delivery.alert_id
        for delivery in office.deliveries()
        if delivery.state is DeliveryState.SENT
    )
    assert told[2] == 500  # what is new goes out at once ...
    clock.forward(hours=1)
    release_expired(office.db)
    office.send()  # ... and what was owed before, when its moment comes again
    found = audit_deliveries(office.db, sink.arrived)
    say("the clock steps back an hour", found)
    assert (found.sent, found.lost, found.doubled) == (1_000, [], 0)
    assert tallied(office.db) == counted(office.db)


def test_an_expired_lease_doubles_a_mail_or_webhook_at_most_once_and_no_chat_message(
    newsroom: Newsroom,
    new_office: Callable[..., Office],
    sink: MailSink,
    httpserver: HTTPServer,
    allow: Callable[..., None],
    clock: StandingClock,
    say: Say,
) -> None:
    here = f"{httpserver.host}:{httpserver.port}"
    allow(here)
    newsroom.subscribe_many(50)
    slow = new_office()
    slow.channel("program", f"json://{here}/program")
    slow.channel("phones", f"ntfy://{here}/topic", "ntfy")
    sink.hold_after = 5  # of the ten of a claim

    def stand_still(request: Request | None = None) -> Response:
        """The sender, which waits for an answer, or its whole machine."""
        clock.forward(minutes=2)
        release_expired(newsroom.db)
        return Response("ok")

    for path in ("/", "/program"):
        httpserver.expect_oneshot_request(path).respond_with_handler(stand_still)
    httpserver.expect_request("/program").respond_with_data("ok")
    newsroom.post()
    slow.expand()
    while slow.chat.send_pass():
        pass
    with mail_sink() as second:
        other = new_office(second.url)
        sending = threading.Thread(
            target=lambda: (slow.mail.send_pass(), slow.mail.close_connection())
        )
        sending.start()
        assert eventually(lambda: len(sink.arrived) == 6)
        stand_still()
        other.send()
        sink.let_go()
        sending.join()
        slow.send()
        came = [*sink.arrived, *second.arrived]
    uids = {
        recipient: delivery.uid
        for (recipient, *_), delivery in zip(slow.ledger(), slow.deliveries(), strict=True)
    }
    heard = Counter(
        {"/": "phones", "/program": "program"}[request.path] for request, _ in httpserver.log
    )
    found = audit_deliveries(
        newsroom.db, [*came, *((name, uids[name]) for name in heard.elements())]
    )
    say("a lease runs out while a mail, a webhook and a push message are sent", found)
    assert heard == {"phones": 1, "program": 2}
    assert [row for row in slow.ledger() if row[1] != "sent"] == [("phones", "unknown")]
    assert (found.lost, found.doubled) == ([], 2)


def addresses(db: Database, alert_id: int, state: DeliveryState) -> set[str]:
    """Whose delivery of an alert is in that state."""
    query = select(Recipient.address).join(Delivery, Delivery.recipient_id == Recipient.id)
    with db.read() as tx:
        return set(tx.scalars(query.where(Delivery.alert_id == alert_id, Delivery.state == state)))


def at_rest(room: Newsroom, alerts: int) -> bool:
    """Whether so many alerts were expanded, and nothing of them is in anybody's hands or waits."""
    with room.db.read() as tx:
        found = alert_sums(tx, 10)
    return len(found) == alerts and not any(one["queued"] or not one["expanded"] for one in found)


def test_unsubscribing_stopping_and_retracting_take_effect_while_mails_drain(
    live: Newsroom, keys: Keys, sink: MailSink, say: Say
) -> None:
    readers = live.subscribe_many(20_000)
    leaving, still_in_hand = set(random.sample(readers, 100)), set[str]()
    with live.db.read() as tx:
        uids = tx.scalars(select(Recipient.uid).where(Recipient.address.in_(leaving))).all()
    entry = live.post(title="Dyke gives way")

    def at(index: int) -> None:
        """Runs while the mail of that index waits for its answer."""
        if index == 1_000:
            for uid in uids:
                unsubscribe(live.db, uid, ALL_STREAMS)
            still_in_hand.update(addresses(live.db, 1, DeliveryState.CLAIMED))
        if index == 2_000:
            stop_alert(live.db, SYSTEM, 1)
        if index == 3_000:
            change = Change(RevisionKind.RETRACTION, "There was no such report.")
            retract(live.db, SYSTEM, entry.uid, live.entry(entry.uid).version, change)
            still_in_hand.update(addresses(live.db, 1, DeliveryState.CLAIMED))

    sink.on_mail = at
    with working(live.db, keys, mail_url=sink.url):
        assert eventually(lambda: len(sink.arrived) > 2_000, MINUTES)
        assert eventually(lambda: at_rest(live, 1), MINUTES)
        told_when_stopped = len(sink.arrived)
        resume_alert(live.db, SYSTEM, 1)
        assert eventually(lambda: at_rest(live, 2), MINUTES)
    found = audit_deliveries(live.db, sink.arrived)
    told, withdrawn = (
        addresses(live.db, 1, DeliveryState.SENT),
        addresses(live.db, 2, DeliveryState.SENT),
    )
    say(
        f"stopped at 2,001 of 20,000 ({told_when_stopped} told), retracted at 3,001 ({len(told)}"
        f" told, {len(withdrawn)} hear of it)",
        found,
    )
    assert told_when_stopped <= 2_001 + 1_500  # a stop acts within a quarter of a second
    assert withdrawn == told - leaving
    assert told - {address for address, _ in sink.arrived[:3_001]} <= still_in_hand
    assert {address for address, _ in sink.arrived[1_001:]} & leaving <= still_in_hand
    assert (found.lost, found.doubled) == ([], 0)
    assert tallied(live.db) == counted(live.db)


@sqlite_only
def test_an_older_copy_that_is_put_back_is_held_until_a_person_lets_it_go(
    live: Newsroom,
    keys: Keys,
    sink: MailSink,
    tmp_path: Path,
    ticks: list[None],
    caplog: pytest.LogCaptureFixture,
    say: Say,
) -> None:
    live.subscribe_many(300)
    copy = tmp_path / "copy.sqlite3"

    def back_up(index: int) -> None:
        if index == 100:
            with closing(live.db.engine.raw_connection()) as connection:
                connection.cursor().execute(f"VACUUM INTO '{copy}'")

    sink.on_mail = back_up
    with working(live.db, keys, mail_url=sink.url):
        live.post()
        assert eventually(lambda: states(live) == {DeliveryState.SENT: 300})
    room = Newsroom(open_database(f"sqlite:///{copy}"))
    after_the_copy = states(room)[DeliveryState.CLAIMED] + states(room)[DeliveryState.QUEUED]
    # each connection may have had one more on its way
    assert abs(after_the_copy - 200) <= CONNECTIONS
    with working(room.db, keys, mail_url=sink.url):
        assert eventually(lambda: "held until `storywire resume`" in caplog.text)
        room.post(title="Posted while it was held")
        begun = len(ticks)
        assert eventually(lambda: len(ticks) >= begun + 3)
        assert len(sink.arrived) == 300
        resume_sending(room.db, SYSTEM)
        assert eventually(lambda: states(room) == {DeliveryState.SENT: 600})
    assert caplog.text.count("held until `storywire resume`") == 1
    found = audit_deliveries(room.db, sink.arrived)
    say(f"an older copy put back, from before {after_the_copy} of 300 were sent", found)
    assert (found.lost, found.doubled) == ([], after_the_copy)
    room.db.engine.dispose()
