"""Approval of submitted entries: an editor approves one, or sends it back with a comment."""

from datetime import timedelta

from sqlalchemy.orm import Session

from models.db.clock import now
from models.db.database import Database
from models.publishing.publishing import schedule_or_submit
from models.streams.entries import entry_to_change, is_own_submission, mark_changed
from models.streams.streams import require_open_stream
from models.tables.people import Role
from models.tables.stories import Entry, EntryState
from models.text.actor import Actor
from models.text.errors import Conflict, Forbidden, Invalid
from models.text.texts import MAX_NOTE_CHARS, block


def approve(
    db: Database, actor: Actor, uid: str, version: int, *, delay: timedelta = timedelta(0)
) -> Entry:
    """Schedule a submitted entry for its future time, else after ``delay``."""
    actor.must_be(Role.EDITOR)
    with db.begin() as tx:
        entry = entry_to_change(tx, uid, version=version)
        _must_be_submitted(entry)
        require_open_stream(entry.stream)
        soonest = now(tx) + delay
        if entry.publish_at is None or entry.publish_at < soonest:
            # its time passed while it waited, so it is no date that someone chose
            if entry.publish_at == entry.dated_at:
                entry.dated_at = None
            entry.publish_at = soonest
        mark_changed(tx, entry)
        schedule_or_submit(tx, actor, entry)
        return entry


def return_entry(db: Database, actor: Actor, uid: str, version: int, remark: str) -> Entry:
    """Send a submitted entry back as a draft; ``remark`` tells its author what is missing."""
    actor.must_be(Role.EDITOR)
    remark = block("remark", remark, MAX_NOTE_CHARS)
    if not remark:
        raise Invalid("remark", "tell the author what is missing.")
    with db.begin() as tx:
        entry = entry_to_change(tx, uid, version=version)
        _must_be_submitted(entry)
        entry.remark = remark
        return _to_draft(tx, entry)


def withdraw_submission(db: Database, actor: Actor, uid: str, version: int) -> Entry:
    """Make an entry that the actor submitted a draft again."""
    with db.begin() as tx:
        entry = entry_to_change(tx, uid, version=version)
        _must_be_submitted(entry)
        if not is_own_submission(entry, actor):
            raise Forbidden(
                "Only the person who submitted it can withdraw it. Editors can send it back."
            )
        return _to_draft(tx, entry)


def _must_be_submitted(entry: Entry) -> None:
    if entry.state is not EntryState.SUBMITTED:
        raise Conflict("This entry is not waiting for review.")


def _to_draft(tx: Session, entry: Entry) -> Entry:
    entry.state = EntryState.DRAFT
    entry.publish_at = None
    mark_changed(tx, entry)
    tx.flush()
    return entry
