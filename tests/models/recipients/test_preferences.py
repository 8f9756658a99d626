"""What a recipient wants, and when."""

from datetime import UTC, datetime, time, timedelta

import pytest
from sqlalchemy import select

from models import Cadence, Importance, RecipientState, Subscription, SubscriptionTag
from models.db.site import current_seq
from models.recipients.audience import add_subscriber
from models.recipients.preferences import CHOICES, Follow, Preferences, Rhythm, set_preferences
from models.text.errors import Invalid, NotFound

MORNING = datetime(2026, 11, 22, 7, tzinfo=UTC)

sqlite_only = pytest.mark.parametrize("db", ["sqlite"], indirect=True)
"""For what no database does differently."""


@pytest.fixture
def reader(db, newsroom, clock):
    clock.now = MORNING - timedelta(hours=2)
    newsroom.stream("floods")
    return add_subscriber(db, newsroom.actor, "hedda@post.example", stream="floods")


def subscriptions(db):
    with db.read() as tx:
        return tx.scalars(select(Subscription).order_by(Subscription.id)).all()


def prefer(db, reader, *follows, **more):
    return set_preferences(
        db,
        reader.uid,
        Preferences(follows=follows, **{"language": "en", "timezone": "Europe/Berlin", **more}),
    )


def stream_id(db):
    return subscriptions(db)[0].stream_id


def test_a_digest_begins_where_the_mails_at_once_end(db, newsroom, reader, clock):
    newsroom.post("floods")
    daily = Follow(
        stream_id=stream_id(db),
        rhythm=CHOICES["split"],
        tags=("River level", "river  LEVEL", "Évacuation"),
    )
    prefer(db, reader, daily)
    (one,) = subscriptions(db)
    with db.read() as tx:
        assert one.digested_seq == current_seq(tx) > 0
        assert set(tx.scalars(select(SubscriptionTag.slug))) == {"river-level", "évacuation"}
    assert (one.next_digest_at, one.at_once_from) == (MORNING, Importance.KEY)
    newsroom.post("floods")
    prefer(db, reader, daily)
    assert subscriptions(db)[0].digested_seq == one.digested_seq, (
        "what came since waits for the digest"
    )
    prefer(db, reader, Follow(stream_id=stream_id(db)))
    assert subscriptions(db)[0].next_digest_at is None


@sqlite_only
def test_a_digest_that_is_due_stays_due_whatever_is_chosen_meanwhile(db, reader, clock):
    prefer(db, reader, Follow(stream_id=stream_id(db), rhythm=CHOICES["daily"]))
    clock.now = MORNING + timedelta(minutes=1)
    prefer(
        db,
        reader,
        Follow(stream_id=stream_id(db), rhythm=Rhythm(cadence=Cadence.DAILY, digest_time=time(18))),
        timezone="Asia/Tokyo",
    )
    assert subscriptions(db)[0].next_digest_at == MORNING


@sqlite_only
def test_another_zone_moves_the_digest(db, reader):
    daily = Follow(stream_id=stream_id(db), rhythm=CHOICES["daily"])
    prefer(db, reader, daily)
    prefer(db, reader, daily, timezone="America/New_York")
    assert subscriptions(db)[0].next_digest_at == datetime(2026, 11, 22, 13, tzinfo=UTC)


@sqlite_only
def test_empty_preferences_unsubscribe_and_returning_sends_no_old_alerts(
    db, newsroom, reader, clock
):
    assert prefer(db, reader).state is RecipientState.ENDED
    assert subscriptions(db)[0].ended_at == clock.now
    newsroom.post("floods")
    clock.forward(hours=1)
    prefer(db, reader, Follow(stream_id=stream_id(db), rhythm=CHOICES["daily"]))
    (one,) = subscriptions(db)
    with db.read() as tx:
        assert (one.ended_at, one.created_at, one.digested_seq) == (
            None,
            clock.now,
            current_seq(tx),
        )
    prefer(db, reader)
    add_subscriber(db, newsroom.actor, reader.address, stream="floods")
    assert subscriptions(db)[0].cadence is Cadence.AT_ONCE, (
        "whoever is added anew has no digest that never comes"
    )


@sqlite_only
@pytest.mark.parametrize(
    ("field", "follow", "more"),
    [
        ("minutes", {"rhythm": Rhythm(cadence=Cadence.INTERVAL, every_minutes=0)}, {}),
        ("minutes", {"rhythm": Rhythm(cadence=Cadence.INTERVAL)}, {}),
        ("day", {"rhythm": Rhythm(cadence=Cadence.WEEKLY, digest_day=7)}, {}),
        ("kinds", {"news": False, "corrections": False}, {}),
        ("tags", {"tags": ("x" * 61,)}, {}),
        ("tags", {"tags": tuple(map(str, range(21)))}, {}),
        ("quiet hours", {}, {"quiet_from": time(22)}),
        ("time zone", {}, {"timezone": "Mars/Olympus"}),
        ("language", {}, {"language": "en\r\nBcc: x"}),
        ("pause", {}, {"paused_until": MORNING - timedelta(days=1)}),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(db, reader, field, follow, more):
    with pytest.raises(Invalid) as caught:
        prefer(db, reader, Follow(stream_id=stream_id(db), **follow), **more)
    assert caught.value.field == field
    assert subscriptions(db)[0].cadence is Cadence.AT_ONCE


@sqlite_only
def test_an_unknown_recipient_has_no_preferences(db, newsroom):
    with pytest.raises(NotFound):
        set_preferences(db, "nobody", Preferences(follows=(), language="en", timezone="UTC"))
