"""Much that is owed to one chat channel is told in one message."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from pytest_httpserver import HTTPServer
from sqlalchemy import text

from models import DeliveryState, Lane
from models.alerts.send_hold import pause_sending, resume_sending
from models.text.actor import SYSTEM
from notifier.content import merging
from notifier.content.merging import FOLD_ABOVE, Begun, _owed, begin
from notifier.ledger.claim import Message, claim
from notifier.ledger.lease import give_back, release_all
from notifier.services import SERVICES
from tests.support.clock import StandingClock
from tests.support.databases import sqlite_only
from tests.support.newsroom import Newsroom
from tests.support.office import Office


@pytest.fixture
def room(office: Office, httpserver: HTTPServer, allow: Callable[..., None]) -> str:
    """A channel at a local ntfy, which takes everything; its name."""
    place = f"{httpserver.host}:{httpserver.port}"
    allow(place)
    httpserver.expect_request("/").respond_with_data("ok")
    office.channel("room", f"ntfy://{place}/news", "ntfy")
    return "room"


def posted(newsroom: Newsroom, office: Office, number: int) -> list[object]:
    found = [newsroom.post(title=f"News {n}") for n in range(number)]
    office.expand()
    return found


def bodies(httpserver: HTTPServer) -> list[str]:
    return [f"{request.json['title']}\n{request.json['message']}" for request, _ in httpserver.log]


def sent(office: Office) -> list[int | None]:
    """Of those sent, inside which message."""
    return [
        delivery.folded_into
        for delivery in office.deliveries()
        if delivery.state is DeliveryState.SENT
    ]


def test_more_than_five_alerts_become_one_message(
    newsroom: Newsroom, office: Office, room: str, httpserver: HTTPServer
) -> None:
    posted(newsroom, office, FOLD_ABOVE + 1)
    office.send()
    assert len(httpserver.log) == 1
    first = office.deliveries()[0].id
    assert sent(office) == [None, *[first] * FOLD_ABOVE]
    assert "News 0" in bodies(httpserver)[0]


@sqlite_only
def test_five_alerts_are_sent_one_by_one(
    newsroom: Newsroom, office: Office, room: str, httpserver: HTTPServer, clock: StandingClock
) -> None:
    posted(newsroom, office, FOLD_ABOVE)
    for expected in (1, 2):  # at the pace of the service
        office.send()
        clock.forward(seconds=6)
        assert len(httpserver.log) == expected
        assert sent(office) == [None] * expected


@sqlite_only
def test_what_is_too_much_for_one_message_goes_into_the_next(
    newsroom: Newsroom,
    office: Office,
    room: str,
    httpserver: HTTPServer,
    clock: StandingClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(merging, "MOST", 7)
    posted(newsroom, office, 14)
    office.send()
    clock.forward(seconds=6)
    office.send()
    assert len(httpserver.log) == 2
    assert len(sent(office)) == 14


@sqlite_only
def test_superseded_and_retracted_alerts_are_dropped_before_merging(
    newsroom: Newsroom, office: Office, room: str, httpserver: HTTPServer
) -> None:
    first = newsroom.post(title="Told before")
    office.run()
    pause_sending(office.db, SYSTEM)
    entries = posted(newsroom, office, 8)
    office.revise(first, "Told better")
    office.revise(entries[0], "News 0, corrected")  # type: ignore[arg-type]
    office.retract(entries[1])  # type: ignore[arg-type]
    office.expand()
    resume_sending(office.db, SYSTEM)
    with office.db.begin() as tx:
        tx.execute(text("UPDATE recipient SET next_at = NULL"))
    office.send()
    [_, body] = bodies(httpserver)
    lines = [line for line in body.splitlines() if line.startswith("• ")]
    assert lines == [
        *[f"• News {n}" for n in range(2, 8)],
        "• Correction: Told better",
        "• News 0, corrected",
    ]
    assert body.startswith("8 updates: The floods\n")


@sqlite_only
def test_webhooks_for_programs_are_never_merged(
    newsroom: Newsroom, office: Office, httpserver: HTTPServer, hook: str
) -> None:
    httpserver.expect_request("/hook").respond_with_data("ok")
    office.channel("program", hook)
    posted(newsroom, office, 8)
    office.send()
    assert len(httpserver.log) == 8


@sqlite_only
def test_a_folded_message_that_fails_is_tried_again_as_one_with_what_came_since(
    newsroom: Newsroom, office: Office, room: str, httpserver: HTTPServer, clock: StandingClock
) -> None:
    httpserver.clear()
    httpserver.expect_oneshot_request("/").respond_with_data(status=500)
    httpserver.expect_request("/").respond_with_data("ok")
    posted(newsroom, office, 6)
    office.send()
    assert {(d.state, d.attempts, d.folded_into) for d in office.deliveries()} == {
        (DeliveryState.QUEUED, 1, None)
    }
    assert len({d.due_at for d in office.deliveries()}) == 1
    clock.forward(seconds=31)
    posted(newsroom, office, 1)
    office.send()
    assert len(httpserver.log) == 2
    assert {d.state for d in office.deliveries()} == {DeliveryState.SENT}


def begun(office: Office) -> Begun:
    found = claim(office.db, Lane.FAST, 1)
    assert found is not None
    messages: list[Message] = list(found.messages)
    started = begin(office.db, messages[0], found.lease.token, SERVICES["ntfy"], messages[1:])
    assert isinstance(started, Begun)
    return started


def test_a_crash_makes_every_delivery_of_a_merged_message_unknown(
    newsroom: Newsroom, office: Office, room: str
) -> None:
    posted(newsroom, office, 7)
    assert len(begun(office).messages) == 7
    assert all(delivery.started_at for delivery in office.deliveries())
    release_all(office.db)
    assert {state for _, state in office.ledger()} == {"unknown"}


@sqlite_only
def test_services_that_drop_duplicates_get_the_merged_message_again(
    newsroom: Newsroom,
    office: Office,
    room: str,
    monkeypatch: pytest.MonkeyPatch,
    clock: StandingClock,
) -> None:
    monkeypatch.setitem(SERVICES, "ntfy", replace(SERVICES["ntfy"], retry_unknown=True))
    posted(newsroom, office, 6)
    first = begun(office)
    release_all(office.db)
    newsroom.post(title="Since")
    office.expand()
    clock.forward(seconds=6)
    again = begun(office)
    assert again.uid == first.uid
    assert [message.id for message in again.messages] == [message.id for message in first.messages]


@pytest.mark.parametrize("db", ["sqlite"], indirect=True)
def test_finding_deliveries_to_merge_costs_the_same_with_any_history(
    newsroom: Newsroom, office: Office, room: str
) -> None:
    posted(newsroom, office, 1)
    found = claim(office.db, Lane.FAST, 1)
    assert found is not None
    with office.db.read() as tx:
        query = _owed(found.messages[0]).compile(
            tx.get_bind(), compile_kwargs={"literal_binds": True}
        )
        plan = "\n".join(
            row[-1] for row in tx.execute(text(f"EXPLAIN QUERY PLAN {query}".replace(":", "\\:")))
        )
    assert "ix_delivery_chat_owed" in plan


def test_deliveries_released_by_another_thread_are_not_merged(
    newsroom: Newsroom, office: Office, room: str, httpserver: HTTPServer
) -> None:
    posted(newsroom, office, 10)
    found = claim(office.db, Lane.FAST, 10)
    assert found is not None
    first, *others = found.messages
    give_back(office.db, found.lease.token, but=[first.id])
    begun = begin(office.db, first, found.lease.token, SERVICES[first.service], others)
    assert isinstance(begun, Begun)
    assert [one.id for one in begun.messages] == [one.id for one in found.messages]
    rows = [(one.claim_token, one.attempts) for one in office.deliveries()]
    assert rows == [(found.lease.token, 1)] * 10
