"""A fanout becomes one delivery for each recipient that is owed the alert."""

import threading

import pytest
from sqlalchemy import select, update

from config.keys import Keys
from models import (
    Alert,
    Delivery,
    DeliveryState,
    EntryState,
    Fanout,
    Importance,
    Lane,
    RevisionKind,
    Subscription,
    TallyKind,
)
from models.db.database import Database
from models.db.tallies import add_to_tallies
from models.publishing.posting import Release, add_entry
from models.text.actor import SYSTEM
from models.text.texts import EntryText
from notifier.ledger import fan_out as expanding
from notifier.ledger.fan_out import expand_slice
from tests.support.clock import StandingClock
from tests.support.databases import sqlite_only
from tests.support.newsroom import Newsroom
from tests.support.office import Office, lines


def test_each_follower_of_the_stream_or_of_all_gets_one_delivery(
    newsroom: Newsroom, office: Office
) -> None:
    newsroom.stream("fires")
    office.subscribe("both@example.org", "one@example.org")
    office.subscribe("both@example.org", "all@example.org", stream=None)
    office.subscribe("other@example.org", stream="fires")
    office.channel("room", "jsons://hooks.example.org/x")
    newsroom.post()
    assert office.expand() == 4
    owed = [
        "all@example.org queued",
        "both@example.org queued",
        "one@example.org queued",
        "room queued",
    ]
    assert lines(office.ledger()) == owed
    assert {delivery.lane for delivery in office.deliveries()} == set(Lane)
    assert len({delivery.uid for delivery in office.deliveries()}) == 4


def test_expanding_again_owes_nothing_more(newsroom: Newsroom, office: Office) -> None:
    office.subscribe("one@example.org")
    newsroom.post()
    assert office.expand() == 1
    with newsroom.db.begin() as tx:
        tx.execute(update(Fanout).values(done_at=None, cursor=0))
    assert office.expand() == 0
    assert len(office.deliveries()) == 1


def test_a_large_audience_is_expanded_in_slices_each_with_its_cursor(
    newsroom: Newsroom, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expanding, "SLICE", 3)
    office.subscribe(*[f"reader{n}@example.org" for n in range(10)])
    office.subscribe("all@example.org", stream=None)
    newsroom.post()
    made = []
    while (done := expand_slice(newsroom.db)) is not None:
        made.append((done.lane, done.made, done.done))
    assert made == [(Lane.FAST, 0, True), *[(Lane.BULK, 3, False)] * 3, (Lane.BULK, 2, True)]
    assert len(office.deliveries()) == 11


def test_a_subscriber_who_joined_after_the_alert_gets_no_delivery(
    newsroom: Newsroom, office: Office, clock: StandingClock
) -> None:
    office.subscribe("early@example.org")
    newsroom.post()
    clock.forward(seconds=1)
    office.subscribe("late@example.org")
    office.expand()
    assert office.ledger() == [("early@example.org", "queued")]


@sqlite_only
def test_silent_edits_and_entries_without_alert_create_no_deliveries(
    newsroom: Newsroom, office: Office
) -> None:
    office.subscribe("one@example.org")
    newsroom.post(title="Told to nobody", release=Release(alerts=False))
    entry = newsroom.post(title="Told once")
    office.revise(entry, "Told once, spelt right", RevisionKind.SILENT)
    office.expand()
    assert office.ledger() == [("one@example.org", "queued")]
    with newsroom.db.read() as tx:
        assert len(tx.scalars(select(Alert)).all()) == 1


@sqlite_only
def test_a_stopped_alert_expands_nothing(
    newsroom: Newsroom, office: Office, clock: StandingClock
) -> None:
    office.subscribe("one@example.org")
    newsroom.post()
    with newsroom.db.begin() as tx:
        tx.execute(update(Alert).values(stopped_at=clock.now))
    assert office.expand() == 0
    with newsroom.db.begin() as tx:
        tx.execute(update(Alert).values(stopped_at=None))
    assert office.expand() == 1


def test_tag_and_importance_filters_choose_the_recipients(
    newsroom: Newsroom, office: Office
) -> None:
    office.subscribe("all@example.org", "key@example.org")
    with newsroom.db.begin() as tx:
        chosen = update(Subscription).where(
            Subscription.recipient_id == office.recipient("key@example.org").id
        )
        tx.execute(chosen.values(least_importance=Importance.KEY))
    newsroom.post(title="Small")
    newsroom.post(title="Large", importance=Importance.BREAKING)
    office.expand()
    assert lines(office.ledger()) == [
        "all@example.org queued",
        "all@example.org queued",
        "key@example.org queued",
    ]
    assert sorted(delivery.priority for delivery in office.deliveries()) == [0, 0, 1]


def test_a_correction_supersedes_what_still_waits(newsroom: Newsroom, office: Office) -> None:
    office.subscribe("one@example.org")
    entry = newsroom.post()
    office.expand()
    office.revise(entry, "River falling")
    office.expand()
    assert office.ledger() == [
        ("one@example.org", "skipped", "superseded"),
        ("one@example.org", "queued"),
    ]


def test_opting_out_of_corrections_keeps_the_first_alert(
    newsroom: Newsroom, office: Office
) -> None:
    office.subscribe("one@example.org")
    with newsroom.db.begin() as tx:
        tx.execute(update(Subscription).values(corrections=False))
    entry = newsroom.post()
    office.expand()
    office.revise(entry, "River falling")
    office.expand()
    assert office.ledger() == [("one@example.org", "queued")]


def test_a_retraction_goes_to_earlier_recipients_and_skips_waiting_deliveries(
    newsroom: Newsroom, office: Office
) -> None:
    states = [
        DeliveryState.SENT,
        DeliveryState.CLAIMED,
        DeliveryState.UNKNOWN,
        DeliveryState.FAILED,
        DeliveryState.QUEUED,
    ]
    office.subscribe(*[f"{state.value}@example.org" for state in states])
    entry = newsroom.post()
    office.expand()
    for state in states:
        with newsroom.db.begin() as tx:
            told = update(Delivery).where(
                Delivery.recipient_id == office.recipient(f"{state.value}@example.org").id
            )
            tx.execute(told.values(state=state))
            if state not in (DeliveryState.CLAIMED, DeliveryState.QUEUED):
                add_to_tallies(tx, {(1, Lane.BULK, TallyKind(state.value)): 1})
    office.retract(entry)
    assert newsroom.entry(entry.uid).state is EntryState.RETRACTED
    assert office.expand() == 3
    assert lines(office.ledger()) == [
        "claimed@example.org claimed",
        "claimed@example.org queued",
        "failed@example.org failed",
        "queued@example.org skipped retracted",
        "sent@example.org queued",
        "sent@example.org sent",
        "unknown@example.org queued",
        "unknown@example.org unknown",
    ]


def test_postgresql_looks_at_the_table_again_after_a_big_fan_out(
    postgres_db: Database, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rows_known() -> float:
        with postgres_db.read() as tx:
            return (
                tx.connection()
                .exec_driver_sql("SELECT reltuples FROM pg_class WHERE relname = 'delivery'")
                .scalar_one()
            )

    monkeypatch.setattr(expanding, "ANALYZE_FROM", 3)
    room = Newsroom(postgres_db)
    room.stream()
    office = Office(postgres_db, keys, "smtp://127.0.0.1:1")
    office.subscribe("a@example.org", "b@example.org")
    room.post()
    before = rows_known()
    assert office.expand() == 2
    assert rows_known() == before
    office.subscribe("c@example.org")
    room.post(title="Next")
    assert office.expand() == 3
    assert rows_known() == 5


def test_two_workers_that_expand_at_once_owe_each_recipient_once(
    newsroom: Newsroom, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expanding, "SLICE", 5)
    office.subscribe(*[f"reader{n}@example.org" for n in range(40)])
    for n in range(3):
        add_entry(newsroom.db, SYSTEM, "floods", EntryText(f"News {n}"), Release())
    failures: list[BaseException] = []
    start = threading.Barrier(3)

    def work() -> None:
        try:
            start.wait(10)
            office.expand()
        except BaseException as exc:
            failures.append(exc)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    office.expand()  # a worker that found a fanout locked by another passed it over
    assert failures == []
    assert len(office.deliveries()) == 120
