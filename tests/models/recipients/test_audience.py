"""Who follows what, and who is owed an alert."""

from dataclasses import replace

import pytest

from models import Importance, RecipientKind, RecipientState, Role
from models.recipients.audience import (
    AlertTopic,
    ChannelTarget,
    add_channel,
    add_subscriber,
    decrypt_target,
    eligible_recipients,
    excluded_streams,
    recipient_with_subscriptions,
    remove_recipient,
    signing_secret,
    suppress,
    unsubscribe,
)
from models.recipients.forecast import forecast
from models.streams.streams import get_stream
from models.text.errors import Conflict, Forbidden, Invalid, NotFound
from models.text.tokens import ALL_STREAMS, read_unsubscribe_token, unsubscribe_token

HOOK = "jsons://hooks.example.org/T0PSECRET/path"


@pytest.fixture
def topic(newsroom, db):
    with db.read() as tx:
        return AlertTopic(get_stream(tx, "floods").id, Importance.NORMAL, (), correction=False)


def mails(db, topic) -> int:
    with db.read() as tx:
        return forecast(tx, topic).told[RecipientKind.MAIL]


def hook(db, newsroom, keys, name="hook", **more):
    return add_channel(
        db,
        newsroom.actor,
        keys,
        name,
        ChannelTarget(HOOK, "webhook", "webhook hooks.example.org …"),
        **more,
    )


def test_the_same_address_is_subscribed_once_however_it_is_written(db, newsroom, topic):
    first = add_subscriber(db, newsroom.actor, "Reader@Example.org", stream="floods")
    again = add_subscriber(db, newsroom.actor, "reader@EXAMPLE.ORG", stream="floods")
    assert first.id == again.id
    with db.read() as tx:
        assert len(recipient_with_subscriptions(tx, first.uid)[1]) == 1


def test_overlapping_subscriptions_create_one_delivery(db, newsroom, topic):
    add_subscriber(db, newsroom.actor, "reader@example.org", stream="floods")
    add_subscriber(db, newsroom.actor, "reader@example.org")
    newsroom.stream("drought")
    add_subscriber(db, newsroom.actor, "other@example.org", stream="drought")
    with db.read() as tx:
        assert len(tx.execute(eligible_recipients(topic)).all()) == 1


def test_importance_and_tags_choose(db, newsroom, keys, topic):
    hook(db, newsroom, keys, tags=("River Level",))
    with db.read() as tx:
        found = [
            len(tx.execute(eligible_recipients(replace(topic, tags=tags))).all())
            for tags in ((), ("river-level",), ("trams", "river-level"), ("trams",))
        ]
    assert found == [0, 1, 1, 0]
    channel = hook(db, newsroom, keys, name="key only")
    with db.begin() as tx:
        recipient_with_subscriptions(tx, channel.uid)[1][0].least_importance = Importance.KEY
    with db.read() as tx:
        grades = [
            len(tx.execute(eligible_recipients(replace(topic, importance=grade))).all())
            for grade in Importance
        ]
    assert grades == [0, 1, 1]


def test_new_subscribers_get_no_alerts_of_earlier_entries(db, newsroom, topic, clock):
    before = clock.now
    clock.forward(minutes=1)
    add_subscriber(db, newsroom.actor, "late@example.org")
    with db.read() as tx:
        assert tx.execute(eligible_recipients(topic, confirmed_by=before)).all() == []
        assert len(tx.execute(eligible_recipients(topic, confirmed_by=clock.now)).all()) == 1


def test_leaving_a_story_leaves_it_however_it_came(db, newsroom, topic):
    reader = add_subscriber(db, newsroom.actor, "reader@example.org", stream="floods")
    add_subscriber(db, newsroom.actor, "reader@example.org")
    newsroom.stream("drought")
    add_subscriber(db, newsroom.actor, "reader@example.org", stream="drought")
    with db.read() as tx:
        scope = get_stream(tx, "floods").uid
    unsubscribe(db, reader.uid, scope)
    unsubscribe(db, reader.uid, scope)
    with db.read() as tx:
        recipient, still = recipient_with_subscriptions(tx, reader.uid)
        assert [stream.slug for stream in excluded_streams(tx, still[0])] == ["floods"]
    assert [subscription.stream and subscription.stream.slug for subscription in still] == [
        None,
        "drought",
    ]
    assert recipient.state is RecipientState.CONFIRMED
    assert mails(db, topic) == 0, "the subscription to all stories goes on without this one"
    unsubscribe(db, reader.uid, ALL_STREAMS)
    with db.read() as tx:
        assert recipient_with_subscriptions(tx, reader.uid)[0].state is RecipientState.ENDED


def test_an_unsubscribed_recipient_can_return_but_a_suppressed_address_cannot(db, newsroom, topic):
    reader = add_subscriber(db, newsroom.actor, "reader@example.org")
    unsubscribe(db, reader.uid, ALL_STREAMS)
    add_subscriber(db, newsroom.actor, "reader@example.org")
    assert mails(db, topic) == 1
    with db.begin() as tx:
        suppress(tx, reader.id, "550 5.1.1 no such user")
    assert mails(db, topic) == 0
    with pytest.raises(Invalid, match=r"550 5\.1\.1 no such user"):
        add_subscriber(db, newsroom.actor, "reader@example.org")


def test_a_channel_url_is_stored_sealed(db, newsroom, keys):
    channel = hook(db, newsroom, keys)
    assert decrypt_target(keys, channel.sealed_url) == HOOK
    assert "T0PSECRET" not in (channel.sealed_url or "") + channel.masked_url
    assert len(signing_secret(keys, channel.uid)) == 64


def test_a_removed_channel_gets_no_deliveries(db, newsroom, keys, topic):
    hook(db, newsroom, keys)
    remove_recipient(db, newsroom.actor, RecipientKind.CHANNEL, "hook", "removed")
    with db.read() as tx:
        assert forecast(tx, topic).told[RecipientKind.CHANNEL] == 0
    with pytest.raises(NotFound):
        remove_recipient(db, newsroom.actor, RecipientKind.CHANNEL, "other", "removed")


def test_a_channel_keeps_its_url_until_it_is_removed(db, newsroom, keys):
    hook(db, newsroom, keys, stream="floods")
    other = ChannelTarget("jsons://other.example.org/", "webhook", "")
    with pytest.raises(Conflict, match="with a different URL"):
        add_channel(db, newsroom.actor, keys, "hook", other)
    remove_recipient(db, newsroom.actor, RecipientKind.CHANNEL, "hook", "removed")
    newsroom.stream("drought")
    again = add_channel(db, newsroom.actor, keys, "hook", other, stream="drought")
    assert decrypt_target(keys, again.sealed_url) == other.url
    with db.read() as tx:
        assert [
            subscription.stream.slug
            for subscription in recipient_with_subscriptions(tx, again.uid)[1]
        ] == ["drought"]


def test_only_admins_add_recipients(db, newsroom, keys):
    editor = newsroom.account(Role.EDITOR)
    with pytest.raises(Forbidden):
        add_subscriber(db, editor, "reader@example.org")
    with pytest.raises(Forbidden):
        add_channel(db, editor, keys, "hook", ChannelTarget(HOOK, "webhook", ""))


def test_a_leave_token_names_its_recipient_and_cannot_be_made_by_others(keys):
    token = unsubscribe_token(keys, "r2cp", "str3am")
    assert read_unsubscribe_token(keys, token) == ("r2cp", "str3am")
    assert len(unsubscribe_token(keys, "x" * 16, "y" * 7)) <= 70
    for forged in (
        token[:-1],
        token + "x",
        token.replace("r2cp", "r3cp"),
        token.replace("str3am", ALL_STREAMS),
    ):
        assert read_unsubscribe_token(keys, forged) is None
    for forged in ("", "-", "--", "\ud800-a-b", "ü" * 50):
        assert read_unsubscribe_token(keys, forged) is None


def test_an_address_keeps_the_letters_that_make_its_domain(newsroom, db):
    # Folded like other text it would be strasse.example, which may be somebody else's.
    assert (
        add_subscriber(db, newsroom.actor, "Leser@STRAßE.example").address == "leser@straße.example"
    )


@pytest.mark.parametrize(
    "language", ["", "x", "en_GB", "en-" + "-".join(["abcdefgh"] * 5), "en\udcff"]
)
def test_a_language_is_a_language_tag(newsroom, db, language):
    with pytest.raises(Invalid, match="like en, de or pt-BR"):
        add_subscriber(db, newsroom.actor, "reader@example.org", language=language)
    with pytest.raises(Invalid, match="like en, de or pt-BR"):
        newsroom.stream("drought", language=language)
