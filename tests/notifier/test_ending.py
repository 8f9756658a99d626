"""A story's last word: to its followers, once, and to nobody where the story was opened again."""

from models import Cadence, Importance, StreamState
from models.actor import SYSTEM
from models.preferences import Follow, Preferences, Rhythm, set_preferences
from models.streams import get_stream, set_stream_state
from tests.conftest import Newsroom
from tests.notifier.conftest import Inbox
from tests.notifier.office import Office, lines, one_database


def turn(newsroom: Newsroom, *states: StreamState) -> None:
    for state in states:
        set_stream_state(newsroom.db, SYSTEM, "floods", state)


def test_when_a_story_ends_its_followers_get_one_last_mail(newsroom: Newsroom, office: Office, inbox: Inbox) -> None:
    office.subscribe("reader@example.org", "picky@example.org")
    office.subscribe("all@example.org", stream=None)
    with office.db.read() as tx:
        floods = get_stream(tx, "floods").id
    weekly = Follow(stream_id=floods, least_importance=Importance.BREAKING, rhythm=Rhythm(cadence=Cadence.WEEKLY, digest_day=0))
    picky = office.recipient("picky@example.org").uid
    set_preferences(office.db, picky, Preferences(follows=(weekly,), language="de", timezone="Europe/Berlin"))
    turn(newsroom, StreamState.ENDED)
    office.run()
    turn(newsroom, StreamState.LIVE, StreamState.ENDED)
    office.run()
    assert lines(office.ledger()) == ["picky@example.org sent", "reader@example.org sent"]
    assert sorted(str(mail["Subject"]) for mail in inbox.mails) == ["“The floods” has ended", "„The floods“ ist beendet"]
    turn(newsroom, StreamState.LIVE)
    newsroom.post()
    turn(newsroom, StreamState.ENDED)
    office.run()
    assert inbox.addresses.count("reader@example.org") == 3, "there was news since the last word, and it ends anew"


@one_database
def test_a_story_that_goes_on_has_no_last_word(newsroom: Newsroom, office: Office, inbox: Inbox) -> None:
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
