"""Changing channels, on both databases; the desk's pages have tests of their own."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from models import Delivery, DeliveryState, Role
from models.membership.channels import (
    edit_channel,
    get_channel,
    last_deliveries,
    list_channels,
    preferences_of,
    retry_channel,
    send_test_message,
    subscriptions_by_recipient,
)
from models.recipients.audience import ChannelTarget, add_channel, add_subscriber, decrypt_target
from models.text.errors import Conflict, Forbidden, Invalid, NotFound

HOOK = ChannelTarget("jsons://hooks.example.org/one", "webhook", "JSON webhook hooks.example.org …")
OTHER = ChannelTarget(
    "jsons://hooks.example.org/two", "webhook", "JSON webhook hooks.example.org …"
)


def test_a_channel_is_renamed_led_elsewhere_tested_and_tried_again(db, newsroom, keys, clock):
    room = add_channel(db, newsroom.actor, keys, "Room", HOOK)
    with db.begin() as tx:
        channel = get_channel(tx, room.uid)
        channel.sick_since, channel.next_at, channel.refusals = (
            clock.now,
            clock.now + timedelta(hours=4),
            3,
        )
        wanted = preferences_of(tx, channel)
    assert retry_channel(db, newsroom.actor, room.uid) == 0
    send_test_message(db, newsroom.actor, room.uid, {"title": "T"})
    with pytest.raises(Conflict):
        send_test_message(db, newsroom.actor, room.uid, {"title": "T"})
    clock.forward(minutes=1)
    assert retry_channel(db, newsroom.actor, room.uid) == 1
    with db.begin() as tx:
        delivery = tx.scalars(select(Delivery)).one()
        assert (delivery.due_at, get_channel(tx, room.uid).next_at) == (clock.now, None)
        delivery.state, delivery.settled_at, delivery.last_reply = (
            DeliveryState.SENT,
            clock.now,
            "200 ok",
        )
    edit_channel(db, newsroom.actor, keys, room.uid, "Water room", OTHER, wanted)
    with db.read() as tx:
        [channel] = list_channels(tx)
        assert (channel.address, channel.sick_since, decrypt_target(keys, channel.sealed_url)) == (
            "Water room",
            None,
            OTHER.url,
        )
        assert last_deliveries(tx, [channel.id])[channel.id].last_reply == "200 ok"
        assert [one.stream for one in subscriptions_by_recipient(tx, [channel.id])[channel.id]] == [
            None
        ]


def test_what_cannot_be_is_refused_before_anything_is_changed(db, newsroom, keys):
    room = add_channel(db, newsroom.actor, keys, "Room", HOOK)
    add_channel(db, newsroom.actor, keys, "Other", OTHER)
    with db.read() as tx:
        wanted = preferences_of(tx, room)
    for name, follows in (("Other", wanted.follows), ("Room", ())):
        with pytest.raises(Invalid):
            edit_channel(
                db,
                newsroom.actor,
                keys,
                room.uid,
                name,
                None,
                type(wanted)(follows=follows, language="en", timezone="UTC"),
            )
    with pytest.raises(Forbidden):
        edit_channel(db, newsroom.account(Role.EDITOR), keys, room.uid, "New", None, wanted)
    reader = add_subscriber(db, newsroom.actor, "ann@example.org")
    with pytest.raises(NotFound):
        retry_channel(db, newsroom.actor, reader.uid)
    with db.read() as tx:
        assert [channel.address for channel in list_channels(tx)] == ["Other", "Room"]
