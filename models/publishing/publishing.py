"""Publishing: a scheduled entry becomes public, and its alert is created."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, select, update
from sqlalchemy.orm import Session

from models.alerts.alerts import create_alert, tell_operators
from models.db.approval_rules import needs_second_editor
from models.db.clock import now
from models.db.database import Database, rows_changed
from models.streams.entries import entry_to_change, require_version, snapshot
from models.streams.streams import bump_version, require_open_stream
from models.tables.people import Role
from models.tables.stories import (
    Entry,
    EntryState,
    Revision,
    RevisionKind,
    RevisionState,
    Stream,
    StreamState,
)
from models.text.actor import Actor
from models.text.errors import AlreadyPublished, Conflict, Forbidden

NEWS_AGE = timedelta(days=1)  # entries backdated further are not news
MAX_PUBLICATION_DELAY = timedelta(hours=1)
MAX_TITLES_IN_NOTICE = 20


def publish(tx: Session, entry: Entry) -> bool:
    """Publish a scheduled entry and create its alert; False if it was changed, unscheduled or
    published meanwhile.

    One compare-and-set: of any number of nodes one wins.  Names no recipient, so the cost does not
    depend on how many there are.
    """
    current_time = now(tx)
    if not _moved(tx, entry, state=EntryState.PUBLISHED):
        return False
    stream = entry.stream
    entry.published_at = entry.updated_at = _date(entry, current_time)
    entry.backdated = _is_backdated(entry, current_time)
    entry.changed_at = current_time
    entry.held_at = None
    entry.seq = bump_version(tx, stream, published_delta=1)
    stream.last_entry_at = max(stream.last_entry_at or current_time, current_time)
    if stream.state is StreamState.QUIET:
        stream.state = StreamState.LIVE
    revision = Revision(
        entry_id=entry.id,
        no=1,
        kind=RevisionKind.PUBLISH,
        state=RevisionState.APPLIED,
        content=snapshot(entry),
        alerts=entry.alerts,
        account_id=entry.account_id,
        created_at=current_time,
        apply_at=current_time,
        applied_at=current_time,
    )
    tx.add(revision)
    create_alert(tx, revision, entry)
    return True


def schedule_or_submit(tx: Session, actor: Actor, entry: Entry) -> None:
    """Schedule an entry for its ``publish_at``, or publish it if that has come.

    An author's entry, and a breaking one that needs a second editor, is submitted instead.
    """
    entry.remark = ""
    entry.held_at = None
    if not actor.role.includes(Role.EDITOR) or _waits_for_second(tx, actor, entry):
        entry.state = EntryState.SUBMITTED
        entry.submitted_by = actor.account_id
        return
    entry.state = EntryState.SCHEDULED
    tx.flush()
    if entry.publish_at is not None and entry.publish_at <= now(tx):
        publish(tx, entry)


def _waits_for_second(tx: Session, actor: Actor, entry: Entry) -> bool:
    if not needs_second_editor(tx, entry.importance):
        return False
    if entry.state is EntryState.SUBMITTED and entry.submitted_by == actor.account_id:
        raise Forbidden(
            "Breaking entries need approval from a second editor. Someone else has to approve"
            " yours."
        )
    return entry.state is not EntryState.SUBMITTED


def _date(entry: Entry, current_time: datetime) -> datetime:
    """The public date: a past one that was chosen, else ``current_time``."""
    if entry.dated_at is None or entry.publish_at is None or entry.dated_at >= entry.publish_at:
        return current_time
    return entry.dated_at


def _is_backdated(entry: Entry, current_time: datetime) -> bool:
    """Whether a published entry is too old for followers of new entries alone, such as bots."""
    assert entry.published_at is not None
    age = current_time - entry.published_at
    return age > NEWS_AGE or (age > timedelta(0) and not entry.alerts)


def publish_now(db: Database, actor: Actor, uid: str, version: int) -> Entry:
    """Publish a scheduled entry immediately."""
    actor.must_be(Role.EDITOR)
    with db.begin() as tx:
        entry = entry_to_change(tx, uid)
        if entry.state is EntryState.SCHEDULED:
            require_version(entry, version)
            require_open_stream(entry.stream)
            publish(tx, entry)
        if entry.state is not EntryState.PUBLISHED:
            raise Conflict("This entry is not scheduled.")
        return entry


def publish_due(db: Database, max_delay: timedelta = MAX_PUBLICATION_DELAY) -> int:
    """Publish every scheduled entry that is due; returns how many.  Any number of nodes may call it
    concurrently.

    Entries that were due more than ``max_delay`` ago, while no worker ran, are held for an editor.
    """
    hold_late_entries(db, max_delay)
    with db.read() as tx:
        due = tx.scalars(
            select(Entry.uid)
            .where(Entry.id.in_(_scheduled(Entry.publish_at <= now(tx))))
            .order_by(Entry.publish_at, Entry.id)
        ).all()
    published = 0
    for uid in due:
        with db.begin() as tx:
            entry = entry_to_change(tx, uid)
            is_ready = entry.state is EntryState.SCHEDULED and entry.held_at is None
            if is_ready and entry.publish_at is not None and entry.publish_at <= now(tx):
                published += publish(tx, entry)
    return published


def hold_late_entries(db: Database, max_delay: timedelta) -> int:
    """Hold entries that were due more than ``max_delay`` ago, and notify the operators once;
    returns how many.
    """
    with db.read() as tx:
        if tx.scalar(_scheduled(Entry.publish_at < now(tx) - max_delay).limit(1)) is None:
            return 0
    with db.begin() as tx:
        late = tx.scalars(
            select(Entry)
            .where(Entry.id.in_(_scheduled(Entry.publish_at < now(tx) - max_delay)))
            .order_by(Entry.publish_at)
            .with_for_update()
        ).all()
        for entry in late:
            entry.held_at = now(tx)
        if late:
            titles = [entry.title for entry in late[:MAX_TITLES_IN_NOTICE]]
            tell_operators(tx, "late-entries", {"number": len(late), "titles": titles})
        return len(late)


def _scheduled(when: ColumnElement[bool]) -> Select[int]:
    """The ids of scheduled entries of open streams that are not held and meet a condition."""
    waits = (Entry.state == EntryState.SCHEDULED, Entry.held_at.is_(None), when)
    open_stream = Stream.state.not_in([StreamState.ENDED, StreamState.DELETED])
    return select(Entry.id).join(Stream, Stream.id == Entry.stream_id).where(*waits, open_stream)


def unschedule(tx: Session, entry: Entry) -> None:
    """Make a scheduled entry a draft again."""
    if not _moved(tx, entry, state=EntryState.DRAFT, publish_at=None, held_at=None):
        raise AlreadyPublished(entry.uid)


def _moved(tx: Session, entry: Entry, **values: Any) -> bool:
    waits = (
        Entry.id == entry.id,
        Entry.state == EntryState.SCHEDULED,
        Entry.version == entry.version,
    )
    moved = update(Entry).where(*waits).values(version=Entry.version + 1, **values)
    won = rows_changed(tx, moved) == 1
    tx.refresh(entry, ["version", *values])
    return won
