"""Two people at the same thing at the same moment: one wins, the other is told, nothing is
overwritten.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import select, text, update

from models import Contributor, Entry, EntryState, Recipient, RevisionKind, SubscriptionExcept
from models.db.database import Database
from models.db.rate_limit import count_attempt
from models.publishing.posting import Release, post_draft, save_draft
from models.publishing.revising import Change, apply_now, revise, undo
from models.recipients.audience import add_subscriber, recipient_with_subscriptions, unsubscribe
from models.text.errors import StaleVersion, TooManyAttempts
from models.text.texts import EntryText

WAIT = timedelta(seconds=10)


def until_it_waits(db: Database, doing: Future[object]) -> None:
    """Until another connection waits for our lock; on SQLite it waits before it reads anything, so
    there is nothing to see.
    """
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname ="
        " current_database()"
    )
    deadline = time.monotonic() + 10
    while not db.embedded and not doing.done():
        with db.read() as tx:
            if tx.scalar(waiting):
                return
        assert time.monotonic() < deadline
        time.sleep(0.01)


def while_the_entry_changes(db: Database, entry: Entry, act: Callable[[], object]) -> None:
    """Do ``act`` while somebody else's change of the entry is about to be committed."""
    with ThreadPoolExecutor(1) as other:
        with db.begin() as tx:
            tx.execute(
                update(Entry)
                .where(Entry.id == entry.id)
                .values(title="Theirs", version=Entry.version + 1)
            )
            doing = other.submit(act)
            until_it_waits(db, doing)
        doing.result(timeout=10)


@pytest.mark.parametrize("act", ["save", "post", "revise"])
def test_a_change_that_meets_another_is_refused_instead_of_overwriting_it(newsroom, db, act):
    entry = newsroom.post(release=Release() if act == "revise" else None)
    mine = EntryText("Mine")
    acts = {
        "save": lambda: save_draft(db, newsroom.actor, entry.uid, entry.version, mine),
        "post": lambda: post_draft(db, newsroom.actor, entry.uid, entry.version, mine, Release()),
        "revise": lambda: revise(db, newsroom.actor, entry.uid, entry.version, mine, Change()),
    }
    with pytest.raises(StaleVersion):
        while_the_entry_changes(db, entry, acts[act])
    assert newsroom.entry(entry.uid).title == "Theirs"


def test_what_was_looked_at_is_what_is_undone_or_sent_at_once(newsroom, db):
    entry = newsroom.post(title="One")
    seen = entry.version
    change = Change(RevisionKind.UPDATE, delay=WAIT)
    revise(db, newsroom.actor, entry.uid, seen, EntryText("Two"), change)
    apply_now(db, newsroom.actor, entry.uid, seen)
    revise(
        db, newsroom.actor, entry.uid, newsroom.entry(entry.uid).version, EntryText("Three"), change
    )
    for act in (undo, apply_now):
        with pytest.raises(StaleVersion):
            act(db, newsroom.actor, entry.uid, seen)
    assert newsroom.entry(entry.uid).title == "Two"
    assert (
        undo(db, newsroom.actor, entry.uid, newsroom.entry(entry.uid).version).state
        is EntryState.PUBLISHED
    )


def all_at_once(act: Callable[[int], object], times: int = 4) -> list[object]:
    """What ``act`` returned in as many threads that began together."""
    start = threading.Barrier(times)

    def begin(number: int) -> object:
        start.wait(timeout=10)
        return act(number)

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(begin, range(times)))


def test_a_new_name_in_several_bylines_at_once_becomes_one_person(newsroom, db):
    for attempt in range(5):
        all_at_once(
            lambda number, name=f"Nina Ode {attempt}": newsroom.post(
                title=f"By {number}", byline=(name,)
            )
        )
    with db.read() as tx:
        assert len(tx.scalars(select(Contributor.slug)).all()) == 5


def test_the_first_tries_of_a_window_may_come_at_once(db):
    for attempt in range(5):
        all_at_once(lambda number, key=f"try {attempt}": count_attempt(db, {key: 4}))
        with pytest.raises(TooManyAttempts):
            count_attempt(db, {f"try {attempt}": 4})


def test_a_story_that_several_begin_at_once_begins_once(newsroom):
    for attempt in range(5):
        assert (
            len(
                {
                    stream.id
                    for stream in all_at_once(
                        lambda number, slug=f"story-{attempt}": newsroom.stream(slug)
                    )
                }
            )
            == 1
        )


def test_two_concurrent_unsubscribes_both_succeed(newsroom, db):
    hedda, floods = add_subscriber(db, newsroom.actor, "hedda@post.example"), newsroom.stream()
    with ThreadPoolExecutor(1) as other:
        with db.begin() as tx:
            tx.execute(select(Recipient.id).where(Recipient.id == hedda.id).with_for_update())
            tx.add(
                SubscriptionExcept(
                    subscription_id=recipient_with_subscriptions(tx, hedda.uid)[1][0].id,
                    stream_id=floods.id,
                )
            )
            tx.flush()
            doing = other.submit(unsubscribe, db, hedda.uid, floods.uid)
            until_it_waits(db, doing)
        doing.result(timeout=10)
    with db.read() as tx:
        assert tx.scalars(select(SubscriptionExcept.stream_id)).all() == [floods.id]
