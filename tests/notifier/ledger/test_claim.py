"""Claiming: a row is one worker's for a while, and is looked at once more before it is sent."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy import event, select, update

from models import (
    Alert,
    Delivery,
    DeliveryState,
    Importance,
    Lane,
    Pause,
    RevisionKind,
    Site,
    StreamState,
)
from models.publishing.revising import Change
from models.recipients.audience import add_subscriber, unsubscribe
from models.streams.streams import set_stream_state
from models.text.actor import SYSTEM
from notifier.ledger import pause
from notifier.ledger.claim import Claim, claim
from notifier.ledger.lease import LEASE, Lease, give_back, release_all, release_expired
from tests.support.clock import StandingClock
from tests.support.databases import sqlite_only
from tests.support.newsroom import Newsroom
from tests.support.office import Office


def claimed(office: Office, limit: int = 100, lane: Lane = Lane.BULK) -> list[str]:
    found = claim(office.db, lane, limit)
    return [message.address for message in found.messages] if found else []


@pytest.fixture
def owed(newsroom: Newsroom, office: Office) -> Office:
    """Three followers by mail are owed an entry."""
    office.subscribe("a@example.org", "b@example.org", "c@example.org")
    newsroom.post()
    office.expand()
    return office


def test_a_claim_takes_due_rows_of_its_lane_once(owed: Office, clock: StandingClock) -> None:
    found = claim(owed.db, Lane.BULK, 2)
    assert found is not None
    assert [message.address for message in found.messages] == ["a@example.org", "b@example.org"]
    assert [message.attempts for message in found.messages] == [1, 1]
    assert claimed(owed) == ["c@example.org"]
    assert claim(owed.db, Lane.BULK, 2) is None
    first = owed.deliveries()[0]
    assert (first.state, first.claim_token, first.lease_until) == (
        DeliveryState.CLAIMED,
        found.lease.token,
        clock.now + LEASE,
    )


def test_the_most_urgent_comes_first_then_the_longest_due(
    newsroom: Newsroom, office: Office, clock: StandingClock
) -> None:
    office.subscribe("a@example.org")
    newsroom.post(title="Old")
    office.expand()
    clock.forward(seconds=1)
    newsroom.post(title="Breaking", importance=Importance.BREAKING)
    newsroom.post(title="New")
    office.expand()
    found = claim(office.db, Lane.BULK, 10)
    assert found is not None
    with newsroom.db.read() as tx:
        ids = {alert.id: alert.priority for alert in tx.scalars(select(Alert))}
    assert [ids[message.alert_id] for message in found.messages] == [0, 1, 1]
    assert found.messages[1].alert_id < found.messages[2].alert_id


@sqlite_only
def test_what_is_not_due_yet_is_left(owed: Office, clock: StandingClock) -> None:
    with owed.db.begin() as tx:
        tx.execute(update(Delivery).values(due_at=clock.now + timedelta(seconds=1)))
    assert claimed(owed) == []
    clock.forward(seconds=1)
    assert len(claimed(owed)) == 3


def test_a_recipient_who_unsubscribes_before_the_claim_gets_nothing(owed: Office) -> None:
    owed.unsubscribe("b@example.org")
    assert claimed(owed) == ["a@example.org", "c@example.org"]
    assert owed.ledger()[1] == ("b@example.org", "skipped", "cancelled")
    assert owed.deliveries()[1].attempts == 0


def test_a_recipient_with_another_subscription_still_gets_the_alert(
    newsroom: Newsroom, office: Office
) -> None:
    office.subscribe("a@example.org")
    add_subscriber(newsroom.db, SYSTEM, "a@example.org")  # all streams, too
    newsroom.post()
    office.expand()
    with newsroom.db.begin() as tx:
        delivery = tx.scalars(select(Delivery)).one()
        tx.connection().exec_driver_sql(
            f"DELETE FROM subscription WHERE id = {delivery.subscription_id}"
        )
    assert claimed(office) == ["a@example.org"]


@sqlite_only
def test_excluding_a_stream_skips_its_waiting_deliveries(
    newsroom: Newsroom, office: Office
) -> None:
    office.subscribe("a@example.org", "b@example.org", stream=None)
    newsroom.post()
    office.expand()
    unsubscribe(newsroom.db, office.recipient("a@example.org").uid, newsroom.stream().uid)
    assert claimed(office) == ["b@example.org"]


@sqlite_only
def test_nothing_is_claimed_while_all_sending_is_paused(owed: Office) -> None:
    with owed.db.begin() as tx:
        tx.execute(update(Site).values(sending_paused=True))
    assert claimed(owed) == []
    with owed.db.begin() as tx:
        tx.execute(update(Site).values(sending_paused=False))
    assert len(claimed(owed)) == 3


@sqlite_only
def test_a_stopped_alert_skips_its_deliveries_with_a_reason(
    owed: Office, clock: StandingClock
) -> None:
    with owed.db.begin() as tx:
        tx.execute(update(Alert).values(stopped_at=clock.now))
    assert claimed(owed) == []
    assert {row[1:] for row in owed.ledger()} == {("skipped", "stopped")}


@sqlite_only
def test_a_hidden_stream_sends_nothing(owed: Office, newsroom: Newsroom) -> None:
    set_stream_state(newsroom.db, SYSTEM, "floods", StreamState.HIDDEN)
    assert claimed(owed) == []
    assert {row[1:] for row in owed.ledger()} == {("skipped", "cancelled")}


def test_a_correction_waits_while_the_first_alert_is_being_sent(
    newsroom: Newsroom, office: Office, clock: StandingClock
) -> None:
    office.subscribe("a@example.org")
    entry = newsroom.post()
    office.expand()
    first = claim(office.db, Lane.BULK, 10)
    office.revise(entry, "River falling")
    office.expand()
    assert claimed(office) == []
    waiting = office.deliveries()[1]
    assert (waiting.state, waiting.attempts, waiting.due_at) == (
        DeliveryState.QUEUED,
        0,
        clock.now + timedelta(seconds=1),
    )
    assert first is not None
    give_back(office.db, first.lease.token)
    clock.forward(seconds=1)
    second = claim(office.db, Lane.BULK, 10)
    assert second is not None
    assert [(message.attempts, message.told) for message in second.messages] == [(1, False)]
    assert office.ledger() == [
        ("a@example.org", "skipped", "superseded"),
        ("a@example.org", "claimed"),
    ]


def test_nothing_goes_out_while_a_retraction_can_still_be_undone(
    newsroom: Newsroom, office: Office, clock: StandingClock
) -> None:
    office.subscribe("a@example.org")
    entry = newsroom.post()
    office.expand()
    office.retract(entry, change=Change(RevisionKind.RETRACTION, delay=timedelta(seconds=10)))
    assert claimed(office) == []
    assert office.ledger() == [("a@example.org", "queued")]
    assert office.deliveries()[0].due_at == clock.now + timedelta(seconds=11)


def test_a_lease_is_renewed_at_half_time_and_lost_to_another(
    owed: Office, clock: StandingClock
) -> None:
    seconds = [0.0]
    found = claim(owed.db, Lane.BULK, 10, monotonic=lambda: seconds[0])
    assert found is not None
    clock.forward(seconds=20)
    seconds[0] = 20
    assert found.lease.held()
    assert owed.deliveries()[0].lease_until == clock.now + LEASE - timedelta(seconds=20)
    clock.forward(seconds=20)
    seconds[0] = 40
    assert found.lease.held()
    assert owed.deliveries()[0].lease_until == clock.now + LEASE
    clock.forward(seconds=61)
    seconds[0] = 101
    assert release_expired(owed.db) == 3
    assert not found.lease.held()
    assert len(claimed(owed)) == 3


def test_an_expired_claim_of_mail_is_queued_again(owed: Office, clock: StandingClock) -> None:
    assert len(claimed(owed)) == 3
    clock.forward(seconds=60)
    assert release_expired(owed.db) == 0
    clock.forward(seconds=1)
    assert release_expired(owed.db) == 3
    assert {(delivery.state, delivery.attempts) for delivery in owed.deliveries()} == {
        (DeliveryState.QUEUED, 1)
    }


@pytest.mark.parametrize(
    ("service", "attempts", "state"),
    [
        ("slack", 1, DeliveryState.UNKNOWN),
        ("webhook", 1, DeliveryState.QUEUED),
        ("webhook", 9, DeliveryState.QUEUED),
        ("matrix", 9, DeliveryState.QUEUED),
    ],
)
def test_a_chat_message_whose_attempt_began_is_unknown_unless_its_receiver_drops_doubles(
    newsroom: Newsroom,
    office: Office,
    clock: StandingClock,
    service: str,
    attempts: int,
    state: DeliveryState,
) -> None:
    office.channel("begun", "jsons://hooks.example.org/x", service)
    office.channel("untouched", "jsons://hooks.example.org/y", service)
    newsroom.post()
    office.expand()
    assert claimed(office, lane=Lane.FAST) == ["begun", "untouched"]
    with newsroom.db.begin() as tx:
        begun = update(Delivery).where(Delivery.recipient_id == office.recipient("begun").id)
        tx.execute(begun.values(started_at=clock.now, attempts=attempts))
    assert release_all(newsroom.db) == 2
    assert [delivery.state for delivery in office.deliveries()] == [state, DeliveryState.QUEUED]
    assert (
        claimed(office, lane=Lane.FAST) == ["untouched"]
        if state is DeliveryState.UNKNOWN
        else ["begun", "untouched"]
    )


def test_a_mail_server_that_is_away_is_probed_with_one_row_and_ever_more_rarely(
    owed: Office, clock: StandingClock
) -> None:
    for seconds in (5, 10, 20):
        pause.server_away(owed.db, "refused", probe=seconds > 5)
        pause.server_away(owed.db, "refused", probe=False)  # another connection of the same moment
        assert claimed(owed) == []
        clock.forward(seconds=seconds)
        found = claim(owed.db, Lane.BULK, 100)
        assert found is not None
        assert (found.probe, len(found.messages)) == (True, 1)
        assert claim(owed.db, Lane.BULK, 100) is None  # one probe at a time
        give_back(owed.db, found.lease.token)
    pause.server_back(owed.db)
    assert len(claimed(owed)) == 3


@sqlite_only
def test_the_reason_why_mail_waits_is_stored_for_the_desk(owed: Office) -> None:
    pause.say_whether_mail_is_set_up(owed.db, is_set=False)
    assert claimed(owed) == []
    with owed.db.read() as tx:
        assert (
            tx.get_one(Pause, pause.MAIL).reason == "STORYWIRE_MAIL_URL is not set, so mail waits."
        )
    pause.say_whether_mail_is_set_up(owed.db, is_set=True)
    assert len(claimed(owed)) == 3


@sqlite_only
def test_the_last_rows_are_shared(newsroom: Newsroom, office: Office) -> None:
    newsroom.subscribe_many(100)
    newsroom.post()
    office.expand()

    def taken(limit: int) -> int:
        found = claim(office.db, Lane.BULK, limit, sharers=4)
        return found.taken if found else 0

    assert taken(20) == 20  # of 100 due, of which all four find as many
    assert [taken(50) for _ in range(8)] == [20, 15, 12, 10, 10, 10, 3, 0]


def test_workers_that_claim_at_once_share_the_rows(newsroom: Newsroom, office: Office) -> None:
    office.subscribe(*[f"reader{n}@example.org" for n in range(60)])
    newsroom.post()
    office.expand()
    found: list[str] = []
    start = threading.Barrier(4)

    def work() -> None:
        start.wait(10)
        while (got := claim(office.db, Lane.BULK, 7)) is not None:
            found.extend(message.address for message in got.messages)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    found.extend(claimed(office))  # rows that one passed over because another held them
    assert sorted(found) == sorted(f"reader{n}@example.org" for n in range(60))


@sqlite_only
def test_a_claim_costs_the_same_few_statements_however_many_rows(
    newsroom: Newsroom, office: Office
) -> None:
    def statements(rows: int) -> int:
        seen: list[str] = []

        def count(conn: object, cursor: object, statement: str, *rest: object) -> None:
            seen.append(statement)

        event.listen(newsroom.db.engine, "before_cursor_execute", count)
        found: Claim | None = claim(newsroom.db, Lane.BULK, rows)
        event.remove(newsroom.db.engine, "before_cursor_execute", count)
        assert found is not None
        assert len(found.messages) == rows
        return len(seen)

    office.subscribe(*[f"reader{n}@example.org" for n in range(33)])
    newsroom.post()
    office.expand()
    assert statements(3) == statements(30)


@sqlite_only
def test_a_lease_of_an_unknown_claim_is_not_held(office: Office) -> None:
    seconds = [0.0]
    lease = Lease(office.db, "nobody's", monotonic=lambda: seconds[0])
    seconds[0] = LEASE.total_seconds()
    assert not lease.held()


@pytest.mark.parametrize(
    "db", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True
)
def test_a_node_without_a_mail_server_stops_no_other_s_mail(owed: Office) -> None:
    pause.say_whether_mail_is_set_up(owed.db, is_set=False)
    assert len(claimed(owed)) == 3
