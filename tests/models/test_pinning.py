"""A few entries stand on top of their story; a story moves and its former addresses lead there."""

import pytest

from models import RevisionKind, Role
from models.errors import Conflict, Forbidden, Invalid, Moved, NotFound
from models.moving import move_stream
from models.pinning import pin, pinned, unpin
from models.revising import Change, retract
from models.site import current_seq
from models.stories import StreamState
from models.streams import StreamText, edit_stream, get_stream, set_stream_state


def on_top(newsroom) -> list[str]:
    with newsroom.db.read() as tx:
        return [entry.title for entry in pinned(tx, get_stream(tx, "floods").id)]


def test_at_most_three_entries_of_a_story_are_pinned_the_last_on_top(newsroom, db, clock):
    entries = [newsroom.post(title=name) for name in "abcd"]
    for entry in entries[:3]:
        clock.forward(seconds=1)
        pin(db, newsroom.actor, entry.uid)
    pin(db, newsroom.actor, entries[0].uid)
    assert on_top(newsroom) == ["c", "b", "a"]
    with pytest.raises(Conflict, match="Unpin one"):
        pin(db, newsroom.actor, entries[3].uid)
    unpin(db, newsroom.actor, entries[1].uid)
    pin(db, newsroom.actor, entries[3].uid)
    assert on_top(newsroom) == ["d", "c", "a"]
    retract(db, newsroom.actor, entries[3].uid, entries[3].version, Change(RevisionKind.RETRACTION))
    assert on_top(newsroom) == ["c", "a"], "what was withdrawn stands nowhere"


def test_a_pin_is_a_public_change_that_leaves_the_entry_as_it_was(newsroom, db, clock):
    entry, draft = newsroom.post(), newsroom.post(release=None)
    with db.read() as tx:
        before = current_seq(tx)
    clock.forward(minutes=1)
    pin(db, newsroom.actor, entry.uid)
    now = newsroom.entry(entry.uid)
    assert (now.version, now.changed_at, now.updated_at) == (entry.version, entry.changed_at, entry.updated_at)
    with db.read() as tx:
        assert current_seq(tx) == before + 1
    with pytest.raises(Conflict, match="is draft"):
        pin(db, newsroom.actor, draft.uid)
    with pytest.raises(Forbidden):
        unpin(db, newsroom.account(Role.AUTHOR), entry.uid)


def test_a_former_address_leads_to_the_story_and_to_no_other(newsroom, db):
    guid = newsroom.stream().guid
    newsroom.stream("budget")
    move_stream(db, newsroom.actor, "floods", "tarrow-rises")
    moved = move_stream(db, newsroom.actor, "tarrow-rises", "tarrow")
    assert (moved.slug, moved.guid) == ("tarrow", guid)
    with db.read() as tx:
        for former in ("floods", "tarrow-rises"):
            with pytest.raises(Moved) as caught:
                get_stream(tx, former, public=True)
            assert caught.value.present == "tarrow"
    with pytest.raises(Invalid, match="still leads there"):
        newsroom.stream("floods")
    with pytest.raises(Invalid, match="still leads there"):
        move_stream(db, newsroom.actor, "budget", "floods")
    with pytest.raises(Invalid, match="has this address"):
        move_stream(db, newsroom.actor, "budget", "tarrow")
    with pytest.raises(Invalid, match="lower-case"):
        move_stream(db, newsroom.actor, "budget", "Budget 2026")
    assert move_stream(db, newsroom.actor, "tarrow", "floods").slug == "floods", "its own is its own"
    with db.read() as tx, pytest.raises(Moved, match="floods"):
        get_stream(tx, "tarrow", public=True)


def test_the_former_address_of_a_hidden_story_tells_nothing(newsroom, db):
    move_stream(db, newsroom.actor, "floods", "secret")
    set_stream_state(db, newsroom.actor, "secret", StreamState.HIDDEN)
    with db.read() as tx:
        with pytest.raises(NotFound) as caught:
            get_stream(tx, "floods", public=True)
        assert "secret" not in str(caught.value)


def test_a_storys_colour_must_be_readable(newsroom, db):
    assert edit_stream(db, newsroom.actor, "floods", StreamText("F", color="#0A5BD3")).color == "#0a5bd3"
    with pytest.raises(Invalid, match="#7a6c00 is as dark as it has to be"):
        edit_stream(db, newsroom.actor, "floods", StreamText("F", color="#ffe000"))
    with pytest.raises(Invalid, match="six digits"):
        edit_stream(db, newsroom.actor, "floods", StreamText("F", color="red"))
    assert edit_stream(db, newsroom.actor, "floods", StreamText("F")).color is None
