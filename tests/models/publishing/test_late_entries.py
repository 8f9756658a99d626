"""Entries scheduled while no worker ran wait for an editor, as late alerts do."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from models import Alert, AlertKind, EntryState, Role, StreamState
from models.db.database import Database
from models.publishing.posting import Release, post_draft, save_draft
from models.publishing.publishing import MAX_PUBLICATION_DELAY, publish_due, publish_now
from models.publishing.revising import undo
from models.publishing.scheduling import reschedule, scheduled_entries
from models.streams.entries import list_entries
from models.streams.streams import set_stream_state
from models.text.actor import SYSTEM
from models.text.texts import EntryText
from tests.support.clock import StandingClock
from tests.support.newsroom import Newsroom

SECOND = timedelta(seconds=1)


def notices(db: Database) -> list[dict[str, object]]:
    with db.read() as tx:
        return [
            one["values"]
            for one in tx.scalars(
                select(Alert.notice).where(Alert.kind == AlertKind.NOTICE).order_by(Alert.id)
            )
            if one
        ]


@pytest.mark.parametrize("release", [Release(at=None, delay=timedelta(seconds=10)), "ahead"])
@pytest.mark.parametrize(
    ("late", "limit", "held"),
    [
        (timedelta(0), MAX_PUBLICATION_DELAY, False),
        (MAX_PUBLICATION_DELAY, MAX_PUBLICATION_DELAY, False),
        (MAX_PUBLICATION_DELAY + SECOND, MAX_PUBLICATION_DELAY, True),
        (timedelta(hours=20), MAX_PUBLICATION_DELAY, True),
        (timedelta(hours=20), timedelta(days=1), False),
        (timedelta(minutes=2), timedelta(minutes=1), True),
    ],
)
def test_an_entry_goes_out_by_itself_only_within_the_limit(
    newsroom: Newsroom,
    db: Database,
    clock: StandingClock,
    release: object,
    late: timedelta,
    limit: timedelta,
    held: bool,
) -> None:
    newsroom.account(Role.ADMIN)
    planned = Release(at=clock.now + timedelta(hours=2)) if release == "ahead" else release
    entry = newsroom.post(release=planned)
    assert entry.publish_at is not None
    clock.now = entry.publish_at + late
    assert publish_due(db, limit) == (not held)
    assert publish_due(db, limit) == 0
    found = newsroom.entry(entry.uid)
    assert (found.state, found.late) == (
        (EntryState.SCHEDULED, True) if held else (EntryState.PUBLISHED, False)
    )
    assert [one["titles"] for one in notices(db)] == ([[entry.title]] if held else [])
    with db.read() as tx:
        assert len(tx.scalars(select(Alert).where(Alert.kind == AlertKind.REVISION)).all()) == (
            not held
        )


def test_many_late_entries_are_in_one_notice_each_once(
    newsroom: Newsroom, db: Database, clock: StandingClock
) -> None:
    newsroom.account(Role.ADMIN)
    for number in range(25):
        newsroom.post(
            title=f"Entry {number:02}",
            release=Release(at=clock.now + timedelta(minutes=10 + number)),
        )
    clock.forward(hours=20)
    assert publish_due(db) == publish_due(db) == 0
    (told,) = notices(db)
    assert told == {"number": 25, "titles": [f"Entry {number:02}" for number in range(20)]}
    with db.read() as tx:
        assert {entry.late for entry in scheduled_entries(tx)} == {True}
        assert len(list_entries(tx, EntryState.SCHEDULED)) == 25


@pytest.fixture
def late(newsroom: Newsroom, db: Database, clock: StandingClock) -> str:
    """The uid of an entry that was scheduled while the service was down for 20 hours."""
    uid = newsroom.post(release=Release(at=clock.now + timedelta(minutes=10))).uid
    clock.forward(hours=20)
    assert publish_due(db) == 0
    return uid


def test_an_editor_publishes_a_late_entry_and_it_bears_the_time_at_which_it_came_out(
    newsroom: Newsroom, db: Database, clock: StandingClock, late: str
) -> None:
    found = publish_now(db, SYSTEM, late, newsroom.entry(late).version)
    assert (found.state, found.late, found.published_at) == (EntryState.PUBLISHED, False, clock.now)


def test_a_late_entry_is_published_by_posting_it_too(
    newsroom: Newsroom, db: Database, late: str
) -> None:
    found = post_draft(
        db, SYSTEM, late, newsroom.entry(late).version, EntryText("Better late"), Release()
    )
    assert (found.state, found.late) == (EntryState.PUBLISHED, False)


@pytest.mark.parametrize("by_form", [False, True])
def test_a_late_entry_that_gets_another_time_goes_out_then(
    newsroom: Newsroom, db: Database, clock: StandingClock, late: str, by_form: bool
) -> None:
    at, version = clock.now + timedelta(hours=1), newsroom.entry(late).version
    if by_form:
        moved = save_draft(db, SYSTEM, late, version, EntryText("Later"), Release(at=at))
    else:
        moved = reschedule(db, SYSTEM, late, version, at)
    assert not moved.late
    clock.forward(hours=1)
    assert publish_due(db) == 1


def test_a_late_entry_can_become_a_draft_again(newsroom: Newsroom, db: Database, late: str) -> None:
    found = undo(db, SYSTEM, late, newsroom.entry(late).version)
    assert (found.state, found.late, found.held_at) == (EntryState.DRAFT, False, None)


def test_what_waited_in_a_story_that_had_ended_does_not_go_out_unasked_when_it_is_opened_again(
    newsroom: Newsroom, db: Database, clock: StandingClock
) -> None:
    uid = newsroom.post(release=Release(at=clock.now + timedelta(minutes=10))).uid
    set_stream_state(db, SYSTEM, "floods", StreamState.ENDED)
    clock.forward(days=1)
    assert publish_due(db) == 0
    assert not newsroom.entry(uid).late
    set_stream_state(db, SYSTEM, "floods", StreamState.LIVE)
    assert publish_due(db) == 0
    assert newsroom.entry(uid).late
