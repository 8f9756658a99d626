"""Author submits, editor approves or returns; what is breaking may need a second editor; what is
scheduled can be moved.
"""

from dataclasses import replace
from datetime import timedelta

import pytest

from models import Entry, EntryState, Importance, Role
from models.publishing.approving import approve, return_entry, withdraw_submission
from models.publishing.posting import Release, add_entry, post_draft, save_draft
from models.publishing.publishing import publish_due
from models.publishing.revising import undo
from models.publishing.scheduling import reschedule, scheduled_entries
from models.text.errors import AlreadyPublished, Conflict, Forbidden, Invalid, StaleVersion
from models.text.texts import EntryText
from tests.support.newsroom import Newsroom

BREAKING = EntryText("Dyke breaks", importance=Importance.BREAKING)


def submit(
    newsroom: Newsroom,
    actor,
    text=EntryText("River rising"),  # noqa: B008  frozen values
    release=Release(alerts=False),  # noqa: B008
):
    return add_entry(newsroom.db, actor, "floods", text, release)


def test_an_approved_entry_goes_out_as_it_was_submitted(newsroom, db, clock):
    author = newsroom.account(Role.AUTHOR)
    entry = submit(newsroom, author)
    assert (entry.state, entry.submitted_by) == (EntryState.SUBMITTED, author.account_id)
    clock.forward(minutes=5)
    with pytest.raises(Forbidden):
        approve(db, author, entry.uid, entry.version)
    approved = approve(db, newsroom.actor, entry.uid, entry.version)
    assert (approved.state, approved.published_at, approved.alerts) == (
        EntryState.PUBLISHED,
        clock.now,
        False,
    )
    with pytest.raises(StaleVersion):
        approve(db, newsroom.actor, entry.uid, entry.version)
    with pytest.raises(Conflict, match="not waiting for review"):
        approve(db, newsroom.actor, entry.uid, approved.version)


def test_an_approval_keeps_the_time_that_was_chosen_and_can_be_undone(newsroom, db, clock):
    author, noon = newsroom.account(Role.AUTHOR), clock.now + timedelta(hours=4)
    entry = submit(newsroom, author, release=Release(at=noon))
    approved = approve(db, newsroom.actor, entry.uid, entry.version, delay=timedelta(seconds=10))
    assert (approved.state, approved.publish_at) == (EntryState.SCHEDULED, noon)
    at_once = submit(newsroom, author)
    approved = approve(
        db, newsroom.actor, at_once.uid, at_once.version, delay=timedelta(seconds=10)
    )
    assert (approved.state, approved.publish_at) == (
        EntryState.SCHEDULED,
        clock.now + timedelta(seconds=10),
    )
    assert undo(db, newsroom.actor, at_once.uid, approved.version).state is EntryState.DRAFT


def test_a_returned_entry_is_its_authors_draft_with_a_remark_until_it_is_submitted_again(
    newsroom, db
):
    author = newsroom.account(Role.AUTHOR)
    entry = submit(newsroom, author)
    with pytest.raises(Invalid, match="missing"):
        return_entry(db, newsroom.actor, entry.uid, entry.version, " ")
    with pytest.raises(Forbidden):
        return_entry(db, author, entry.uid, entry.version, "Who says so?")
    back = return_entry(db, newsroom.actor, entry.uid, entry.version, "Who says so?")
    assert (back.state, back.remark, back.publish_at) == (EntryState.DRAFT, "Who says so?", None)
    saved = save_draft(
        db, author, entry.uid, back.version, EntryText("River rising, the gauge says")
    )
    assert saved.remark == "Who says so?"
    again = post_draft(
        db, author, entry.uid, saved.version, EntryText("River rising, the gauge says"), Release()
    )
    assert (again.state, again.remark) == (EntryState.SUBMITTED, "")


def test_only_the_submitter_can_take_an_entry_back(newsroom, db):
    author, editor = newsroom.account(Role.AUTHOR), newsroom.account(Role.EDITOR)
    entry = submit(newsroom, author)
    with pytest.raises(Forbidden):
        withdraw_submission(db, editor, entry.uid, entry.version)
    assert withdraw_submission(db, author, entry.uid, entry.version).state is EntryState.DRAFT
    with pytest.raises(Conflict, match="not waiting for review"):
        withdraw_submission(db, author, entry.uid, newsroom.entry(entry.uid).version)


def test_a_breaking_entry_waits_for_another_editor_by_whatever_way_it_comes(newsroom, db, clock):
    newsroom.agree(second_editor=True)
    editor = newsroom.account(Role.EDITOR)
    entry = submit(newsroom, editor, BREAKING)
    assert entry.state is EntryState.SUBMITTED
    with pytest.raises(Forbidden, match="second editor"):
        approve(db, editor, entry.uid, entry.version)
    with pytest.raises(Forbidden, match="second editor"):
        post_draft(db, editor, entry.uid, entry.version, BREAKING, Release())
    assert approve(db, newsroom.actor, entry.uid, entry.version).state is EntryState.PUBLISHED
    assert submit(newsroom, editor).state is EntryState.PUBLISHED, (
        "what is not breaking needs nobody"
    )


def test_an_entry_that_is_made_breaking_after_it_was_scheduled_waits_for_another_editor(
    newsroom, db, clock
):
    newsroom.agree(second_editor=True)
    editor = newsroom.account(Role.EDITOR)
    entry = submit(newsroom, editor, release=Release(delay=timedelta(seconds=10)))
    changed = save_draft(db, editor, entry.uid, entry.version, BREAKING)
    assert changed.state is EntryState.SUBMITTED
    clock.forward(minutes=1)
    assert publish_due(db) == 0
    approved = approve(db, newsroom.actor, entry.uid, changed.version, delay=timedelta(seconds=10))
    assert approved.state is EntryState.SCHEDULED
    assert (
        save_draft(db, newsroom.actor, entry.uid, approved.version, BREAKING).state
        is EntryState.SUBMITTED
    ), "nobody else saw this text"


def test_the_editor_who_posts_anothers_draft_as_breaking_cannot_approve_it(newsroom, db):
    newsroom.agree(second_editor=True)
    editor = newsroom.account(Role.EDITOR)
    draft = submit(newsroom, editor, release=None)
    posted = post_draft(db, newsroom.actor, draft.uid, draft.version, BREAKING, Release())
    with pytest.raises(Forbidden):
        approve(db, newsroom.actor, draft.uid, posted.version)
    assert approve(db, editor, draft.uid, posted.version).state is EntryState.PUBLISHED


@pytest.mark.parametrize("role", [Role.AUTHOR, Role.EDITOR])
def test_the_editor_who_changes_a_submitted_entry_cannot_approve_it_as_breaking(newsroom, db, role):
    newsroom.agree(second_editor=True)
    other = newsroom.account(role)
    entry = submit(newsroom, other, EntryText("Harmless") if role is Role.AUTHOR else BREAKING)
    ours = EntryText("Dyke breaks, run", importance=Importance.BREAKING)
    posted = post_draft(db, newsroom.actor, entry.uid, entry.version, ours, Release())
    assert (posted.state, posted.title) == (EntryState.SUBMITTED, ours.title)
    saved = save_draft(
        db, newsroom.actor, entry.uid, posted.version, replace(ours, title="Dyke breaks, run now")
    )
    for letting_out in (
        lambda: approve(db, newsroom.actor, entry.uid, saved.version),
        lambda: publish_as_it_is(newsroom, saved),
    ):
        with pytest.raises(Forbidden, match="second editor"):
            letting_out()
    if role is Role.EDITOR:
        assert approve(db, other, entry.uid, saved.version).state is EntryState.PUBLISHED


def publish_as_it_is(newsroom: Newsroom, entry: Entry) -> Entry:
    return post_draft(
        newsroom.db, newsroom.actor, entry.uid, entry.version, EntryText.of(entry), Release()
    )


def test_the_schedule_shows_what_comes_next_first_and_a_time_can_be_changed(newsroom, db, clock):
    hours = {
        name: clock.now + timedelta(hours=number)
        for name, number in (("late", 5), ("soon", 1), ("tomorrow", 26))
    }
    made = {name: newsroom.post(title=name, release=Release(at=at)) for name, at in hours.items()}
    with db.read() as tx:
        assert [entry.title for entry in scheduled_entries(tx)] == ["soon", "late", "tomorrow"]
        assert [
            entry.title for entry in scheduled_entries(tx, until=clock.now + timedelta(hours=24))
        ] == [
            "soon",
            "late",
        ]
    moved = reschedule(
        db, newsroom.actor, made["soon"].uid, made["soon"].version, clock.now + timedelta(hours=6)
    )
    with db.read() as tx:
        assert [entry.title for entry in scheduled_entries(tx)] == ["late", "soon", "tomorrow"]
    with pytest.raises(Invalid, match="publish now"):
        reschedule(db, newsroom.actor, moved.uid, moved.version, clock.now)
    with pytest.raises(StaleVersion):
        reschedule(db, newsroom.actor, moved.uid, made["soon"].version, hours["late"])
    with pytest.raises(Forbidden):
        reschedule(db, newsroom.account(Role.AUTHOR), moved.uid, moved.version, hours["late"])
    for hours in (5, 1):
        clock.forward(hours=hours)
        assert publish_due(db) == 1
    with pytest.raises(AlreadyPublished):
        reschedule(db, newsroom.actor, moved.uid, moved.version, clock.now + timedelta(hours=1))
