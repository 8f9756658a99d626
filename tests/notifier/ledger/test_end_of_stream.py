"""A story's last word: to its followers, once, and to nobody where the story was opened again."""

from datetime import timedelta

from sqlalchemy import select, update

from models import Cadence, Delivery, Importance, Recipient, StreamState
from models.recipients.preferences import Follow, Preferences, Rhythm, set_preferences
from models.streams.streams import get_stream, set_stream_state
from models.text.actor import SYSTEM
from models.text.tokens import read_unsubscribe_token
from tests.support.clock import StandingClock
from tests.support.databases import sqlite_only
from tests.support.inbox import Inbox
from tests.support.newsroom import Newsroom
from tests.support.office import Office, lines


def turn(newsroom: Newsroom, *states: StreamState) -> None:
    for state in states:
        set_stream_state(newsroom.db, SYSTEM, "floods", state)


def test_when_a_story_ends_its_followers_get_one_last_mail(
    newsroom: Newsroom, office: Office, inbox: Inbox
) -> None:
    office.subscribe("reader@example.org", "picky@example.org")
    office.subscribe("all@example.org", stream=None)
    with office.db.read() as tx:
        floods = get_stream(tx, "floods").id
    weekly = Follow(
        stream_id=floods,
        least_importance=Importance.BREAKING,
        rhythm=Rhythm(cadence=Cadence.WEEKLY, digest_day=0),
    )
    picky = office.recipient("picky@example.org").uid
    set_preferences(
        office.db, picky, Preferences(follows=(weekly,), language="de", timezone="Europe/Berlin")
    )
    turn(newsroom, StreamState.ENDED)
    office.run()
    turn(newsroom, StreamState.LIVE, StreamState.ENDED)
    office.run()
    assert lines(office.ledger()) == ["picky@example.org sent", "reader@example.org sent"]
    assert sorted(str(mail["Subject"]) for mail in inbox.mails) == [
        "“The floods” has ended",
        "„The floods“ ist beendet",
    ]
    turn(newsroom, StreamState.LIVE)
    newsroom.post()
    turn(newsroom, StreamState.ENDED)
    office.run()
    assert inbox.addresses.count("reader@example.org") == 3, (
        "there was news since the last word, and it ends anew"
    )


@sqlite_only
def test_a_story_that_goes_on_has_no_last_word(
    newsroom: Newsroom, office: Office, inbox: Inbox
) -> None:
    office.subscribe("reader@example.org")
    turn(newsroom, StreamState.ENDED)
    office.expand()
    turn(newsroom, StreamState.LIVE)
    office.send()
    assert office.ledger() == [("reader@example.org", "skipped", "cancelled")]
    turn(newsroom, StreamState.ENDED)
    office.run()
    assert inbox.addresses == ["reader@example.org"], "until it ends after all"
    turn(newsroom, StreamState.HIDDEN, StreamState.ENDED)
    assert office.run() == 0


@sqlite_only
def test_each_last_word_leaves_its_own_story(
    newsroom: Newsroom, office: Office, inbox: Inbox, clock: StandingClock
) -> None:
    newsroom.stream("trams")
    office.subscribe("a@example.org", "b@example.org")
    office.subscribe("c@example.org", stream="trams")
    set_stream_state(newsroom.db, SYSTEM, "floods", StreamState.ENDED)
    set_stream_state(newsroom.db, SYSTEM, "trams", StreamState.ENDED)
    office.expand()
    with office.db.begin() as tx:  # one that was put off comes behind the other story's
        later = (
            select(Delivery.id)
            .join(Recipient)
            .where(Recipient.address == "b@example.org")
            .scalar_subquery()
        )
        tx.execute(
            update(Delivery)
            .where(Delivery.id == later)
            .values(due_at=clock.now + timedelta(seconds=1))
        )
    clock.forward(seconds=2)
    office.send()
    left = {}
    for mail, address in zip(inbox.mails, inbox.addresses, strict=True):
        token = str(mail["List-Unsubscribe"]).partition("/u/")[2].partition(">")[0]
        left[address] = (read_unsubscribe_token(office.keys, token) or ("", ""))[1]
    assert left["a@example.org"] == left["b@example.org"] == newsroom.stream("floods").uid
