"""Faults of the world outside: what the ledger says of each address and channel afterwards, and who
heard what.
"""

import functools
import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from config.keys import Keys
from models import DeliveryState, RecipientState
from notifier.transport import channel_sender
from notifier.transport.mailer import Mailer
from notifier.worker import mail_lane
from tests.support.bare_server import BareServer
from tests.support.clock import StandingClock
from tests.support.databases import sqlite_only
from tests.support.delivery_audit import audit_deliveries
from tests.support.inbox import Inbox
from tests.support.mail_sink import CUT_WITHIN_DATA, SILENT, MailSink
from tests.support.newsroom import Newsroom
from tests.support.office import Office

pytestmark = [pytest.mark.slow, sqlite_only]

Say = Callable[[str, object], None]


def arrived(httpserver: HTTPServer) -> list[tuple[str, str]]:
    """Channel, by the path of its hook, and delivery of each request."""
    return [
        (request.path[1:], request.headers["Storywire-Delivery"]) for request, _ in httpserver.log
    ]


SMTP_FAULTS = {
    "cut within data": CUT_WITHIN_DATA,
    "no answer": SILENT,
    "421 at rcpt": "rcpt 421 4.3.2 going down",
    "451 at rcpt": "rcpt 451 4.7.1 greylisted",
    "5.1.1 at rcpt": "rcpt 550 5.1.1 no such user",
    "5.7.1 at rcpt": "rcpt 550 5.7.1 blocked by policy",
    "421 at data": "data 421 4.3.2 going down",
    "451 at data": "data 451 4.3.0 later",
    "554 at data": "data 554 5.6.0 we want none of it",
}
FINAL = {"5.1.1 at rcpt": "550 5.1.1 no such user", "554 at data": "554 5.6.0 we want none of it"}


def test_each_fault_of_a_mail_server_touches_one_address_and_leaves_it_in_the_right_state(
    newsroom: Newsroom,
    new_office: Callable[..., Office],
    sink: MailSink,
    clock: StandingClock,
    monkeypatch: pytest.MonkeyPatch,
    say: Say,
) -> None:
    monkeypatch.setattr(mail_lane, "Mailer", functools.partial(Mailer, timeout=0.5))
    office = new_office()
    victims = dict(zip(SMTP_FAULTS, newsroom.subscribe_many(100)[5::10], strict=False))
    sink.faults = {victims[name]: fault for name, fault in SMTP_FAULTS.items()}
    newsroom.post()
    office.run()
    found = {row[0]: row[1:] for row in office.ledger()}
    assert {name: found[victims[name]] for name in SMTP_FAULTS} == {
        name: ("failed",) if name in FINAL else ("queued",) for name in SMTP_FAULTS
    }
    assert len(sink.arrived) == 100 - len(SMTP_FAULTS)
    replies = {
        office.recipient(address).id: name for name, address in victims.items() if name in FINAL
    }
    assert {
        replies[one.recipient_id]: one.last_reply
        for one in office.deliveries()
        if one.recipient_id in replies
    } == FINAL
    ended = {
        name
        for name, address in victims.items()
        if office.recipient(address).state is RecipientState.SUPPRESSED
    }
    assert ended == {"5.1.1 at rcpt"}
    clock.forward(minutes=2)
    office.send()
    reckoning = audit_deliveries(office.db, sink.arrived)
    say("a mail server with nine faults", reckoning)
    assert (reckoning.sent, reckoning.lost, reckoning.doubled) == (98, [], 0)


def test_a_mail_server_that_refuses_connections_and_comes_back_is_sent_everything_once(
    newsroom: Newsroom, keys: Keys, clock: StandingClock, say: Say
) -> None:
    before, after = Inbox(), Inbox()
    before.start()
    office, after.port = Office(newsroom.db, keys, before.url), before.port
    newsroom.subscribe_many(50)
    newsroom.post()
    office.expand()
    before.on_data = lambda index: index == 19 and office.stop.set()
    office.mail.send_pass()
    office.stop.clear()
    before.stop()
    newsroom.post(title="Next")
    for _ in range(12):  # an hour
        clock.forward(minutes=5)
        office.run()
    assert {one.attempts for one in office.deliveries() if one.state is DeliveryState.QUEUED} <= {0}
    after.start()
    clock.forward(minutes=5)
    office.send()
    came = [
        (mail["To"], mail["Message-ID"][1:].partition("@")[0])
        for mail in [*before.mails, *after.mails]
    ]
    reckoning = audit_deliveries(office.db, came)
    say("a mail server away for an hour", reckoning)
    assert (reckoning.sent, reckoning.lost, reckoning.doubled) == (100, [], 0)
    office.close()
    after.stop()


def test_each_fault_of_a_webhook_touches_that_channel_alone(
    newsroom: Newsroom,
    office: Office,
    httpserver: HTTPServer,
    hook: str,
    bare_server: Callable[..., BareServer],
    allow: Callable[..., None],
    clock: StandingClock,
    monkeypatch: pytest.MonkeyPatch,
    say: Say,
) -> None:
    monkeypatch.setitem(channel_sender.send.__kwdefaults__, "timeout", 0.5)
    began, gone_past = clock.now, []
    private = bare_server(lambda connection: gone_past.append(connection))

    def drip(connection: object) -> None:
        connection.recv(65536)  # type: ignore[attr-defined]
        connection.sendall(b"HTTP/1.")  # type: ignore[attr-defined]
        while connection.send(b"."):  # type: ignore[attr-defined]
            ended.wait(0.05)

    ended = threading.Event()
    dripping = bare_server(drip)
    here = f"{httpserver.host}:{httpserver.port}"
    allow(here, f"127.0.0.1:{dripping.port}")

    def busy(request: Request) -> Response:
        return (
            Response(status=429, headers={"Retry-After": "120"})
            if clock.now < began + timedelta(seconds=120)
            else Response("ok")
        )

    def broken(request: Request) -> Response:
        return Response(status=500) if clock.now < began + timedelta(hours=1) else Response("ok")

    httpserver.expect_request("/well").respond_with_data("ok")
    httpserver.expect_request("/moved").respond_with_data(
        status=302, headers={"Location": f"http://127.0.0.1:{private.port}/"}
    )
    httpserver.expect_request("/busy").respond_with_handler(busy)
    httpserver.expect_request("/broken").respond_with_handler(broken)
    for name in ("well", "moved", "busy", "broken"):
        office.channel(name, f"json://{here}/{name}")
    office.channel("dripping", f"json://127.0.0.1:{dripping.port}/")
    newsroom.post()
    office.run()
    assert dict(row[:2] for row in office.ledger()) == {
        "well": "sent", "moved": "failed", "busy": "queued", "broken": "queued",
        "dripping": "queued",
    }  # fmt: skip
    asked = {"busy": [clock.now], "broken": [clock.now]}
    while clock.now < began + timedelta(hours=2):
        before = len(httpserver.log)
        clock.forward(seconds=10)
        office.send()
        for request, _ in httpserver.log[before:]:
            asked[request.path[1:]].append(clock.now)
    ended.set()
    assert dict(row[:2] for row in office.ledger()) == {
        "well": "sent", "moved": "failed", "busy": "sent", "broken": "sent", "dripping": "queued",
    }  # fmt: skip
    assert len(asked["busy"]) == 2
    assert asked["busy"][1] >= began + timedelta(seconds=120)
    assert 4 <= len(asked["broken"]) <= 20
    assert 4 <= dripping.connections <= 20
    assert gone_past == []
    answered = [
        row
        for row, (_, answer) in zip(arrived(httpserver), httpserver.log, strict=True)
        if answer.status_code == 200
    ]
    # the one that drips, until it is too old
    reckoning = audit_deliveries(office.db, answered, resting=[DeliveryState.QUEUED])
    say("webhooks: drips, redirects to a private address, 429, 500 for an hour", reckoning)
    assert (reckoning.owed, reckoning.sent, reckoning.lost, reckoning.doubled) == (5, 3, [], 0)
