"""Scheduled entries: their list, and moving one to another time."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from models.db.clock import now
from models.db.database import Database
from models.publishing.posting import MAX_SCHEDULE_AHEAD
from models.streams.entries import entry_to_change, headlines_query, mark_changed, require_version
from models.tables.people import Role
from models.tables.stories import Entry, EntryState, Stream, StreamState
from models.text.actor import Actor
from models.text.errors import AlreadyPublished, Conflict, Invalid


def reschedule(db: Database, actor: Actor, uid: str, version: int, at: datetime) -> Entry:
    """Move a scheduled entry to another future time."""
    actor.must_be(Role.EDITOR)
    with db.begin() as tx:
        entry = entry_to_change(tx, uid)
        if entry.state in (EntryState.PUBLISHED, EntryState.RETRACTED):
            raise AlreadyPublished(uid)
        if entry.state is not EntryState.SCHEDULED:
            raise Conflict("This entry is not scheduled.")
        require_version(entry, version)
        if not now(tx) < at < now(tx) + MAX_SCHEDULE_AHEAD:
            raise Invalid("at", "choose a time within the next 5 years, or publish now.")
        entry.publish_at = entry.dated_at = at
        entry.held_at = None
        mark_changed(tx, entry)
        tx.flush()
        return entry


def scheduled_entries(
    tx: Session, *, until: datetime | None = None, late: bool | None = None, limit: int = 200
) -> Sequence[Entry]:
    """Scheduled entries, the next first: before ``until``, and ``late`` ones or others."""
    waits = (
        select(Entry.id)
        .join(Entry.stream)
        .where(Entry.state == EntryState.SCHEDULED, Stream.state != StreamState.DELETED)
    )
    if until is not None:
        waits = waits.where(Entry.publish_at < until)
    if late is not None:
        waits = waits.where(Entry.late if late else ~Entry.late)
    return tx.scalars(
        headlines_query()
        .where(Entry.id.in_(waits))
        .order_by(Entry.publish_at, Entry.id)
        .limit(limit)
    ).all()
