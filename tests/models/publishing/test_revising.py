"""What may still be done to an entry that is out."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from models import Alert, Entry, EntryState, RevisionKind, RevisionState, Role
from models.publishing.publishing import publish_now
from models.publishing.revising import (
    Change,
    apply_due,
    apply_now,
    list_revisions,
    restore,
    retract,
    revise,
    undo,
)
from models.text.errors import AlreadyPublished, Conflict, Forbidden, Invalid, StaleVersion
from models.text.texts import EntryText

WAIT = timedelta(seconds=10)


def alerts(db) -> int:
    with db.read() as tx:
        return tx.execute(select(func.count()).select_from(Alert)).scalar_one()


def correction(note="It was six metres.", **more) -> Change:
    return Change(RevisionKind.CORRECTION, note, **more)


def test_an_edit_is_silent_unless_the_editor_chooses_otherwise(newsroom, db, clock):
    entry = newsroom.post(title="Five metres")
    clock.forward(minutes=5)
    revise(
        db,
        newsroom.actor,
        entry.uid,
        entry.version,
        EntryText("5 metres", tags=("River",)),
        Change(),
    )
    now = newsroom.entry(entry.uid)
    assert (now.title, now.guid, now.published_at) == ("5 metres", entry.guid, entry.published_at)
    assert now.updated_at == entry.updated_at
    assert [tag.slug for tag in now.tags] == ["river"]
    assert now.changed_at == clock.now
    assert alerts(db) == 1


def test_a_correction_waits_then_applies_moves_updated_and_owes_an_alert(newsroom, db, clock):
    entry = newsroom.post(title="Five metres")
    change = correction(delay=WAIT)
    revision = revise(db, newsroom.actor, entry.uid, entry.version, EntryText("Six metres"), change)
    assert revision.state is RevisionState.PENDING
    assert newsroom.entry(entry.uid).title == "Five metres"
    assert (apply_due(db), alerts(db)) == (0, 1)
    clock.forward(seconds=11)
    assert (apply_due(db), apply_due(db), alerts(db)) == (1, 0, 2)
    now = newsroom.entry(entry.uid)
    assert (now.title, now.updated_at, now.published_at) == (
        "Six metres",
        clock.now,
        entry.published_at,
    )


def test_a_pending_correction_can_be_undone_and_then_never_was(newsroom, db, clock):
    entry = newsroom.post(title="Five metres")
    revise(
        db,
        newsroom.actor,
        entry.uid,
        entry.version,
        EntryText("Six metres"),
        correction(delay=WAIT),
    )
    undo(db, newsroom.actor, entry.uid, entry.version)
    clock.forward(minutes=1)
    assert apply_due(db) == 0
    assert newsroom.entry(entry.uid).title == "Five metres"
    with pytest.raises(AlreadyPublished):
        undo(db, newsroom.actor, entry.uid, entry.version)


def test_one_change_at_most_waits(newsroom, db):
    entry = newsroom.post()
    revise(db, newsroom.actor, entry.uid, entry.version, EntryText("One"), correction(delay=WAIT))
    with pytest.raises(Conflict, match="still pending"):
        revise(
            db, newsroom.actor, entry.uid, entry.version, EntryText("Two"), correction(delay=WAIT)
        )
    assert apply_now(db, newsroom.actor, entry.uid, entry.version).title == "One"


def test_a_change_against_an_older_text_is_refused(newsroom, db):
    entry = newsroom.post()
    revise(db, newsroom.actor, entry.uid, entry.version, EntryText("Mine"), Change())
    with pytest.raises(StaleVersion):
        revise(db, newsroom.actor, entry.uid, entry.version, EntryText("Yours"), Change())
    assert newsroom.entry(entry.uid).title == "Mine"


def test_the_same_request_key_revises_once(newsroom, db):
    entry = newsroom.post()
    change = correction(request_key="tap")
    first, again = (
        revise(db, newsroom.actor, entry.uid, entry.version, EntryText("Once"), change)
        for _ in range(2)
    )
    assert first.id == again.id
    assert alerts(db) == 2
    other = newsroom.post()
    with pytest.raises(Conflict, match="used for another entry"):
        revise(db, newsroom.actor, other.uid, other.version, EntryText("Once"), change)


def test_a_retraction_hides_at_once_and_only_its_alert_waits(newsroom, db, clock):
    entry = newsroom.post()
    retract(
        db,
        newsroom.actor,
        entry.uid,
        entry.version,
        Change(RevisionKind.RETRACTION, "Wrong street.", WAIT),
    )
    assert newsroom.entry(entry.uid).state is EntryState.RETRACTED
    assert alerts(db) == 1
    clock.forward(seconds=11)
    assert apply_due(db) == 1
    assert alerts(db) == 2
    assert newsroom.entry(entry.uid).updated_at == clock.now


def test_the_undo_of_a_retraction_brings_the_entry_back(newsroom, db, clock):
    entry = newsroom.post()
    retract(db, newsroom.actor, entry.uid, entry.version, Change(RevisionKind.RETRACTION, "", WAIT))
    assert (
        undo(db, newsroom.actor, entry.uid, newsroom.entry(entry.uid).version).state
        is EntryState.PUBLISHED
    )
    clock.forward(minutes=1)
    assert apply_due(db) == 0
    assert alerts(db) == 1


def test_a_restored_entry_returns_unchanged_without_an_alert(newsroom, db):
    entry = newsroom.post(title="As it was", byline=("Ann",))
    retract(db, newsroom.actor, entry.uid, entry.version, Change(RevisionKind.RETRACTION))
    gone = newsroom.entry(entry.uid)
    restore(db, newsroom.actor, entry.uid, gone.version, Change(RevisionKind.RESTORE))
    back = newsroom.entry(entry.uid)
    assert (back.state, back.title, [person.name for person in back.byline]) == (
        EntryState.PUBLISHED,
        "As it was",
        ["Ann"],
    )
    assert (back.guid, back.published_at, back.seq) == (entry.guid, entry.published_at, entry.seq)
    assert alerts(db) == 2
    with db.read() as tx:
        kinds = [revision.kind for revision in list_revisions(tx, tx.get_one(Entry, entry.id))]
    assert kinds == [RevisionKind.RESTORE, RevisionKind.RETRACTION, RevisionKind.PUBLISH]


def test_what_is_not_out_is_not_revised_and_what_is_gone_is_not_retracted(newsroom, db):
    draft = newsroom.post(release=None)
    with pytest.raises(Conflict, match="not published"):
        revise(db, newsroom.actor, draft.uid, draft.version, EntryText("x"), Change())
    with pytest.raises(Conflict, match="not published"):
        retract(db, newsroom.actor, draft.uid, draft.version, Change(RevisionKind.RETRACTION))
    with pytest.raises(Conflict, match="not scheduled"):
        publish_now(db, newsroom.actor, draft.uid, draft.version)
    with pytest.raises(Conflict, match="not retracted"):
        entry = newsroom.post()
        restore(db, newsroom.actor, entry.uid, entry.version, Change(RevisionKind.RESTORE))


def test_a_note_that_no_feed_can_carry_is_refused(newsroom, db):
    entry = newsroom.post()
    with pytest.raises(Invalid, match="U\\+0007"):
        revise(
            db, newsroom.actor, entry.uid, entry.version, EntryText("x"), correction("bell \x07")
        )
    assert newsroom.entry(entry.uid).title == entry.title


def test_authors_do_not_change_what_is_out(newsroom, db):
    entry, author = newsroom.post(), newsroom.account(Role.AUTHOR)
    for act in (
        lambda: revise(db, author, entry.uid, entry.version, EntryText("x"), Change()),
        lambda: retract(db, author, entry.uid, entry.version, Change(RevisionKind.RETRACTION)),
        lambda: undo(db, author, entry.uid, entry.version),
        lambda: apply_now(db, author, entry.uid, entry.version),
    ):
        with pytest.raises(Forbidden):
            act()
