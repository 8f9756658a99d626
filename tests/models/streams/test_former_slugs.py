"""A story moves, and its former addresses lead there; its colour can be read."""

import pytest

from models import Stream
from models.streams.streams import StreamText, edit_stream, get_stream, set_stream_state
from models.tables.stories import StreamState
from models.text.errors import Invalid, MovedPermanently, NotFound
from tests.support.newsroom import Newsroom


def move(newsroom: Newsroom, slug: str, to: str) -> Stream:
    return edit_stream(newsroom.db, newsroom.actor, slug, StreamText("The story"), move_to=to)


def test_a_former_address_leads_to_the_story_and_to_no_other(newsroom, db):
    guid = newsroom.stream().guid
    newsroom.stream("budget")
    move(newsroom, "floods", "tarrow-rises")
    moved = move(newsroom, "tarrow-rises", "tarrow")
    assert (moved.slug, moved.guid) == ("tarrow", guid)
    with db.read() as tx:
        for former in ("floods", "tarrow-rises"):
            with pytest.raises(MovedPermanently) as caught:
                get_stream(tx, former, public=True)
            assert caught.value.present == "tarrow"
    with pytest.raises(Invalid, match="redirects to another story"):
        newsroom.stream("floods")
    with pytest.raises(Invalid, match="redirects to another story"):
        move(newsroom, "budget", "floods")
    with pytest.raises(Invalid, match="already has this address"):
        move(newsroom, "budget", "tarrow")
    with pytest.raises(Invalid, match="lower-case"):
        move(newsroom, "budget", "Budget 2026")
    assert move(newsroom, "tarrow", "floods").slug == "floods", "its own is its own"
    with db.read() as tx, pytest.raises(MovedPermanently, match="floods"):
        get_stream(tx, "tarrow", public=True)


def test_the_former_address_of_a_hidden_story_tells_nothing(newsroom, db):
    move(newsroom, "floods", "secret")
    set_stream_state(db, newsroom.actor, "secret", StreamState.HIDDEN)
    with db.read() as tx:
        with pytest.raises(NotFound) as caught:
            get_stream(tx, "floods", public=True)
        assert "secret" not in str(caught.value)


def test_a_storys_colour_must_be_readable(newsroom, db):
    assert (
        edit_stream(db, newsroom.actor, "floods", StreamText("F", color="#0A5BD3")).color
        == "#0a5bd3"
    )
    with pytest.raises(Invalid, match="try #7a6c00"):
        edit_stream(db, newsroom.actor, "floods", StreamText("F", color="#ffe000"))
    with pytest.raises(Invalid, match="six digits"):
        edit_stream(db, newsroom.actor, "floods", StreamText("F", color="red"))
    assert edit_stream(db, newsroom.actor, "floods", StreamText("F")).color is None
