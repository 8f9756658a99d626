"""Quiet hours and pauses: what may not go now goes later, or not at all, and is not late for it."""

from datetime import datetime, time, timedelta

import pytest
from sqlalchemy import update

from models import DeliveryState, Importance, Recipient, SkipReason
from models.db.database import Database
from tests.support.clock import StandingClock
from tests.support.databases import sqlite_only
from tests.support.inbox import Inbox
from tests.support.newsroom import Newsroom
from tests.support.office import Office


def wishing(db: Database, address: str, **wishes: object) -> None:
    with db.begin() as tx:
        tx.execute(update(Recipient).where(Recipient.address == address).values(**wishes))


NIGHT = {"timezone": "Europe/Kyiv", "quiet_from": time(22), "quiet_until": time(7)}


@pytest.fixture
def evening(newsroom: Newsroom, office: Office, clock: StandingClock) -> Office:
    """It is 23:00 in Kyiv, and one of two readers sleeps."""
    office.subscribe("sleeps@example.org", "reads@example.org")
    wishing(office.db, "sleeps@example.org", **NIGHT)
    clock.forward(hours=13)
    return office


def test_what_comes_in_quiet_hours_goes_out_at_their_end(
    newsroom: Newsroom, evening: Office, inbox: Inbox, clock: StandingClock
) -> None:
    newsroom.post()
    evening.run()
    assert inbox.addresses == ["reads@example.org"]
    waiting = next(one for one in evening.deliveries() if one.state is DeliveryState.QUEUED)
    morning = datetime.fromisoformat("2026-03-15T05:00+00:00")
    assert (waiting.due_at, waiting.attempts) == (morning, 0)
    clock.now = morning - timedelta(seconds=1)
    assert evening.send() == 0, "no claim looks at it before"
    clock.now = morning
    evening.send()
    assert inbox.addresses == ["reads@example.org", "sleeps@example.org"]


@sqlite_only
def test_breaking_news_pass_quiet_hours_but_not_a_pause(
    newsroom: Newsroom, evening: Office, inbox: Inbox, clock: StandingClock
) -> None:
    evening.subscribe("away@example.org")
    wishing(evening.db, "away@example.org", paused_until=clock.now + timedelta(days=7))
    newsroom.post(importance=Importance.BREAKING)
    evening.run()
    assert sorted(inbox.addresses) == ["reads@example.org", "sleeps@example.org"]
    assert evening.ledger()[-1] == ("away@example.org", "skipped", SkipReason.QUIET.value)


@sqlite_only
def test_quiet_hours_do_not_count_as_lateness(
    newsroom: Newsroom, office: Office, inbox: Inbox, clock: StandingClock
) -> None:
    """All sleep for longer than an alert may come late, and longer than most of what a message may
    be tried for.
    """
    office.subscribe("sleeps@example.org")
    wishing(office.db, "sleeps@example.org", **NIGHT)
    clock.forward(hours=13)
    newsroom.post()
    office.run()
    clock.forward(hours=8)
    inbox.replies["rcpt"] = ["451 4.2.1 try later"]
    office.send()
    assert [one.state for one in office.deliveries()] == [DeliveryState.QUEUED], (
        "neither held nor too old"
    )
    clock.forward(hours=1)
    office.send()
    assert inbox.addresses == ["sleeps@example.org"]


@sqlite_only
def test_quiet_hours_that_begin_while_a_message_waits_hold_it_back(
    newsroom: Newsroom, office: Office, inbox: Inbox, clock: StandingClock
) -> None:
    office.subscribe("sleeps@example.org")
    newsroom.post()
    office.expand()
    wishing(office.db, "sleeps@example.org", **NIGHT | {"quiet_from": time(10)})
    office.send()
    assert inbox.addresses == []
    (waiting,) = office.deliveries()
    assert (waiting.due_at, waiting.attempts) == (clock.now.replace(hour=5) + timedelta(days=1), 0)
