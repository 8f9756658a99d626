"""Pinning: a few entries stay on top of their story's page."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from models.db.clock import now
from models.db.database import Database
from models.streams.entries import entries_query, entry_to_change
from models.streams.streams import bump_version
from models.tables.people import Role
from models.tables.stories import Entry, EntryState
from models.text.actor import Actor
from models.text.errors import Conflict

MAX_PINNED = 3
"""Pinned entries of a story: more would push down new ones."""
_PINNED = text("entry.pinned_at IS NOT NULL")  # word for word as in the partial index


def pin_entry(db: Database, actor: Actor, uid: str) -> Entry:
    """Show an entry on top of its story's page.  Sends no alert, and changes no text or date."""
    actor.must_be(Role.EDITOR)
    with db.begin() as tx:
        entry = entry_to_change(tx, uid)
        if entry.state is not EntryState.PUBLISHED:
            raise Conflict("Only published entries can be pinned.")
        if entry.pinned_at is None:
            bump_version(tx, entry.stream)  # first: its lock blocks concurrent pinning
            count = select(func.count()).select_from(Entry).where(*_pinned(entry.stream_id))
            if tx.execute(count).scalar_one() >= MAX_PINNED:
                raise Conflict(
                    "%(most)s entries of this story are already pinned. Unpin one first.",
                    most=str(MAX_PINNED),
                )
            entry.pinned_at = now(tx)
        return entry


def unpin_entry(db: Database, actor: Actor, uid: str) -> Entry:
    actor.must_be(Role.EDITOR)
    with db.begin() as tx:
        entry = entry_to_change(tx, uid)
        if entry.pinned_at is not None:
            entry.pinned_at = None
            bump_version(tx, entry.stream)
        return entry


def pinned_entries(tx: Session, stream_id: int) -> Sequence[Entry]:
    """The pinned entries of a story, last pinned first; a retracted entry keeps its pin until it is
    restored.
    """
    return tx.scalars(
        entries_query()
        .where(*_pinned(stream_id))
        .order_by(Entry.pinned_at.desc(), Entry.id.desc())
        .limit(MAX_PINNED)
    ).all()


def _pinned(stream_id: int) -> tuple[Any, ...]:
    return Entry.stream_id == stream_id, Entry.state == EntryState.PUBLISHED, _PINNED
