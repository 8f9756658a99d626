"""An alert that cannot be prepared, or takes longer than a lease, fails alone, with a reason that
operators hear of.
"""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from models import Delivery, DeliveryState, Lane, Role
from models.alerts.alert_control import retry_alert
from models.alerts.alerts import create_notice
from models.recipients.audience import get_or_create_recipient
from models.text.actor import SYSTEM
from notifier.content import mail_groups
from notifier.ledger.claim import claim
from notifier.ledger.lease import (
    GIVEN_UP,
    LEASE,
    MAX_LOST_LEASES,
    SUSPECT_AFTER_LOST_LEASES,
    give_back,
    release_all,
    release_expired,
)
from notifier.ledger.retry import MAX_RENDER_TRIES
from notifier.message.send_errors import RenderError, Sent
from notifier.reports.alert_overview import overview
from notifier.services import SERVICES
from notifier.worker import chat_lane
from notifier.worker.render_limit import RenderLimit
from tests.support.clock import StandingClock
from tests.support.databases import sqlite_only
from tests.support.inbox import Inbox
from tests.support.newsroom import Newsroom
from tests.support.office import Office

FAULTS = {
    "error": ZeroDivisionError("bad"),
    "recursion": RecursionError(),
    "memory": MemoryError(),
    "exit": SystemExit(1),
}


def rendering(
    fault: str, ended: threading.Event, original: Callable[..., Any]
) -> Callable[..., Any]:
    """A renderer that an entry called Bad breaks, or keeps until ``ended``."""

    def render(story: Any, *rest: Any, **named: Any) -> Any:
        if story.title == "Bad" and fault == "slow":
            ended.wait(60)
        elif story.title == "Bad":
            raise FAULTS[fault]
        return original(story, *rest, **named)

    return render


@pytest.fixture(params=[*FAULTS, "slow"])
def broken(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    ended = threading.Event()
    monkeypatch.setattr(
        mail_groups, "render_mail", rendering(request.param, ended, mail_groups.render_mail)
    )
    monkeypatch.setattr(
        chat_lane, "render_chat", rendering(request.param, ended, chat_lane.render_chat)
    )
    yield request.param
    ended.set()


def with_limit(office: Office, clock: StandingClock) -> None:
    """Renderings that are given up quickly, and failures that are forgotten as the clock of the
    test moves.
    """
    began = clock.now
    for lane in (office.mail, office.chat):
        lane._limit = RenderLimit(0.2, monotonic=lambda: (clock.now - began).total_seconds())


@sqlite_only
def test_an_alert_that_cannot_be_rendered_fails_alone_and_operators_get_one_notice(
    newsroom: Newsroom,
    office: Office,
    inbox: Inbox,
    httpserver: HTTPServer,
    hook: str,
    clock: StandingClock,
    broken: str,
) -> None:
    newsroom.account(Role.ADMIN)
    with_limit(office, clock)
    httpserver.expect_request("/hook").respond_with_data("ok")
    office.subscribe("one@example.org", "two@example.org")
    office.channel("room", hook)
    newsroom.post(title="Bad")
    newsroom.post(title="Good")
    for _ in range(MAX_RENDER_TRIES + 2):
        office.run()
        clock.forward(minutes=2)
    with office.db.read() as tx:
        bad, good = overview(tx, 1), overview(tx, 2)
    assert (bad.sums["failed"], bad.sums["owed"]) == (3, 3)
    assert (good.sums["sent"], good.sums["owed"]) == (3, 3)
    told = [mail["Subject"] for mail in inbox.mails]
    assert sorted(told) == ["An alert could not be prepared: Bad", "Good", "Good"]
    words = (
        "longer than 0.2 seconds"
        if broken == "slow"
        else f"failed: {type(FAULTS[broken]).__name__}"
    )
    assert all(words in line.last_reply for line in bad.troubles)
    notice = next(mail for mail in inbox.mails if "prepared" in mail["Subject"])
    assert words in notice.get_body(("plain",)).get_content()
    room = office.recipient("room")
    assert (room.failing, room.failing_since, room.refusals) == (False, None, 0)


@sqlite_only
def test_a_fault_of_one_services_format_fails_that_message_alone(
    newsroom: Newsroom,
    office: Office,
    httpserver: HTTPServer,
    hook: str,
    clock: StandingClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    newsroom.account(Role.ADMIN)
    httpserver.expect_request("/hook").respond_with_data("ok")
    httpserver.expect_request("/").respond_with_data("ok")

    def fail(message: object) -> Any:
        raise KeyError("a mark")

    gotify = SERVICES["gotify"]
    object.__setattr__(gotify, "format", (original := gotify.format) and fail)
    try:
        office.channel("program", hook)
        office.channel(
            "push", hook.replace("json://", "gotify://").replace("/hook", "/token12345"), "gotify"
        )
        newsroom.post()
        for _ in range(MAX_RENDER_TRIES):
            office.run()
            with office.db.read() as tx:
                reasons = overview(tx, 1).reasons
            clock.forward(minutes=2)
    finally:
        object.__setattr__(gotify, "format", original)
    assert [row[:2] for row in office.ledger() if row[0] in ("program", "push")] == [
        ("program", "sent"),
        ("push", "failed"),
    ]
    assert reasons == []
    assert office.deliveries()[1].last_reply == "Rendering for Gotify failed: KeyError"


@sqlite_only
def test_a_notice_that_cannot_be_rendered_brings_about_no_other(
    newsroom: Newsroom, office: Office, clock: StandingClock
) -> None:
    newsroom.account(Role.ADMIN)
    with_limit(office, clock)
    with office.db.begin() as tx:
        create_notice(tx, get_or_create_recipient(tx, "op@example.org"), "no-such-template", {})
        create_notice(
            tx,
            get_or_create_recipient(tx, "reader@example.org"),
            "confirm",
            {"sealed": "gAAAAA-of-another-key", "story": "", "settings": ""},
        )
    for _ in range(MAX_RENDER_TRIES + 1):
        office.run()
        clock.forward(minutes=2)
    first, second = office.deliveries()
    assert (first.state, second.state) == (DeliveryState.FAILED, DeliveryState.FAILED)
    assert "Rendering failed" in str(first.last_reply)
    assert "cannot be decrypted" in str(second.last_reply)


@sqlite_only
def test_nothing_is_rendered_while_the_database_is_locked(
    newsroom: Newsroom,
    office: Office,
    inbox: Inbox,
    httpserver: HTTPServer,
    hook: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    httpserver.expect_request("/hook").respond_with_data("ok")
    wrote: list[str] = []

    def free(original: Callable[..., Any]) -> Callable[..., Any]:
        def render(*args: Any, **named: Any) -> Any:
            with office.db.begin():  # BEGIN IMMEDIATE waits in vain where a transaction is open
                wrote.append(original.__name__)
            return original(*args, **named)

        return render

    for module, name in (
        (mail_groups, "render_mail"),
        (chat_lane, "render_chat"),
        (chat_lane, "render_notice"),
    ):
        monkeypatch.setattr(module, name, free(getattr(module, name)))
    office.subscribe("one@example.org")
    office.channel("room", hook)
    with office.db.begin() as tx:
        create_notice(
            tx,
            get_or_create_recipient(tx, "op@example.org"),
            "healed",
            {"channel": "room", "masked_url": "", "words": ""},
        )
    newsroom.post()
    office.run()
    assert sorted(wrote) == ["render_chat", "render_mail", "render_notice"]


def test_a_row_that_outlasts_its_lease_each_time_is_claimed_alone_and_given_up(
    newsroom: Newsroom, office: Office, inbox: Inbox, clock: StandingClock
) -> None:
    newsroom.account(Role.ADMIN)
    office.subscribe(*(f"reader{n}@example.org" for n in range(5)))
    newsroom.post()
    office.expand()
    bad = office.recipient("reader3@example.org").id
    claims: list[int] = []

    def work() -> None:
        """A worker that never comes back from preparing the mail of one reader; all others it
        sends.
        """
        while (taken := claim(office.db, Lane.BULK, 100)) is not None:
            claims.append(len(taken.messages))
            if any(message.recipient_id == bad for message in taken.messages):
                clock.forward(seconds=LEASE.total_seconds() + 1)
                release_expired(office.db)
                return
            for message in taken.messages:
                office.mail._settler.settle(
                    message, taken.lease.token, Sent("250 ok"), max_age=office.mail._max_age
                )

    for _ in range(MAX_LOST_LEASES):
        work()
    assert claims[:SUSPECT_AFTER_LOST_LEASES] == [5] * SUSPECT_AFTER_LOST_LEASES
    assert set(claims[SUSPECT_AFTER_LOST_LEASES:]) == {1}
    with office.db.read() as tx:
        rows = {
            one.recipient_id: one for one in tx.query(Delivery).where(Delivery.lane == Lane.BULK)
        }
    assert (rows[bad].state, rows[bad].last_reply) == (DeliveryState.FAILED, GIVEN_UP)
    assert all(row.state is DeliveryState.SENT for id_, row in rows.items() if id_ != bad)
    office.run()
    assert "An alert could not be prepared: River rising" in [
        mail["Subject"] for mail in inbox.mails
    ]
    retry_alert(office.db, SYSTEM, rows[bad].alert_id)
    work()
    assert ("reader3@example.org", "queued") in office.ledger(), "it has all its tries again"


def test_a_worker_that_is_killed_now_and_then_gives_up_nothing(
    newsroom: Newsroom, office: Office, inbox: Inbox
) -> None:
    office.subscribe("one@example.org", "two@example.org")
    newsroom.post()
    office.expand()
    for _ in range(MAX_LOST_LEASES - 1):
        claim(office.db, Lane.BULK, 100)
        release_all(office.db)
    given = claim(office.db, Lane.BULK, 100)
    assert given is not None
    give_back(office.db, given.lease.token)
    office.send()
    assert [row[1] for row in office.ledger()] == ["sent", "sent"]


def test_what_is_asked_for_twice_at_once_is_rendered_once_and_a_late_end_is_not_waited_for() -> (
    None
):
    now, calls, ended = [0.0], list[int](), threading.Event()
    limit = RenderLimit(0.1, monotonic=lambda: now[0])

    def never() -> str:
        calls.append(1)
        ended.wait(60)
        return "late"

    for _ in range(3):
        with pytest.raises(RenderError, match=r"longer than 0.1 seconds"):
            limit.render("a", "a", never)
    now[0] = 1e6  # the failure is old, but the first rendering has not ended
    with pytest.raises(RenderError):
        limit.render("a", "a", never)
    assert calls == [1]
    assert limit.render("b", "b", lambda: "other") == "other"
    ended.set()
