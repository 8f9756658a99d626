"""The whole worker: wake-ups, punctuality, draining, and outages of its dependencies."""

import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from datetime import timedelta

import psycopg
import pytest
from pytest_httpserver import HTTPServer
from sqlalchemy import select

from config.keys import Keys
from models import Delivery, DeliveryState, Lane, Pause, Revision
from models.db.database import Database, open_database
from models.db.heartbeats import workers
from models.publishing.posting import Release
from models.recipients.audience import ChannelTarget, add_channel
from models.text.actor import SYSTEM
from notifier.ledger.pause import MAIL, NO_MAIL_URL
from notifier.transport import channel_sender
from notifier.transport.smtp import MailConnection
from notifier.worker import ticker
from notifier.worker.wakeup import BULK, EXPAND, BrokerWakeup, make_wakeup
from tests.support.bare_server import BareServer
from tests.support.databases import sqlite_only
from tests.support.inbox import Inbox
from tests.support.newsroom import Newsroom
from tests.support.office import settings
from tests.support.requirements import skip_without
from tests.support.running_worker import PATIENCE, eventually, states, subscribe, working

AMQP_URL = os.environ.get("STORYWIRE_TEST_AMQP_URL", "amqp://guest:guest@127.0.0.1:5672")


def test_what_is_posted_reaches_mail_and_channels_and_is_in_the_ledger(
    live: Newsroom, keys: Keys, inbox: Inbox, httpserver: HTTPServer, hook: str
) -> None:
    httpserver.expect_request("/hook").respond_with_data("ok")
    subscribe(live, *[f"reader{n}@example.org" for n in range(20)])
    add_channel(live.db, SYSTEM, keys, "room", ChannelTarget(hook, "webhook", "…"), stream="floods")
    allowed = frozenset({f"{httpserver.host}:{httpserver.port}"})
    with working(live.db, keys, mail_url=inbox.url, allow_private_hosts=allowed):
        live.post()
        assert eventually(lambda: states(live) == {DeliveryState.SENT: 21})
    assert len(inbox.mails) == 20
    assert len(httpserver.log) == 1


def test_a_worker_has_a_heartbeat_while_it_runs(live: Newsroom, keys: Keys, inbox: Inbox) -> None:
    def lanes_worked_on() -> list[frozenset[Lane]]:
        with live.db.read() as tx:
            return [worker.lanes for worker in workers(tx) if worker.runs]

    with working(live.db, keys):
        assert eventually(lambda: lanes_worked_on() == [{Lane.FAST}]), "it has no mail server"
    assert lanes_worked_on() == []
    with working(live.db, keys, mail_url=inbox.url):
        assert eventually(lambda: lanes_worked_on() == [frozenset(Lane)])
    assert lanes_worked_on() == []


@sqlite_only
def test_targets_that_never_answer_do_not_block_others(
    live: Newsroom,
    keys: Keys,
    httpserver: HTTPServer,
    hook: str,
    bare_server: Callable[..., BareServer],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(channel_sender.send.__kwdefaults__, "timeout", 2 * PATIENCE)
    httpserver.expect_request("/hook").respond_with_data("ok")
    ended = threading.Event()
    silent = f"127.0.0.1:{bare_server(lambda connection: ended.wait(PATIENCE)).port}"
    for number in range(40):
        target = ChannelTarget(
            f"json://{silent}/{number}" if number % 2 == 0 else hook, "webhook", "…"
        )
        add_channel(live.db, SYSTEM, keys, f"room {number}", target, stream="floods")
    with working(
        live.db,
        keys,
        allow_private_hosts=frozenset({silent, f"{httpserver.host}:{httpserver.port}"}),
    ):
        live.post()
        came = eventually(
            lambda: states(live) == {DeliveryState.SENT: 20, DeliveryState.CLAIMED: 20}
        )
        ended.set()
    assert came, states(live)
    assert len(httpserver.log) == 20


def test_a_post_that_can_be_undone_goes_out_on_its_second(
    live: Newsroom, keys: Keys, inbox: Inbox
) -> None:
    subscribe(live, "reader@example.org")
    with working(live.db, keys, mail_url=inbox.url):
        entry = live.post(release=Release(delay=timedelta(seconds=2)))
        assert states(live) == {}
        assert eventually(lambda: inbox.mails)
    with live.db.read() as tx:
        applied_at = tx.scalars(select(Revision.applied_at)).one()
    assert applied_at is not None
    assert entry.publish_at is not None
    assert timedelta(0) <= applied_at - entry.publish_at < timedelta(seconds=1)


def test_a_stopping_worker_settles_what_is_in_flight_and_gives_the_rest_back(
    live: Newsroom, keys: Keys, inbox: Inbox
) -> None:
    subscribe(live, *[f"reader{n}@example.org" for n in range(120)])
    with working(live.db, keys, mail_url=inbox.url, mail_connections=2) as stop:
        inbox.on_data = lambda index: index == 30 and stop.set()
        live.post()
        assert eventually(stop.is_set)
    found = states(live)
    assert found[DeliveryState.SENT] == len(inbox.mails)
    assert 30 < found[DeliveryState.SENT] < 120
    assert found[DeliveryState.QUEUED] == 120 - found[DeliveryState.SENT]
    with working(live.db, keys, mail_url=inbox.url):
        assert eventually(lambda: states(live) == {DeliveryState.SENT: 120})
    assert len(set(inbox.addresses)) == len(inbox.addresses) == 120


@sqlite_only
def test_without_a_mail_server_mail_waits_with_a_reason(
    live: Newsroom, keys: Keys, httpserver: HTTPServer, hook: str
) -> None:
    httpserver.expect_request("/hook").respond_with_data("ok")
    subscribe(live, "reader@example.org")
    add_channel(live.db, SYSTEM, keys, "room", ChannelTarget(hook, "webhook", "…"), stream="floods")
    allowed = frozenset({f"{httpserver.host}:{httpserver.port}"})
    with working(live.db, keys, allow_private_hosts=allowed):
        live.post()
        assert eventually(lambda: states(live) == {DeliveryState.SENT: 1, DeliveryState.QUEUED: 1})
    with live.db.read() as tx:
        assert tx.get_one(Pause, MAIL).reason == NO_MAIL_URL
        waiting = tx.scalars(select(Delivery).where(Delivery.state == DeliveryState.QUEUED)).one()
        assert waiting.attempts == 0


@sqlite_only
def test_a_worker_of_one_lane_leaves_the_other(
    live: Newsroom, keys: Keys, inbox: Inbox, httpserver: HTTPServer, hook: str
) -> None:
    httpserver.expect_request("/hook").respond_with_data("ok")
    subscribe(live, "reader@example.org")
    add_channel(live.db, SYSTEM, keys, "room", ChannelTarget(hook, "webhook", "…"), stream="floods")
    allowed = frozenset({f"{httpserver.host}:{httpserver.port}"})
    with working(
        live.db,
        keys,
        mail_url=inbox.url,
        lanes=frozenset({Lane.FAST}),
        allow_private_hosts=allowed,
    ):
        live.post()
        assert eventually(lambda: states(live) == {DeliveryState.SENT: 1, DeliveryState.QUEUED: 1})
    assert inbox.mails == []
    with working(live.db, keys, mail_url=inbox.url, lanes=frozenset({Lane.BULK})):
        assert eventually(lambda: states(live) == {DeliveryState.SENT: 2})


def test_claims_of_a_worker_that_died_are_freed_when_the_next_one_starts_on_sqlite(
    sqlite_db: Database, keys: Keys, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MailConnection, "_own_name", "sender.example")
    room = Newsroom(open_database(sqlite_db.engine.url.render_as_string()))
    room.stream()
    subscribe(room, "reader@example.org")
    room.post()
    with working(room.db, keys):
        assert eventually(lambda: states(room) == {DeliveryState.QUEUED: 1})
    with room.db.begin() as tx:
        delivery = tx.scalars(select(Delivery)).one()
        delivery.state, delivery.claim_token, delivery.attempts = (
            DeliveryState.CLAIMED,
            "a dead worker's",
            1,
        )
        delivery.lease_until = delivery.due_at + timedelta(days=1)
    with working(room.db, keys, mail_url=inbox.url):
        assert eventually(lambda: states(room) == {DeliveryState.SENT: 1})
    room.db.engine.dispose()


@pytest.mark.parametrize("db", ["postgresql"], indirect=True)
def test_a_dead_broker_stops_nothing_and_is_mentioned_once(
    live: Newsroom, keys: Keys, inbox: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    subscribe(live, "reader@example.org")
    broker = f"amqp://guest:guest@127.0.0.1:{port}"
    with working(live.db, keys, mail_url=inbox.url, broker_url=broker):
        live.post()
        assert eventually(lambda: inbox.mails)
        assert eventually(lambda: "ringing RabbitMQ failed" in caplog.text)
        live.post(title="Next")
        assert eventually(lambda: len(inbox.mails) == 2)
        assert eventually(lambda: "listening to RabbitMQ failed" in caplog.text)
    of_broker = [record for record in caplog.records if not record.name.startswith("pika")]
    assert sum("RabbitMQ failed" in record.getMessage() for record in of_broker) == 2
    assert not [record for record in of_broker if record.exc_info or record.levelno > logging.ERROR]
    assert "Connection refused" in caplog.text


def test_ringing_never_waits_for_a_broker_that_does_not_answer(
    bare_server: Callable[..., BareServer],
) -> None:
    answered = threading.Event()
    # takes the call and says nothing
    server = bare_server(lambda connection: answered.wait(PATIENCE))
    ring = make_wakeup(
        settings(
            broker_url=(
                f"amqp://guest:guest@127.0.0.1:{server.port}?socket_timeout=2&stack_timeout=2"
            )
        )
    )
    began = time.monotonic()
    for _ in range(100):
        ring()
    assert time.monotonic() - began < 1.0
    assert eventually(lambda: server.connections)
    answered.set()
    ring.__self__.close()  # type: ignore[attr-defined]


def test_without_a_broker_a_wakeup_opens_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    connections: list[object] = []
    monkeypatch.setattr(socket.socket, "connect", lambda self, address: connections.append(address))
    threads = set(threading.enumerate())
    make_wakeup(settings())()
    assert set(threading.enumerate()) <= threads
    assert connections == []


def test_rabbitmq_wakes_a_worker_that_would_look_much_later(
    postgres_db: Database, keys: Keys, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        socket.create_connection(
            (
                ("127.0.0.1", 5672)
                if "STORYWIRE_TEST_AMQP_URL" not in os.environ
                else _address(AMQP_URL)
            ),
            2,
        ).close()
    except OSError:
        skip_without("RabbitMQ")
    monkeypatch.setattr(MailConnection, "_own_name", "sender.example")
    monkeypatch.setattr(ticker, "MIN_TICK_SECONDS", 1000.0)
    monkeypatch.setattr(ticker, "MAX_TICK_SECONDS", 1000.0)
    room = Newsroom(open_database(postgres_db.engine.url.render_as_string(hide_password=False)))
    room.stream()
    subscribe(room, "reader@example.org")
    bell = BrokerWakeup(AMQP_URL)
    with working(room.db, keys, mail_url=inbox.url, broker_url=AMQP_URL):
        room.post()
        # Another test's worker may hear the first ring: rings are for whoever listens.
        assert eventually(
            lambda: bell.ring(EXPAND) or bell.ring(BULK) or (bell.flush() and inbox.mails)
        )
    bell.close()
    room.db.engine.dispose()


def _address(url: str) -> tuple[str, int]:
    host, _, port = url.rpartition("@")[2].partition("/")[0].partition(":")
    return host, int(port or 5672)


def test_a_database_that_is_away_is_mentioned_once_and_work_goes_on_when_it_is_back(
    postgres_db: Database,
    postgres_url: str,
    keys: Keys,
    inbox: Inbox,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(MailConnection, "_own_name", "sender.example")
    monkeypatch.setattr(ticker, "MIN_TICK_SECONDS", 0.05)
    monkeypatch.setattr(ticker, "MAX_TICK_SECONDS", 0.05)
    room = Newsroom(open_database(postgres_db.engine.url.render_as_string(hide_password=False)))
    room.stream()
    subscribe(room, "reader@example.org")
    name = postgres_db.engine.url.database

    def said(words: str) -> int:
        return sum(
            words in record.getMessage()
            for record in caplog.records
            if record.levelno == logging.ERROR
        )

    with (
        psycopg.connect(postgres_url, autocommit=True) as admin,
        working(room.db, keys, mail_url=inbox.url),
    ):
        room.post()
        assert eventually(lambda: inbox.mails)
        admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")  # type: ignore[call-overload]
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
        )
        assert eventually(lambda: said("the ticker failed"))
        assert not eventually(lambda: said("the ticker failed") > 1, 1.0)  # some twenty ticks
        admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")  # type: ignore[call-overload]
        assert eventually(lambda: "the ticker works again" in caplog.text)
        room.db.engine.dispose()
        room.post(title="Next")
        assert eventually(lambda: len(inbox.mails) == 2)
    room.db.engine.dispose()
