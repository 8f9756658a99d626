"""Digests from the post to the mail: what they tell, once, whoever makes them and whenever, over
the days on which the clocks change.
"""

import threading
from datetime import UTC, datetime, time, timedelta

import pytest
from pytest_httpserver import HTTPServer
from sqlalchemy import select, update

from models import Alert, AlertKind, Cadence, Delivery, Importance, RevisionKind, Role, Subscription
from models.alerts.alert_control import resume_alert
from models.db.database import Database, open_database
from models.publishing.revising import Change, revise, undo
from models.recipients.preferences import Follow, Preferences, Rhythm, set_preferences
from models.streams.review_queue import waiting_alerts
from models.streams.streams import get_stream
from models.text.errors import Conflict
from models.text.texts import EntryText
from notifier.content.render import Sender
from notifier.ledger import digest_run
from notifier.ledger.digest_run import make_digests, make_slice
from notifier.ledger.fan_out import expand_all
from notifier.reports.delivery_report import alert_sums
from tests.support.audience import DAILY, HOURLY, READER, Audience
from tests.support.clock import StandingClock
from tests.support.databases import sqlite_only
from tests.support.inbox import Inbox
from tests.support.newsroom import Newsroom
from tests.support.office import Office
from tests.support.previews import preview_digest


@pytest.fixture
def audience(newsroom: Newsroom, office: Office, inbox: Inbox, clock: StandingClock) -> Audience:
    return Audience(office, inbox, clock)


def test_a_digest_tells_what_came_since_the_last_and_nothing_when_empty(
    newsroom: Newsroom, audience: Audience, office: Office
) -> None:
    audience.reads()
    audience.reads("other@example.org", timezone="Europe/Berlin")
    newsroom.post(title="River rising")
    newsroom.post(title="Dyke breaks")
    assert audience.at("2026-03-14T09:00") == []
    assert audience.at("2026-03-15T07:00") == ["Dyke breaks, River rising"], "08:00 in Berlin"
    assert audience.at("2026-03-15T08:00") == ["Dyke breaks, River rising"]
    assert audience.at("2026-03-16T09:00") == []
    assert audience.at("2026-03-17T09:00") == []
    assert lines_of(office) == [("other@example.org", "sent"), (READER, "sent")]
    newsroom.post(title="River falls")
    assert audience.at("2026-03-20T12:00") == ["River falls", "River falls"], (
        "what was missed comes in one"
    )


def lines_of(office: Office) -> list[tuple[str, ...]]:
    return office.ledger()


def test_important_entries_come_at_once_and_the_rest_in_a_digest(
    newsroom: Newsroom, audience: Audience, inbox: Inbox
) -> None:
    audience.reads(rhythm=Rhythm(cadence=Cadence.DAILY, at_once_from=Importance.KEY))
    newsroom.post(title="River rising")
    newsroom.post(title="Dyke breaks", importance=Importance.KEY)
    audience.office.run()
    assert [mail["Subject"] for mail in inbox.mails] == ["Dyke breaks"]
    assert audience.at("2026-03-15T08:00") == ["River rising"]


@sqlite_only
def test_a_digest_omits_retracted_entries_and_shows_corrected_ones_as_they_are(
    newsroom: Newsroom, audience: Audience, office: Office
) -> None:
    audience.reads()
    gone, wrong, stays = (
        newsroom.post(title=title) for title in ("Trams stand", "River rising", "Dyke breaks")
    )
    office.retract(gone)
    office.revise(wrong, "River rising fast")
    assert audience.at("2026-03-15T08:00") == ["Dyke breaks, River rising fast"], "the latest first"
    assert [row[1] for row in office.ledger()] == ["sent"], (
        "and nobody is told that what they never heard of was withdrawn"
    )
    office.revise(stays, "River falls", RevisionKind.CORRECTION, "It was not the dyke.")
    assert audience.at("2026-03-16T08:00") == ["CORRECTION, River falls"]


@sqlite_only
def test_a_retraction_reaches_recipients_of_the_digest(
    newsroom: Newsroom, audience: Audience, office: Office, inbox: Inbox
) -> None:
    audience.reads(timezone="Europe/Berlin")
    audience.reads("later@example.org")
    entry = newsroom.post(title="River rising")
    assert audience.at("2026-03-15T07:00") == ["River rising"]
    audience.clock.forward(minutes=1)
    office.retract(entry)
    audience.at("2026-03-15T07:02")
    assert [mail["Subject"] for mail in inbox.mails[1:]] == ["Retracted: River rising"]
    assert inbox.addresses[1:] == [READER]
    assert audience.at("2026-03-15T08:00") == []


@sqlite_only
def test_several_subscriptions_make_one_digest_and_tell_an_entry_once(
    newsroom: Newsroom, audience: Audience, office: Office
) -> None:
    newsroom.stream("trams")
    with office.db.read() as tx:
        floods, trams = (get_stream(tx, slug).id for slug in ("floods", "trams"))
    audience.reads(READER, *(Follow(stream_id=one, rhythm=DAILY) for one in (floods, trams, None)))
    audience.reads(
        "other@example.org",
        Follow(stream_id=floods, rhythm=DAILY),
        Follow(rhythm=Rhythm(cadence=Cadence.WEEKLY, digest_day=0)),
    )
    newsroom.post(title="River rising")
    newsroom.post("trams", title="Trams stand")
    assert sorted(audience.at("2026-03-15T08:00")) == ["River rising", "Trams stand, River rising"]
    assert audience.at("2026-03-16T08:00") == ["Trams stand"], (
        "the weekly one leaves out what the daily one has told"
    )


@sqlite_only
def test_entries_of_a_failed_digest_are_in_the_next(
    newsroom: Newsroom, audience: Audience, inbox: Inbox
) -> None:
    audience.reads()
    newsroom.post(title="River rising")
    inbox.replies["data"] = ["554 5.6.0 no"]
    inbox.envelopes.clear()
    audience.at("2026-03-15T08:00")
    assert audience.office.ledger() == [(READER, "failed")]
    newsroom.post(title="River falls")
    assert audience.at("2026-03-16T08:00") == ["River falls, River rising"]


@sqlite_only
def test_a_waiting_digest_is_merged_into_the_next(
    newsroom: Newsroom, audience: Audience, office: Office
) -> None:
    audience.reads(rhythm=HOURLY, quiet_from=time(9), quiet_until=time(12))
    newsroom.post(title="River rising")
    assert audience.at("2026-03-14T09:00") == []
    newsroom.post(title="River falls")
    assert audience.at("2026-03-14T10:00") == []
    assert audience.at("2026-03-14T12:00") == ["River falls, River rising"]
    assert office.ledger() == [(READER, "skipped", "superseded")] * 2 + [(READER, "sent")]


@sqlite_only
def test_entries_during_a_pause_are_not_sent_after_it(
    newsroom: Newsroom, audience: Audience
) -> None:
    audience.reads(paused_until=datetime(2026, 3, 16, tzinfo=UTC))
    newsroom.post(title="River rising")
    assert audience.at("2026-03-15T08:00") == []
    newsroom.post(title="River falls")
    assert audience.at("2026-03-16T08:00") == ["River falls"]


@sqlite_only
@pytest.mark.parametrize(
    ("zone", "days"),
    [
        ("Europe/Berlin", ["2026-03-28T07:00", "2026-03-29T06:00", "2026-03-30T06:00"]),
        ("Europe/Berlin", ["2026-10-24T06:00", "2026-10-25T07:00", "2026-10-26T07:00"]),
        ("America/New_York", ["2026-03-07T13:00", "2026-03-08T12:00", "2026-03-09T12:00"]),
        ("America/New_York", ["2026-10-31T12:00", "2026-11-01T13:00", "2026-11-02T13:00"]),
    ],
)
def test_one_comes_each_day_on_which_the_clocks_change_too(
    zone: str, days: list[str], newsroom: Newsroom, audience: Audience, clock: StandingClock
) -> None:
    clock.now = datetime.fromisoformat(days[0]).replace(tzinfo=UTC) - timedelta(hours=12)
    audience.reads(timezone=zone)
    for day in days:
        newsroom.post(title="River rising")
        slot = datetime.fromisoformat(day)
        found = [
            audience.at(f"{slot + timedelta(minutes=minutes):%Y-%m-%dT%H:%M}")
            for minutes in (-60, -1, 0, 60)
        ]
        assert found == [[], [], ["River rising"], []]


@sqlite_only
def test_a_channel_may_have_digests_too(
    newsroom: Newsroom, audience: Audience, httpserver: HTTPServer, hook: str
) -> None:
    httpserver.expect_request("/hook").respond_with_data()
    channel = audience.office.channel("hook", hook)
    wishes = Preferences(follows=(Follow(rhythm=HOURLY),), language="de", timezone="Europe/Berlin")
    set_preferences(audience.office.db, channel.uid, wishes)
    newsroom.post(title="River rising")
    newsroom.post(title="Dyke breaks", importance=Importance.KEY)
    for hour in (9, 10):
        audience.at(f"2026-03-14T{hour:02}:00")
    (told,) = [request.get_json() for request, _ in httpserver.log]
    assert told["event"] == "digest"
    assert told["title"] == "The floods: 2 Meldungen, 14. März 2026, 10:00 Uhr (MEZ)"
    assert [entry["title"] for entry in told["entries"]] == ["Dyke breaks", "River rising"]


def many(
    newsroom: Newsroom, audience: Audience, number: int, monkeypatch: pytest.MonkeyPatch
) -> Database:
    """So many readers whose digests are due, in slices of three."""
    monkeypatch.setattr(digest_run, "SLICE", 3)
    monkeypatch.setattr(digest_run, "SLICE_OF_SQLITE", 3)
    newsroom.subscribe_many(number)
    newsroom.post(title="River rising")
    with newsroom.db.begin() as tx:
        tx.execute(
            update(Subscription).values(
                cadence=Cadence.DAILY, digest_time=time(8), next_digest_at=audience.clock.now
            )
        )
    expand_all(newsroom.db, go_on=lambda: True, ring=lambda lane: None)
    return newsroom.db


def owed(db: Database) -> tuple[int, int, int]:
    """Digests, deliveries of them, and subscriptions that are still due."""
    with db.read() as tx:
        alerts = tx.scalars(select(Alert.id).where(Alert.kind == AlertKind.DIGEST)).all()
        rows = tx.scalars(select(Delivery.recipient_id).where(Delivery.alert_id.in_(alerts))).all()
        due = tx.scalars(
            select(Subscription.id).where(Subscription.next_digest_at <= tx.info["clock"](tx))
        ).all()
    return len(alerts), len(rows), len(due)


@sqlite_only
def test_a_run_that_was_cut_off_goes_on(
    newsroom: Newsroom, audience: Audience, monkeypatch: pytest.MonkeyPatch
) -> None:
    db = many(newsroom, audience, 8, monkeypatch)
    make_slice(db)
    assert owed(db) == (1, 3, 5)
    audience.clock.forward(minutes=5)
    newsroom.post(title="River falls")
    audience.office.expand()
    assert owed(db) == (1, 8, 0)
    audience.office.send()
    assert sorted(audience.inbox.addresses) == sorted(f"reader{n}@example.org" for n in range(8))


@pytest.mark.postgresql
@pytest.mark.parametrize("db", ["postgresql"], indirect=True)
def test_two_nodes_make_one_digest_for_each(
    newsroom: Newsroom, audience: Audience, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = many(newsroom, audience, 60, monkeypatch)
    second = open_database(
        first.engine.url.render_as_string(hide_password=False), clock=audience.clock
    )
    nodes = [
        threading.Thread(
            target=make_digests,
            args=(node,),
            kwargs={"go_on": lambda: True, "ring": lambda lane: None},
        )
        for node in (first, second)
    ]
    for node in nodes:
        node.start()
    for node in nodes:
        node.join()
    second.engine.dispose()
    assert owed(first) == (1, 60, 0)
    audience.office.send()
    assert len(audience.inbox.addresses) == 60 == len(set(audience.inbox.addresses))


@sqlite_only
def test_a_digest_waits_for_the_undo_time_of_a_withdrawal(
    newsroom: Newsroom, audience: Audience, office: Office
) -> None:
    audience.reads()
    entry = newsroom.post(title="River rising")
    audience.clock.now = datetime(2026, 3, 15, 7, 59, 55, tzinfo=UTC)
    office.retract(entry, change=Change(RevisionKind.RETRACTION, delay=timedelta(seconds=10)))
    assert audience.at("2026-03-15T08:00:00") == []
    undo(office.db, newsroom.actor, entry.uid, newsroom.entry(entry.uid).version)
    assert audience.at("2026-03-15T08:00:06") == ["River rising"]


@sqlite_only
def test_a_preview_shows_the_digest_that_comes_and_the_ledger_names_it(
    newsroom: Newsroom, audience: Audience, office: Office
) -> None:
    audience.reads()
    sender, reader = Sender.of(office.settings), office.recipient(READER)
    with office.db.read() as tx, pytest.raises(Conflict, match="nothing to tell"):
        preview_digest(tx, reader, sender)
    newsroom.post()
    with office.db.read() as tx:
        shown = preview_digest(tx, reader, sender)
    audience.at("2026-03-15T08:00")
    (mail,) = audience.inbox.mails
    assert shown.subject == mail["Subject"]
    assert audience.told(shown.text) == "River rising"
    with office.db.read() as tx:
        (digest, _) = alert_sums(tx, 5)
    assert (digest["kind"], digest["title"], digest["sent"]) == (
        "digest",
        "2026-03-15T08:00:00+00:00",
        1,
    )


@sqlite_only
def test_a_digest_waits_for_the_fan_out_of_immediate_alerts(
    newsroom: Newsroom, audience: Audience
) -> None:
    audience.reads(rhythm=Rhythm(cadence=Cadence.DAILY, at_once_from=Importance.KEY))
    audience.clock.now = datetime(2026, 3, 15, 7, 59, tzinfo=UTC)
    newsroom.post(title="River rising")
    newsroom.post(title="Dyke breaks", importance=Importance.KEY)
    audience.clock.forward(minutes=1)
    make_digests(audience.office.db, go_on=lambda: True, ring=lambda lane: None)
    audience.office.mail.send_pass()
    audience.office.run()
    told = [mail.get_body(("plain",)).get_content() for mail in audience.inbox.mails]  # type: ignore[union-attr]
    assert sorted(audience.told(text) for text in told) == ["Dyke breaks", "River rising"]


def test_a_digest_passes_over_what_waits_for_a_second_editor_and_the_next_tells_it(
    newsroom: Newsroom, audience: Audience, office: Office
) -> None:
    audience.reads()
    entry = newsroom.post(title="River rising", importance=Importance.BREAKING)
    assert audience.at("2026-03-15T08:00") == ["River rising"]
    newsroom.agree(second_editor=True)
    text = EntryText("Dyke breaks", importance=Importance.BREAKING)
    revise(office.db, newsroom.actor, entry.uid, entry.version, text, Change(RevisionKind.UPDATE))
    newsroom.post(title="Trams stand")
    assert audience.at("2026-03-16T08:00") == ["Trams stand"]
    with newsroom.db.read() as tx:
        (waiting,) = waiting_alerts(tx)
    resume_alert(office.db, newsroom.account(Role.EDITOR), waiting.id)
    assert audience.at("2026-03-17T08:00") == ["UPDATE, Dyke breaks"]
    assert audience.at("2026-03-18T08:00") == []
