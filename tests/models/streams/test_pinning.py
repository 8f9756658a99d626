"""A few entries stand on top of their story."""

import pytest

from models import RevisionKind, Role
from models.db.site import current_seq
from models.publishing.revising import Change, retract
from models.streams.pinning import pin_entry, pinned_entries, unpin_entry
from models.streams.streams import get_stream
from models.text.errors import Conflict, Forbidden


def on_top(newsroom) -> list[str]:
    with newsroom.db.read() as tx:
        return [entry.title for entry in pinned_entries(tx, get_stream(tx, "floods").id)]


def test_at_most_three_entries_of_a_story_are_pinned_the_last_on_top(newsroom, db, clock):
    entries = [newsroom.post(title=name) for name in "abcd"]
    for entry in entries[:3]:
        clock.forward(seconds=1)
        pin_entry(db, newsroom.actor, entry.uid)
    pin_entry(db, newsroom.actor, entries[0].uid)
    assert on_top(newsroom) == ["c", "b", "a"]
    with pytest.raises(Conflict, match="Unpin one"):
        pin_entry(db, newsroom.actor, entries[3].uid)
    unpin_entry(db, newsroom.actor, entries[1].uid)
    pin_entry(db, newsroom.actor, entries[3].uid)
    assert on_top(newsroom) == ["d", "c", "a"]
    retract(db, newsroom.actor, entries[3].uid, entries[3].version, Change(RevisionKind.RETRACTION))
    assert on_top(newsroom) == ["c", "a"], "what was withdrawn stands nowhere"


def test_a_pin_is_a_public_change_that_leaves_the_entry_as_it_was(newsroom, db, clock):
    entry, draft = newsroom.post(), newsroom.post(release=None)
    with db.read() as tx:
        before = current_seq(tx)
    clock.forward(minutes=1)
    pin_entry(db, newsroom.actor, entry.uid)
    now = newsroom.entry(entry.uid)
    assert (now.version, now.changed_at, now.updated_at) == (
        entry.version,
        entry.changed_at,
        entry.updated_at,
    )
    with db.read() as tx:
        assert current_seq(tx) == before + 1
    with pytest.raises(Conflict, match="Only published"):
        pin_entry(db, newsroom.actor, draft.uid)
    with pytest.raises(Forbidden):
        unpin_entry(db, newsroom.account(Role.AUTHOR), entry.uid)
