"""How many would be told if it went out now."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from models import Cadence, Importance, Recipient, RecipientKind, Subscription
from models.recipients.audience import AlertTopic, ChannelTarget, add_channel
from models.recipients.forecast import channels_owed, forecast
from models.streams.contributors import suggest_contributors
from models.streams.streams import get_stream

MAIL, CHANNEL = RecipientKind.MAIL, RecipientKind.CHANNEL


@pytest.fixture
def topic(newsroom, db):
    with db.read() as tx:
        return AlertTopic(get_stream(tx, "floods").id, Importance.NORMAL, (), correction=False)


def test_a_forecast_counts_recipients_now_and_later(newsroom, db, keys, clock, topic):
    _, later, away = newsroom.subscribe_many(3)
    add_channel(
        db,
        newsroom.actor,
        keys,
        "Room",
        ChannelTarget("jsons://hooks.example.org/path", "webhook", ""),
    )
    with db.begin() as tx:
        people = {one.address: one for one in tx.scalars(select(Recipient))}
        people[away].paused_until = clock.now + timedelta(days=1)
        of_later = Subscription.recipient_id == people[later].id
        tx.execute(
            update(Subscription)
            .where(of_later)
            .values(cadence=Cadence.DAILY, at_once_from=Importance.BREAKING)
        )
    with db.read() as tx:
        found, rooms = forecast(tx, topic), channels_owed(tx, topic, 5)
        breaking = forecast(
            tx, AlertTopic(topic.stream_id, Importance.BREAKING, (), correction=False)
        )
    assert (found.told, found.digest, found.paused) == ({MAIL: 1, CHANNEL: 1}, 1, 1)
    assert (breaking.told[MAIL], breaking.digest) == (2, 0)
    assert [room.address for room in rooms] == ["Room"]


def test_contributors_are_suggested_by_any_name_with_those_of_the_stream_first(newsroom, db):
    newsroom.post(byline=("Marten Oake", "Mara Eskelund"))
    newsroom.post(byline=("Mara Eskelund",))
    newsroom.stream("drought")
    newsroom.post("drought", byline=("Jory Marsh", "Ines Valbrook", "Marten Oake"))
    with db.read() as tx:
        found = suggest_contributors(tx, "Mar", "floods")
        few = suggest_contributors(tx, "mar", "floods", limit=1)
        nobody = suggest_contributors(tx, "%", "floods")
        nowhere = suggest_contributors(tx, "mara", "\x00")
    assert [(one.name, one.entries) for one in found] == [
        ("Mara Eskelund", 2),
        ("Marten Oake", 1),
        ("Jory Marsh", 0),
    ]
    assert [one.name for one in few] == ["Mara Eskelund"]
    assert nobody == []
    assert [(one.name, one.entries) for one in nowhere] == [("Mara Eskelund", 0)]
