"""One way to post: what each step makes of an entry, and what it refuses."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from models import (
    Alert,
    Contributor,
    Entry,
    EntryState,
    Fanout,
    Importance,
    Lane,
    Revision,
    RevisionKind,
    Role,
    StreamState,
)
from models.publishing.posting import Release, add_entry, post_draft, save_draft
from models.publishing.publishing import publish_due, publish_now
from models.publishing.revising import undo
from models.streams.streams import (
    get_stream,
    list_streams,
    mark_idle_streams_quiet,
    set_stream_state,
)
from models.text.errors import (
    AlreadyPublished,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
    StaleVersion,
)
from models.text.texts import EntryText

WAIT = Release(delay=timedelta(seconds=10))


def counted(db, table) -> int:
    with db.read() as tx:
        return tx.execute(select(func.count()).select_from(table)).scalar_one()


def test_a_post_is_public_at_once_and_owes_one_alert_to_each_lane(newsroom, db, clock):
    entry = newsroom.post(
        title="River rising",
        byline=("Ann Vale", "Ben Oake"),
        tags=("Flood",),
        importance=Importance.BREAKING,
    )
    assert entry.state is EntryState.PUBLISHED
    assert entry.published_at == entry.updated_at == clock.now
    assert [person.name for person in entry.byline] == ["Ann Vale", "Ben Oake"]
    with db.read() as tx:
        alert = tx.scalars(select(Alert)).one()
        assert alert.priority == 0
        assert {fanout.lane for fanout in tx.scalars(select(Fanout))} == set(Lane)
        revision = tx.get_one(Revision, alert.revision_id)
    assert (revision.no, revision.kind, revision.content["title"]) == (
        1,
        RevisionKind.PUBLISH,
        "River rising",
    )


def test_a_post_without_alert_creates_no_deliveries(newsroom, db):
    newsroom.post(release=Release(alerts=False))
    assert counted(db, Alert) == 0


def test_the_same_request_key_posts_once(newsroom, db):
    first, again = (
        add_entry(db, newsroom.actor, "floods", EntryText("Once"), Release(), request_key="tap")
        for _ in range(2)
    )
    assert first.uid == again.uid
    assert counted(db, Entry) == counted(db, Alert) == 1


def test_two_taps_at_the_same_moment_post_once(newsroom, db):
    ready, uids, faults = threading.Barrier(2), [], []

    def tap():
        ready.wait()
        try:
            uids.append(
                add_entry(
                    db, newsroom.actor, "floods", EntryText("Once"), Release(), request_key="tap"
                ).uid
            )
        except Exception as exc:
            faults.append(exc)

    threads = [threading.Thread(target=tap) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert len(set(uids)) == 1
    assert counted(db, Entry) == 1


def test_until_its_undo_time_is_over_nothing_of_a_post_is_anywhere(newsroom, db, clock):
    entry = newsroom.post(release=WAIT)
    assert entry.state is EntryState.SCHEDULED
    assert publish_due(db) == 0
    assert counted(db, Alert) == counted(db, Revision) == 0
    clock.forward(seconds=11)
    assert publish_due(db) == 1
    assert publish_due(db) == 0
    assert newsroom.entry(entry.uid).state is EntryState.PUBLISHED


def test_undo_makes_a_scheduled_entry_a_draft_again(newsroom, db, clock):
    entry = newsroom.post(release=WAIT)
    assert undo(db, newsroom.actor, entry.uid, entry.version).state is EntryState.DRAFT
    clock.forward(minutes=1)
    assert publish_due(db) == 0
    assert counted(db, Alert) == 0


def test_undo_after_publishing_is_refused_with_a_reason(newsroom, db):
    entry = newsroom.post()
    with pytest.raises(AlreadyPublished, match="already been published"):
        undo(db, newsroom.actor, entry.uid, entry.version)


def test_publish_now_ends_the_wait_and_may_be_pressed_twice(newsroom, db):
    entry = newsroom.post(release=WAIT)
    assert publish_now(db, newsroom.actor, entry.uid, entry.version).state is EntryState.PUBLISHED
    assert publish_now(db, newsroom.actor, entry.uid, entry.version).state is EntryState.PUBLISHED
    assert counted(db, Alert) == 1


def test_many_nodes_publish_a_due_entry_once(newsroom, db, clock):
    for number in range(5):
        newsroom.post(title=f"Entry {number}", release=WAIT)
    clock.forward(seconds=11)
    ready, published = threading.Barrier(3), []

    def node():
        ready.wait()
        published.append(publish_due(db))

    threads = [threading.Thread(target=node) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(published) == 5
    assert counted(db, Alert) == counted(db, Revision) == 5


def test_a_time_ahead_schedules_and_a_time_behind_is_the_date_it_bears(newsroom, db, clock):
    later = newsroom.post(release=Release(at=clock.now + timedelta(hours=1)))
    assert later.state is EntryState.SCHEDULED
    earlier = newsroom.post(release=Release(at=clock.now - timedelta(days=2)))
    assert earlier.published_at == clock.now - timedelta(days=2)
    assert counted(db, Alert) == 1  # and still alerts
    clock.forward(hours=2)
    publish_due(db)
    assert newsroom.entry(later.uid).published_at == clock.now


@pytest.mark.parametrize("days", [-366 * 200, 366 * 6])
def test_a_time_that_must_be_a_slip_is_refused(newsroom, clock, days):
    with pytest.raises(Invalid, match="choose a date"):
        newsroom.post(release=Release(at=clock.now + timedelta(days=days)))


def test_seq_grows_with_each_entry_that_comes_out(newsroom):
    first, second = newsroom.post(), newsroom.post()
    assert first.seq < second.seq


def test_a_draft_keeps_its_text_until_it_is_posted(newsroom, db):
    draft = newsroom.post(release=None, title="First words")
    saved = save_draft(
        db, newsroom.actor, draft.uid, draft.version, EntryText("Better words", byline=("Ann",))
    )
    posted = post_draft(
        db, newsroom.actor, draft.uid, saved.version, EntryText("Best words"), Release()
    )
    assert (posted.state, posted.title, posted.byline) == (EntryState.PUBLISHED, "Best words", [])


def test_a_draft_stores_its_publishing_time_and_alert_choice(newsroom, db, clock):
    at = clock.now + timedelta(hours=2)
    draft = add_entry(
        db, newsroom.actor, "floods", EntryText("Later"), None, plan=Release(alerts=False, at=at)
    )
    assert (draft.state, draft.alerts, draft.dated_at) == (EntryState.DRAFT, False, at)
    saved = save_draft(
        db,
        newsroom.actor,
        draft.uid,
        draft.version,
        EntryText("Later"),
        Release(alerts=True, at=clock.now),
    )
    assert (saved.alerts, saved.dated_at, saved.publish_at) == (True, clock.now, None)


def test_undo_gives_a_draft_its_time_back(newsroom, db, clock):
    at = clock.now + timedelta(hours=2)
    waiting = newsroom.post(release=Release(at=at))
    undone = undo(db, newsroom.actor, waiting.uid, waiting.version)
    assert (undone.state, undone.publish_at, undone.dated_at) == (EntryState.DRAFT, None, at)


def test_a_scheduled_entry_moves_when_another_time_is_saved(newsroom, db, clock):
    waiting = newsroom.post(release=Release(at=clock.now + timedelta(hours=2)))
    later = clock.now + timedelta(hours=3)
    moved = save_draft(
        db, newsroom.actor, waiting.uid, waiting.version, EntryText("Later"), Release(at=later)
    )
    assert (moved.state, moved.publish_at) == (EntryState.SCHEDULED, later)
    with pytest.raises(Invalid, match="choose a future time"):
        save_draft(db, newsroom.actor, waiting.uid, moved.version, EntryText("Now?"), Release())


def test_what_goes_out_before_its_time_bears_the_moment(newsroom, db, clock):
    waiting = newsroom.post(release=Release(at=clock.now + timedelta(hours=2)))
    assert publish_now(db, newsroom.actor, waiting.uid, waiting.version).published_at == clock.now


def test_a_stale_draft_is_refused_and_nothing_is_written(newsroom, db):
    draft = newsroom.post(release=None, title="First")
    save_draft(db, newsroom.actor, draft.uid, draft.version, EntryText("Second"))
    with pytest.raises(StaleVersion) as caught:
        save_draft(db, newsroom.actor, draft.uid, draft.version, EntryText("Third"))
    assert caught.value.version == draft.version + 1
    assert newsroom.entry(draft.uid).title == "Second"


def test_an_author_submits_and_an_editor_publishes(newsroom, db):
    author, editor = newsroom.account(Role.AUTHOR), newsroom.account(Role.EDITOR)
    entry = add_entry(db, author, "floods", EntryText("From the scene"), Release())
    assert entry.state is EntryState.SUBMITTED
    with pytest.raises(Forbidden):
        post_draft(db, author, entry.uid, entry.version, EntryText("Mine"), Release())
    assert (
        post_draft(db, editor, entry.uid, entry.version, EntryText("Checked"), Release()).state
        is EntryState.PUBLISHED
    )


def test_an_author_cannot_change_the_draft_of_another(newsroom, db):
    draft = newsroom.post(release=None)
    with pytest.raises(Forbidden):
        save_draft(db, newsroom.account(Role.AUTHOR), draft.uid, draft.version, EntryText("Mine"))


def test_streams_that_cannot_take_entries_say_why(newsroom, db):
    with pytest.raises(NotFound, match="There is no stream 'drought'"):
        newsroom.post("drought")
    draft = newsroom.post(release=None)
    waiting = newsroom.post(release=Release(delay=timedelta(minutes=1)))
    ways = (
        lambda: newsroom.post(),
        lambda: post_draft(
            db, newsroom.actor, draft.uid, draft.version, EntryText("Now"), Release()
        ),
        lambda: publish_now(db, newsroom.actor, waiting.uid, waiting.version),
    )
    for state, error in ((StreamState.ENDED, Conflict), (StreamState.DELETED, Gone)):
        set_stream_state(db, newsroom.actor, "floods", state)
        for way in ways:
            with pytest.raises(error, match="Reopen it" if error is Conflict else "removed"):
                way()


def test_a_hidden_stream_is_not_public_and_sends_no_alerts(newsroom, db):
    set_stream_state(db, newsroom.actor, "floods", StreamState.HIDDEN)
    newsroom.post()
    assert counted(db, Alert) == 0
    with db.read() as tx:
        assert list_streams(tx, public=True) == []
        with pytest.raises(NotFound):
            get_stream(tx, "floods", public=True)
        assert get_stream(tx, "floods").slug == "floods"


def test_a_stream_goes_quiet_after_a_day_and_live_with_the_next_entry(newsroom, db, clock):
    newsroom.post()
    clock.forward(hours=23)
    assert mark_idle_streams_quiet(db) == 0
    clock.forward(hours=2)
    assert mark_idle_streams_quiet(db) == 1
    newsroom.post()
    with db.read() as tx:
        assert get_stream(tx, "floods").state is StreamState.LIVE


def test_ids_are_minted_once_and_never_change(newsroom, db):
    entry = newsroom.post()
    with db.read() as tx:
        stream = get_stream(tx, "floods")
    assert entry.guid == f"tag:news.example.org,2026-03-14:{stream.uid}/{entry.uid}"
    assert stream.guid == f"tag:news.example.org,2026-03-14:{stream.uid}"


def test_nothing_is_half_stored_when_the_door_refuses(newsroom, db):
    with pytest.raises(Invalid):
        newsroom.post(title="x", byline=("New Person",), link="nonsense")
    with pytest.raises(Invalid):
        newsroom.post(
            byline=("New Person",),
            release=Release(
                at=newsroom.entry(newsroom.post().uid).created_at + timedelta(days=9999)
            ),
        )
    assert counted(db, Entry) == 1
    with db.read() as tx:
        assert tx.scalars(select(Contributor)).all() == []
