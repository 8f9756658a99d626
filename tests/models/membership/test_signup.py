"""Signing up by mail."""

import time
from contextlib import suppress
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from models import (
    Alert,
    Cadence,
    Delivery,
    Importance,
    Recipient,
    RecipientKind,
    RecipientState,
    Subscription,
)
from models.db.database import ChangeWatch
from models.db.rate_limit import network_of
from models.membership.own_data import send_fresh_link
from models.membership.signup import (
    CONFIRM_LINK_LIFE,
    MAX_ATTEMPTS_PER_NETWORK,
    UNANSWERED_LIFE,
    SignupRequest,
    confirm_signup,
    delete_unanswered_signups,
    request_signup,
)
from models.membership.suppression import suppress_address
from models.recipients.audience import (
    add_subscriber,
    find_recipient,
    recipient_with_subscriptions,
    unsubscribe,
)
from models.streams.streams import StreamState, set_stream_state
from models.text.email_address import mailbox_key
from models.text.errors import BadLink, Conflict, Gone, Invalid, NotFound, TooManyAttempts
from models.text.tokens import ALL_STREAMS, unsubscribe_token

HEDDA = "hedda@post.example"

sqlite_only = pytest.mark.parametrize("db", ["sqlite"], indirect=True)
"""For what no database does differently."""


def wish(email=HEDDA, **more):
    return SignupRequest(
        **{
            "email": email,
            "stream": "strike",
            "choice": "split",
            "page": "/streams/strike",
            "client": "203.0.113.7",
            **more,
        }
    )


def notices(db):
    """Name and values of each notice that was owed, and to whom."""
    query = (
        select(Alert.notice, Recipient.address)
        .join(Delivery, Delivery.alert_id == Alert.id)
        .join(Recipient)
        .order_by(Alert.id)
    )
    with db.read() as tx:
        return [
            (notice["name"], notice["values"], address) for notice, address in tx.execute(query)
        ]


def found(db, address=HEDDA):
    with db.read() as tx:
        return find_recipient(tx, RecipientKind.MAIL, address)


@pytest.fixture
def stream(newsroom):
    return newsroom.stream("strike", language="de", timezone="Europe/Berlin")


def test_a_subscription_needs_confirmation_and_the_proof_is_stored(db, keys, stream, clock):
    assert request_signup(db, keys, wish("Hedda@POST.example")) == HEDDA
    [(name, values, address)] = notices(db)
    assert (name, values["language"], values["story"], address) == (
        "confirm",
        "de",
        "The strike",
        HEDDA,
    )
    assert found(db).state is RecipientState.PENDING
    asked = clock.now
    clock.forward(minutes=5)
    assert not confirm_signup(db, keys, values["confirm"], "2001:db8:1:2:3::4").used
    hedda = found(db)
    assert (hedda.state, hedda.confirmed_at, hedda.timezone) == (
        RecipientState.CONFIRMED,
        clock.now,
        "Europe/Berlin",
    )
    with db.read() as tx:
        [one] = recipient_with_subscriptions(tx, hedda.uid)[1]
    assert (one.stream_id, one.cadence, one.at_once_from) == (
        stream.id,
        Cadence.DAILY,
        Importance.KEY,
    )
    assert hedda.consent == {
        "given": [
            {
                "scope": stream.uid,
                "story": "The strike",
                "choice": "split",
                "page": "/streams/strike",
                "asked_at": asked.replace(microsecond=0).isoformat(),
                "asked_from": "203.0.113.0/24",
                "confirmed_at": clock.now.replace(microsecond=0).isoformat(),
                "confirmed_from": "2001:db8:1:2::/64",
            }
        ]
    }


@sqlite_only
def test_a_link_that_was_used_changes_nothing_again_and_ends_with_leaving(db, keys, stream, clock):
    request_signup(db, keys, wish())
    token = notices(db)[0][1]["confirm"]
    confirm_signup(db, keys, token, "")
    with db.begin() as tx:
        tx.execute(update(Subscription).values(cadence=Cadence.AT_ONCE))
    assert confirm_signup(db, keys, token, "").used
    with db.read() as tx:
        assert tx.scalars(select(Subscription.cadence)).all() == [Cadence.AT_ONCE]
    clock.forward(minutes=1)
    unsubscribe(db, found(db).uid, ALL_STREAMS)
    with pytest.raises(Gone, match="since unsubscribed"):
        confirm_signup(db, keys, token, "")
    assert found(db).state is RecipientState.ENDED


@sqlite_only
def test_an_old_a_cut_and_a_foreign_link_are_refused(db, keys, stream, clock):
    request_signup(db, keys, wish())
    values = notices(db)[0][1]
    token = values["confirm"]
    for bad in (
        "",
        "x",
        token[:-1],
        token + "x",
        token.replace("split", "all"),
        values["settings"],
        "-" * 200,
        "é",
    ):
        with pytest.raises(BadLink):
            confirm_signup(db, keys, bad, "")
    clock.forward(seconds=CONFIRM_LINK_LIFE.total_seconds())
    with pytest.raises(Gone, match="link has expired"):
        confirm_signup(db, keys, token, "")
    assert found(db).state is RecipientState.PENDING


@sqlite_only
def test_whoever_is_known_gets_settings_and_whoever_is_suppressed_nothing_but_the_answer_is_one(
    db, keys, newsroom, stream
):
    add_subscriber(db, newsroom.actor, HEDDA)
    suppress_address(db, newsroom.actor, "ann@post.example", "wrote to us")
    assert request_signup(db, keys, wish()) == HEDDA
    assert request_signup(db, keys, wish("ann@post.example")) == "ann@post.example"
    assert [(name, address) for name, _, address in notices(db)] == [
        ("preferences", HEDDA),
        ("confirm", "ann@post.example"),
    ]
    ann = found(db, "ann@post.example")
    assert (ann.state, ann.consent) == (RecipientState.SUPPRESSED, None), (
        "the claim skips what it is owed"
    )
    with pytest.raises(Gone):
        confirm_signup(db, keys, notices(db)[1][1]["confirm"], "")
    confirm_signup(db, keys, notices(db)[0][1]["confirm"], "")
    with db.read() as tx:
        assert len(recipient_with_subscriptions(tx, found(db).uid)[1]) == 2


def test_an_address_is_asked_three_times_in_a_quarter_of_an_hour_and_five_times_a_day(
    db, keys, stream, clock
):
    for _ in range(3):
        request_signup(db, keys, wish())
    with pytest.raises(TooManyAttempts):
        request_signup(db, keys, wish(client="198.51.100.1"))
    for _ in range(4):
        clock.forward(minutes=16)
        request_signup(db, keys, wish())
    assert len(notices(db)) == 5
    clock.forward(days=1)
    request_signup(db, keys, wish())
    assert len(notices(db)) == 6


SPELLINGS = {
    "tag": lambda n: f"hedda+{n}@post.example",
    "case and tag": lambda n: f"{'HEDDA' if n % 2 else 'hedda'}+{n}@POST.example",
    "dots of Gmail": lambda n: (
        f"h{'.' if n % 2 else ''}e{'.' if n & 2 else ''}d{'.' if n & 4 else ''}da@gmail.com"
    ),
    "domains of Gmail": lambda n: f"hed.da+{n}@{'gmail' if n % 2 else 'googlemail'}.com",
}


@sqlite_only
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_mailbox_gets_five_mails_a_day_however_its_address_is_written(
    db, keys, stream, clock, spelling
):
    asked = 0
    for number in range(40):
        with suppress(TooManyAttempts):
            request_signup(db, keys, wish(SPELLINGS[spelling](number), client=f"198.51.{number}.1"))
            asked += 1
        clock.forward(minutes=6)
    assert 5 < asked <= 3 * 16
    assert len(notices(db)) == 5


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a.b@post.example", "ab@post.example"),
        ("ab@gmail.com", "ac@gmail.com"),
        ("+x@post.example", "+y@post.example"),
        ("a@x.example", "a@y.example"),
    ],
)
def test_addresses_of_different_mailboxes_count_apart(one, other):
    assert mailbox_key(one) != mailbox_key(other)


@sqlite_only
def test_whoever_floods_a_mailbox_keeps_its_owner_from_nothing(db, keys, newsroom, stream, clock):
    add_subscriber(db, newsroom.actor, HEDDA)
    for _ in range(6):
        request_signup(db, keys, wish())
        clock.forward(minutes=16)
    send_fresh_link(
        db, keys, unsubscribe_token(keys, found(db).uid, ALL_STREAMS), "203.0.113.7", "data"
    )
    assert [name for name, _, _ in notices(db)] == [*["preferences"] * 5, "fresh-link"]


@sqlite_only
@pytest.mark.parametrize("tried", [300, pytest.param(10_000, marks=pytest.mark.slow)])
def test_of_what_one_network_tries_in_a_minute_twenty_are_taken_and_the_rest_writes_nothing(
    db, keys, stream, clock, say, tried
):
    began, held, watch = time.perf_counter(), 0, None
    for number in range(tried):
        try:
            request_signup(
                db, keys, wish(f"b{number}@post.example", client=f"203.0.113.{number % 256}")
            )
        except TooManyAttempts:
            watch = watch or ChangeWatch(db)
            held += 1
        clock.forward(seconds=60 / tried)
    say(f"{tried:,} sign-ups from one network", f"{time.perf_counter() - began:.1f} s")
    assert held == tried - MAX_ATTEMPTS_PER_NETWORK
    assert watch is not None and not watch.changed(), "nobody waits for a flood"
    watch.close()
    assert len(notices(db)) == MAX_ATTEMPTS_PER_NETWORK
    assert request_signup(db, keys, wish(client="198.51.100.7")) == HEDDA, "and others are let in"
    clock.forward(minutes=15)
    assert request_signup(db, keys, wish("late@post.example")) == "late@post.example", (
        "as is the network once the window is over"
    )


@sqlite_only
def test_no_mail_of_a_story_that_ended_or_was_never_there(db, keys, newsroom, stream):
    request_signup(db, keys, wish())
    set_stream_state(db, newsroom.actor, "strike", StreamState.ENDED)
    with pytest.raises(Conflict):
        request_signup(db, keys, wish("ann@post.example"))
    with pytest.raises(Gone):
        confirm_signup(db, keys, notices(db)[0][1]["confirm"], "")
    with pytest.raises(NotFound):
        request_signup(db, keys, wish("ann@post.example", stream="drought"))


@sqlite_only
@pytest.mark.parametrize(
    "email",
    [
        "a" * 64 + "@" + "b" * 251 + ".org",  # 320 characters
        '"hedda von"@post.example',
        "hedda@post.example\r\nBcc: all@post.example",
        "hedda@post.example, ann@post.example",
        "hedda@localhost",
        "hedda@spam.example",
        "hedda@mail.spam.example",
        "hedda@bücher.example",
        "\x00",
        "",
    ],
)
def test_an_address_that_cannot_be_taken_is_refused_at_the_door(db, keys, stream, email):
    with pytest.raises(Invalid) as caught:
        request_signup(db, keys, wish(email), blocked={"spam.example", "xn--bcher-kva.example"})
    assert caught.value.field == "e-mail"
    assert notices(db) == []


@sqlite_only
def test_an_international_address_is_one_however_it_is_written(db, keys, stream):
    assert (
        request_signup(db, keys, wish("Hedda@BÜCHER.example"))
        == request_signup(db, keys, wish("hedda@xn--bcher-kva.example"))
        == "hedda@bücher.example"
    )


def test_an_address_that_never_answered_is_forgotten(db, keys, stream, clock):
    request_signup(db, keys, wish())
    with db.begin() as tx:
        tx.execute(update(Delivery).values(state="SENT"))
    clock.forward(days=UNANSWERED_LIFE.days, minutes=-1)
    assert delete_unanswered_signups(db) == 0
    clock.now += timedelta(minutes=2)
    assert (delete_unanswered_signups(db), found(db)) == (1, None)


def test_only_a_network_prefix_is_stored():
    assert network_of("::ffff:203.0.113.7") == "203.0.113.0/24"
    assert network_of("fe80::1%eth0") == "fe80::/64"
    assert network_of("a proxy") == ""


@sqlite_only
def test_many_names_of_one_mailbox_are_throttled_as_one(db, keys, stream):
    for n in range(3):
        request_signup(db, keys, wish(f"hedda+{n}@post.example"))
    with pytest.raises(TooManyAttempts):
        request_signup(db, keys, wish("hedda+3@post.example"))
