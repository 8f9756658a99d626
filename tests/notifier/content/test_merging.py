"""Much that is owed to one chat channel is told in one message."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from pytest_httpserver import HTTPServer
from sqlalchemy import text, update

from models import Delivery, DeliveryState, Lane
from models.alerts.send_hold import pause_sending, resume_sending
from models.text.actor import SYSTEM
from notifier.content import merging
from notifier.content.merging import MERGE_ABOVE, _waiting, merge
from notifier.ledger.claim import Message, claim
from notifier.ledger.lease import release_all
from notifier.ledger.settle import Start, start
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


def sent(office: Office) -> int:
    """How many deliveries were sent."""
    return sum(delivery.state is DeliveryState.SENT for delivery in office.deliveries())


def test_more_than_five_alerts_become_one_message(
    newsroom: Newsroom, office: Office, room: str, httpserver: HTTPServer
) -> None:
    posted(newsroom, office, MERGE_ABOVE + 1)
    office.send()
    assert len(httpserver.log) == 1
    assert sent(office) == MERGE_ABOVE + 1
    assert "News 0" in bodies(httpserver)[0]


@sqlite_only
def test_five_alerts_are_sent_one_by_one(
    newsroom: Newsroom, office: Office, room: str, httpserver: HTTPServer, clock: StandingClock
) -> None:
    posted(newsroom, office, MERGE_ABOVE)
    for expected in (1, 2):  # at the pace of the service
        office.send()
        clock.forward(seconds=6)
        assert len(httpserver.log) == expected
        assert sent(office) == expected


@sqlite_only
def test_what_is_too_much_for_one_message_goes_into_the_next(
    newsroom: Newsroom,
    office: Office,
    room: str,
    httpserver: HTTPServer,
    clock: StandingClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(merging, "MAX_MERGED", 7)
    posted(newsroom, office, 14)
    office.send()
    clock.forward(seconds=6)
    office.send()
    assert len(httpserver.log) == 2
    assert sent(office) == 14


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
    assert {(d.state, d.attempts) for d in office.deliveries()} == {(DeliveryState.QUEUED, 1)}
    assert len({d.due_at for d in office.deliveries()}) == 1
    clock.forward(seconds=31)
    posted(newsroom, office, 1)
    office.send()
    assert len(httpserver.log) == 2
    assert {d.state for d in office.deliveries()} == {DeliveryState.SENT}


def merged(office: Office, rows: int) -> tuple[list[Message], str]:
    """What a claim of so many rows sends as its first message, and its token."""
    claimed = claim(office.db, Lane.FAST, rows)
    assert claimed is not None
    return merge(office.db, claimed.messages, claimed.lease.token)[0], claimed.lease.token


def test_a_crash_makes_every_delivery_of_a_merged_message_unknown(
    newsroom: Newsroom, office: Office, room: str
) -> None:
    posted(newsroom, office, 7)
    messages, token = merged(office, 1)
    assert len(messages) == 7
    assert start(office.db, Start(messages=messages, token=token))
    assert all(delivery.started_at for delivery in office.deliveries())
    release_all(office.db)
    assert {state for _, state in office.ledger()} == {"unknown"}


@pytest.mark.parametrize("db", ["sqlite"], indirect=True)
def test_finding_deliveries_to_merge_costs_the_same_with_any_history(
    newsroom: Newsroom, office: Office, room: str
) -> None:
    with office.db.read() as tx:
        query = _waiting([1, 2]).compile(tx.get_bind(), compile_kwargs={"literal_binds": True})
        plan = "\n".join(
            row[-1] for row in tx.execute(text(f"EXPLAIN QUERY PLAN {query}".replace(":", "\\:")))
        )
    assert "ix_delivery_chat_owed" in plan


def test_others_that_are_no_longer_wanted_are_not_sent_early(
    newsroom: Newsroom, office: Office, room: str, clock: StandingClock
) -> None:
    entries = posted(newsroom, office, MERGE_ABOVE + 1)
    with office.db.begin() as tx:
        later = clock.now + timedelta(hours=1)
        tx.execute(update(Delivery).where(Delivery.id > 1).values(due_at=later))
    office.retract(entries[-1])  # type: ignore[arg-type]
    messages, _ = merged(office, 1)
    assert len(messages) == 1
    rows = [(row.state.value, row.attempts) for row in office.deliveries()]
    assert rows[1:MERGE_ABOVE] == [("queued", 0)] * (MERGE_ABOVE - 1)
