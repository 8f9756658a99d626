"""The circuit breaker: whatever goes wrong for long enough is a failing channel, and every page and
report says so.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from models import Recipient, Role
from models.db.database import Database
from models.recipients.audience import remove_recipient
from models.tables.ledger import RecipientKind
from models.text.actor import SYSTEM
from notifier.ledger.breaker import FAILURE_PATIENCE, FIRST_REST, LONGEST_REST, MAX_REFUSALS, Health
from notifier.message.send_errors import Refused, RenderError, SendError, Sent, Unavailable, Unknown
from notifier.reports.delivery_report import why_waiting
from notifier.reports.gauges import gauges
from notifier.reports.last_day import channels
from tests.support.bare_server import BareServer, closed_port
from tests.support.clock import StandingClock
from tests.support.databases import sqlite_only
from tests.support.inbox import Inbox
from tests.support.newsroom import Newsroom
from tests.support.office import Office

NOON = datetime(2026, 3, 14, 12, tzinfo=UTC)
REFUSED, AWAY, BROKE, OURS = (
    Refused("400 no"),
    Unavailable("503"),
    Unknown("broke off"),
    Unavailable("wrong key", ours=True),
)
UNMADE = RenderError("TypeError")


def health_after(*ends: tuple[float, Sent | SendError]) -> Health:
    """After attempts that ended so many minutes past noon."""
    health = Health()
    for minutes, outcome in ends:
        health = health.after(outcome, NOON + timedelta(minutes=minutes))
    return health


@pytest.mark.parametrize(
    ("ends", "is_open"),
    [
        ([(0, REFUSED)] * 2, False),
        ([(0, REFUSED)] * 3, True),
        ([(0, Refused("301: moved")), (1, Refused("404 gone")), (2, Refused("422 what"))], True),
        ([(0, OURS)] * 3, True),
        ([(0, REFUSED), (1, Sent("ok")), (2, REFUSED), (3, REFUSED)], False),
        ([(0, REFUSED), (1, AWAY), (2, REFUSED), (3, BROKE), (4, REFUSED)], True),
        ([(minutes, AWAY) for minutes in range(60)], False),
        ([(0, AWAY), (60, AWAY)], True),
        ([(0, BROKE), (60, AWAY)], True),
        ([(0, AWAY), (59, Sent("ok")), (60, AWAY), (119, BROKE)], False),
        ([(0, UNMADE)] * 9 + [(600, UNMADE)], False),
        ([(0, AWAY), (600, UNMADE)], False),
    ],
)
def test_the_breaker_opens_by_three_refusals_or_an_hour_of_nothing_but_failures(
    ends: list[tuple[float, Sent | SendError]], is_open: bool
) -> None:
    assert health_after(*ends).open is is_open


@pytest.mark.parametrize("opened_by", [[(0, REFUSED)] * 3, [(0, AWAY), (60, AWAY)]])
def test_an_open_breaker_rests_ever_longer_and_one_message_closes_it(
    opened_by: list[tuple[float, SendError]],
) -> None:
    health = health_after(*opened_by)
    rests = [health.rest]
    for outcome in (REFUSED, AWAY, BROKE, *[REFUSED] * 9):
        health = health.after(outcome, NOON)
        rests.append(health.rest)
    assert rests[:3] == [FIRST_REST, 2 * FIRST_REST, 4 * FIRST_REST]
    assert rests[-1] == LONGEST_REST
    assert health.after(Sent("200"), NOON) == Health()


def shown_as_failing(db: Database) -> dict[str, bool]:
    """Who calls the channel failing."""
    with db.read() as tx:
        board = channels(tx)
        metric = {gauge.name: gauge.values for gauge in gauges(tx)}["storywire_sick_channels"]
        (room,) = tx.query(Recipient).where(Recipient.address == "room")
        return {
            "channel": room.failing,
            "board": (board.failing_number, [one.name for one in board.failing]) == (1, ["room"]),
            "alerts": any(
                "The channel room is failing" in sentence for sentence in why_waiting(tx)
            ),
            "metrics": sum(metric.values()) == 1,
        }


ALL, NONE = {"channel": True, "board": True, "alerts": True, "metrics": True}, {
    "channel": False, "board": False, "alerts": False, "metrics": False,
}  # fmt: skip


@pytest.mark.parametrize("status", [301, 307, 400, 401, 403, 404, 410, 413, 422, 451])
@sqlite_only
def test_any_run_of_refusals_opens_the_breaker_and_notifies_operators(
    newsroom: Newsroom, office: Office, inbox: Inbox, httpserver: HTTPServer, hook: str, status: int
) -> None:
    newsroom.account(Role.ADMIN)
    httpserver.expect_request("/hook").respond_with_data(
        "no", status=status, headers={"Location": "https://new.example.org/"}
    )
    office.channel("room", hook)
    for n in range(MAX_REFUSALS + 1):
        assert shown_as_failing(office.db) == (ALL if n == MAX_REFUSALS else NONE)
        newsroom.post()
        office.run()
    assert [row[1] for row in office.ledger() if row[0] == "room"] == [
        "failed",
        "failed",
        "queued",
        "queued",
    ]
    assert [mail["Subject"] for mail in inbox.mails] == ["“room” is failing"]
    text = inbox.mails[0].get_body(("plain",)).get_content()
    assert str(status) in text
    assert ("new.example.org" in text) is (status < 400)


def busy(request: Request) -> Response:
    return Response("busy", 503)


def limited(request: Request) -> Response:
    return Response("slow down", 429, headers={"Retry-After": "100000"})


@pytest.mark.parametrize("fault", [busy, limited, None])
def test_a_channel_that_fails_for_a_day_by_what_may_pass_is_failing_and_loses_nothing_that_is_young(
    newsroom: Newsroom,
    office: Office,
    inbox: Inbox,
    httpserver: HTTPServer,
    hook: str,
    allow: Callable[..., None],
    clock: StandingClock,
    fault: Callable[[Request], Response] | None,
) -> None:
    newsroom.account(Role.ADMIN)
    url = hook
    if fault is None:  # nobody listens
        port = closed_port()
        url = f"json://127.0.0.1:{port}/hook"
        allow(f"{httpserver.host}:{httpserver.port}", f"127.0.0.1:{port}")
    else:
        httpserver.expect_request("/hook").respond_with_handler(fault)
    office.channel("room", url)
    newsroom.post()
    office.run()
    assert shown_as_failing(office.db) == NONE
    began = clock.now
    while clock.now < began + timedelta(hours=12):
        clock.forward(minutes=30)
        office.run()
        if clock.now >= began + 3 * FAILURE_PATIENCE:
            assert shown_as_failing(office.db) == ALL
    assert [mail["Subject"] for mail in inbox.mails] == ["“room” is failing"]
    assert [row[:2] for row in office.ledger() if row[0] == "room"] == [("room", "queued")]
    if fault is None:
        return
    httpserver.clear()
    httpserver.expect_request("/hook").respond_with_data("ok")
    for _ in range(3):
        clock.forward(hours=2)
        office.run()
    assert [row[:2] for row in office.ledger() if row[0] == "room"] == [("room", "sent")]
    assert shown_as_failing(office.db) == NONE
    assert office.recipient("room").failing_since is None
    assert [mail["Subject"] for mail in inbox.mails][1:] == ["“room” is working again"]


@sqlite_only
def test_a_channel_that_was_removed_is_failing_nowhere(
    newsroom: Newsroom, office: Office, httpserver: HTTPServer, hook: str
) -> None:
    httpserver.expect_request("/hook").respond_with_data("gone", status=410)
    office.channel("room", hook)
    for _ in range(MAX_REFUSALS):
        newsroom.post()
        office.run()
    assert shown_as_failing(office.db) == ALL
    remove_recipient(office.db, SYSTEM, RecipientKind.CHANNEL, "room", "removed")
    assert shown_as_failing(office.db) == NONE


@sqlite_only
def test_a_webhook_that_breaks_off_is_tried_until_it_is_too_old_as_its_page_promises(
    newsroom: Newsroom,
    office: Office,
    allow: Callable[..., None],
    bare_server: Callable[..., BareServer],
    clock: StandingClock,
) -> None:
    server = bare_server(lambda connection: connection.recv(65536) and None)
    allow(f"127.0.0.1:{server.port}")
    office.channel("room", f"json://127.0.0.1:{server.port}/")
    newsroom.post()
    office.run()
    for _ in range(40):
        clock.forward(minutes=30)
        office.send()
    (delivery,) = office.deliveries()
    assert (delivery.state.value, delivery.attempts > 4) == ("queued", True)
    for _ in range(20):
        clock.forward(minutes=30)
        office.send()
    assert [one.state.value for one in office.deliveries()] == ["unknown"]


@sqlite_only
def test_a_channel_url_that_cannot_be_decrypted_is_reported(
    newsroom: Newsroom, office: Office, inbox: Inbox, hook: str
) -> None:
    newsroom.account(Role.ADMIN)
    room = office.channel("room", hook)
    with office.db.begin() as tx:
        tx.get_one(Recipient, room.id).sealed_url = "gAAAAAB-of-another-key"
    for _ in range(MAX_REFUSALS):
        newsroom.post()
        office.run()
    assert shown_as_failing(office.db) == ALL
    assert "cannot be decrypted" in office.recipient("room").reason
    assert [row[1] for row in office.ledger() if row[0] == "room"] == ["queued"] * MAX_REFUSALS
    assert "cannot be decrypted" in inbox.mails[0].get_body(("plain",)).get_content()
