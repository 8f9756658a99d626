"""What is typed is kept, and nothing of it is dropped unseen."""

import pytest

from models import Role
from models.publishing.posting import add_entry
from models.streams.autosave import (
    AUTOSAVE_LIFE,
    MAX_AUTOSAVE_CHARS,
    MAX_AUTOSAVES,
    delete_autosave,
    delete_expired_autosaves,
    find_autosave,
    list_autosaves,
    store_autosave,
)
from models.text.errors import AutosaveConflict, Conflict, Invalid, RequestKeyReused
from models.text.texts import EntryText


def test_the_latest_text_of_a_window_is_saved(newsroom, db, clock):
    at = store_autosave(
        db, newsroom.actor, "k1", {"title": ["Riv"], "tag": ["a", "b"]}, window="one", seen=None
    )
    clock.forward(seconds=5)
    later = store_autosave(
        db, newsroom.actor, "k1", {"title": ["River"], "tag": ["a", "b"]}, window="one", seen=None
    )
    with db.read() as tx:
        kept = find_autosave(tx, newsroom.actor, "k1")
        assert find_autosave(tx, newsroom.account(Role.AUTHOR), "k1") is None, "it is nobody else's"
    assert later > at
    assert (kept.saved_at, kept.fields["title"], kept.fields["tag"]) == (
        later,
        ["River"],
        ["a", "b"],
    )
    delete_autosave(db, newsroom.actor, "k1")
    with db.read() as tx:
        assert list_autosaves(tx, newsroom.actor) == []


def test_a_second_window_never_overwrites_the_first_windows_autosave(newsroom, db, clock):
    store_autosave(db, newsroom.actor, "k1", {"title": ["Mine"]}, window="one", seen=None)
    clock.forward(seconds=5)
    with pytest.raises(AutosaveConflict) as caught:
        store_autosave(db, newsroom.actor, "k1", {"title": ["Other"]}, window="two", seen=None)
    # the same text may be kept by both
    store_autosave(db, newsroom.actor, "k1", {"title": ["Mine"]}, window="two", seen=None)
    # and who has seen it goes on
    store_autosave(db, newsroom.actor, "k1", {"title": ["Other"]}, window="one", seen=clock.now)
    assert caught.value.saved_at < clock.now


def test_a_list_tells_new_entries_from_changes(newsroom, db, clock):
    entry = newsroom.post()
    store_autosave(db, newsroom.actor, "k1", {"title": ["New"]}, window="one", seen=None)
    clock.forward(seconds=1)
    store_autosave(db, newsroom.actor, entry.uid, {"body": ["No title"]}, window="one", seen=None)
    with db.read() as tx:
        found = [(one.place, one.title, one.entry) for one in list_autosaves(tx, newsroom.actor)]
    assert found == [(entry.uid, "", entry.uid), ("k1", "New", None)]


def test_a_slow_autosave_after_posting_is_ignored(newsroom, db):
    add_entry(db, newsroom.actor, "floods", EntryText("Sent"), None, request_key="k1")
    with pytest.raises(RequestKeyReused):
        store_autosave(
            db, newsroom.actor, "k1", {"title": ["Sen"]}, window="one", seen=None, key="k1"
        )


def test_autosaves_are_limited_in_number_and_size(newsroom, db, clock):
    with pytest.raises(Invalid):
        store_autosave(
            db,
            newsroom.actor,
            "k",
            {"body": ["x" * (MAX_AUTOSAVE_CHARS + 1)]},
            window="one",
            seen=None,
        )
    for number in range(MAX_AUTOSAVES):
        store_autosave(db, newsroom.actor, f"k{number}", {}, window="one", seen=None)
    with pytest.raises(Conflict, match="Discard some"):
        store_autosave(db, newsroom.actor, "k", {}, window="one", seen=None)
    clock.forward(seconds=AUTOSAVE_LIFE.total_seconds() + 1)
    delete_expired_autosaves(db)
    with db.read() as tx:
        assert list_autosaves(tx, newsroom.actor) == []


def test_characters_that_databases_refuse_are_dropped_from_autosaves(newsroom, db):
    store_autosave(db, newsroom.actor, "one", {"title": ["Ri\x00ver"]}, window="a", seen=None)
    with db.read() as tx:
        assert [one.title for one in list_autosaves(tx, newsroom.actor)] == ["River"]
        assert find_autosave(tx, newsroom.actor, "\x00") is None
