"""Revising: what may still be done to an entry that is out.

Its id, permalink and publication date never change. A revision that alerts waits as pending for
``delay``, one at most per entry; a silent one applies at once; a retraction hides the entry at once
and only its alert waits.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, selectinload

from config.languages import mark
from models.alerts.alerts import create_alert, reset_approval
from models.db.clock import now
from models.db.database import Database, rows_changed
from models.publishing.publishing import unschedule
from models.streams.entries import (
    entry_to_change,
    fill,
    mark_changed,
    packed,
    require_version,
    snapshot,
)
from models.streams.feed_departures import feeds_of, note_departures
from models.streams.streams import bump_version
from models.tables.people import Contributor, Role
from models.tables.stories import (
    Entry,
    EntryState,
    Importance,
    Revision,
    RevisionKind,
    RevisionState,
)
from models.text.actor import Actor
from models.text.errors import AlreadyPublished, Conflict, NotFound, RequestKeyReused
from models.text.texts import MAX_NOTE_CHARS, EntryText, block, unpack_pictures

TEXT_KINDS = (RevisionKind.SILENT, RevisionKind.UPDATE, RevisionKind.CORRECTION)
ALERTING_KINDS = (RevisionKind.UPDATE, RevisionKind.CORRECTION, RevisionKind.RETRACTION)
# those that move `updated` (RFC 4287 section 4.2.15)
_SIGNIFICANT_KINDS = (*ALERTING_KINDS, RevisionKind.RESTORE)
_WRONG_STATE = {
    EntryState.PUBLISHED: mark("This entry is not published."),
    EntryState.RETRACTED: mark("This entry is not retracted."),
}
_FEED_TICK = timedelta(seconds=1)  # feeds tell no finer dates


@dataclass(frozen=True)
class Change:
    """How a published entry is to change; ``note`` is public."""

    kind: RevisionKind = RevisionKind.SILENT
    note: str = ""
    delay: timedelta = timedelta(0)
    request_key: str | None = None


def revise(
    db: Database, actor: Actor, uid: str, version: int, text: EntryText, change: Change
) -> Revision:
    """Change the text of a published entry silently, or as an update or correction of which
    followers are told.
    """
    if change.kind not in TEXT_KINDS:
        raise Conflict("Choose quiet edit, update or correction.")
    text = text.cleaned()
    return _change(db, actor, uid, version, EntryState.PUBLISHED, change, text)


def retract(db: Database, actor: Actor, uid: str, version: int, change: Change) -> Revision:
    """Take a published entry off every page at once; those who were told of it are told of this,
    after the delay.
    """
    return _change(db, actor, uid, version, EntryState.PUBLISHED, change, None)


def restore(db: Database, actor: Actor, uid: str, version: int, change: Change) -> Revision:
    """Bring a retracted entry back, as it last was.  Nobody is alerted."""
    return _change(db, actor, uid, version, EntryState.RETRACTED, change, None)


def undo(db: Database, actor: Actor, uid: str, version: int) -> Entry:
    """Take back what still waits: a scheduled entry becomes a draft, a pending revision is
    cancelled.
    """
    actor.must_be(Role.EDITOR)
    with db.begin() as tx:
        entry = entry_to_change(tx, uid)
        if entry.state is EntryState.SCHEDULED:
            require_version(entry, version)
            unschedule(tx, entry)
            return entry
        revision = pending_revision(tx, entry)
        if revision is None:
            raise AlreadyPublished(uid)
        require_version(entry, version)
        _settle(tx, revision, RevisionState.CANCELLED)
        if revision.kind is RevisionKind.RETRACTION:
            entry.state = EntryState.PUBLISHED
            bump_version(tx, entry.stream, more=1)
        mark_changed(tx, entry)
        return entry


def apply_now(db: Database, actor: Actor, uid: str, version: int) -> Entry:
    """End the wait of a pending revision; one that has ended meanwhile is no error."""
    actor.must_be(Role.EDITOR)
    with db.begin() as tx:
        entry = entry_to_change(tx, uid)
        revision = pending_revision(tx, entry)
        if revision is not None:
            require_version(entry, version)
            _apply(tx, entry, revision)
        return entry


def apply_due(db: Database) -> int:
    """Apply every pending revision whose time has come; returns how many. Any number of nodes may
    call it at once.
    """
    with db.read() as tx:
        waiting = (
            select(Revision.id, Entry.uid)
            .join(Revision.entry)
            .order_by(Revision.apply_at, Revision.id)
        )
        due = tx.execute(
            waiting.where(Revision.state == RevisionState.PENDING, Revision.apply_at <= now(tx))
        ).all()
    applied = 0
    for id_, uid in due:
        with db.begin() as tx:
            entry = entry_to_change(tx, uid)
            revision = tx.get_one(Revision, id_)
            if revision.state is RevisionState.PENDING:
                applied += _apply(tx, entry, revision)
    return applied


def pending_revision(tx: Session, entry: Entry) -> Revision | None:
    """The revision of this entry that still waits, if there is one."""
    return tx.scalar(
        select(Revision).where(
            Revision.entry_id == entry.id, Revision.state == RevisionState.PENDING
        )
    )


def list_revisions(tx: Session, entry: Entry) -> list[Revision]:
    """All revisions of an entry, newest first."""
    query = select(Revision).where(Revision.entry_id == entry.id).order_by(Revision.no.desc())
    return list(tx.scalars(query.options(selectinload(Revision.entry))))


def text_of_revision(tx: Session, entry: Entry, no: int) -> EntryText:
    """What a revision of an entry said, to be taken up again; NotFound where there is none of that
    number.
    """
    content = tx.scalar(
        select(Revision.content).where(Revision.entry_id == entry.id, Revision.no == no)
    )
    if content is None:
        raise NotFound("revision", str(no))
    people = {
        person.id: person
        for person in tx.scalars(select(Contributor).where(Contributor.id.in_(content["byline"])))
    }
    byline = (people[id_].byline_name for id_ in content["byline"] if id_ in people)
    return EntryText(
        content["title"],
        content["dek"],
        content["body"],
        tuple(byline),
        tuple(content["tags"]),
        content["link"],
        Importance(content["importance"]),
        unpack_pictures(content),
    )


def _change(
    db: Database,
    actor: Actor,
    uid: str,
    version: int,
    state: EntryState,
    change: Change,
    text: EntryText | None,
) -> Revision:
    actor.must_be(Role.EDITOR)
    try:
        with db.begin() as tx:
            return _earlier(tx, actor, uid, change) or _add(
                tx, actor, uid, version, state, change, text
            )
    except IntegrityError as exc:
        with db.read() as tx:
            first = _earlier(tx, actor, uid, change)
        if first is None:
            raise Conflict(
                "Another change to this entry is still pending. Undo it or publish it first."
            ) from exc
        return first


def _earlier(tx: Session, actor: Actor, uid: str, change: Change) -> Revision | None:
    if change.request_key is None:
        return None
    asked = (Revision.account_id == actor.account_id, Revision.request_key == change.request_key)
    revision = tx.scalar(select(Revision).where(*asked).options(selectinload(Revision.entry)))
    if revision is not None and revision.entry.uid != uid:
        raise RequestKeyReused("This request key was already used for another entry.")
    return revision


def _add(
    tx: Session,
    actor: Actor,
    uid: str,
    version: int,
    state: EntryState,
    change: Change,
    text: EntryText | None,
) -> Revision:
    entry, moment = entry_to_change(tx, uid, version=version), now(tx)
    if entry.state is not state:
        raise Conflict(_WRONG_STATE[state])
    if pending_revision(tx, entry) is not None:
        raise Conflict(
            "Another change to this entry is still pending. Undo it or publish it first."
        )
    content = packed(tx, text) if text is not None else snapshot(entry)
    alerts = change.kind in ALERTING_KINDS
    last = tx.execute(
        select(func.max(Revision.no)).where(Revision.entry_id == entry.id)
    ).scalar_one()
    revision = Revision(
        entry=entry,
        no=last + 1,
        kind=change.kind,
        state=RevisionState.PENDING,
        note=block("note", change.note, MAX_NOTE_CHARS),
        content=content,
        alerts=alerts,
        account_id=actor.account_id,
        request_key=change.request_key,
        created_at=moment,
        apply_at=moment + (change.delay if alerts else timedelta(0)),
    )
    tx.add(revision)
    tx.flush()
    if change.kind is RevisionKind.RETRACTION:
        entry.state = EntryState.RETRACTED
        bump_version(tx, entry.stream, more=-1)
        mark_changed(tx, entry)
    if revision.apply_at <= moment:
        _apply(tx, entry, revision)
    return revision


def _apply(tx: Session, entry: Entry, revision: Revision) -> bool:
    """Make a pending revision what the entry says, and owe its alert; False if another node was
    first.
    """
    if not _settle(tx, revision, RevisionState.APPLIED):
        return False
    former_feeds = feeds_of(entry)
    if revision.kind is RevisionKind.RESTORE:
        entry.state = EntryState.PUBLISHED
    if revision.kind in TEXT_KINDS:
        fill(tx, entry, revision.content)
    else:
        mark_changed(tx, entry)
    if revision.kind in _SIGNIFICANT_KINDS:
        entry.updated_at = _significant_moment(tx, entry, revision)
    bump_version(tx, entry.stream, more=1 if revision.kind is RevisionKind.RESTORE else 0)
    note_departures(tx, former_feeds - feeds_of(entry))
    if revision.kind in TEXT_KINDS:
        reset_approval(tx, entry)
    create_alert(tx, revision, entry)
    return True


def _significant_moment(tx: Session, entry: Entry, revision: Revision) -> datetime:
    """When a revision is to be noticed; a restored entry must be newer than its tombstone (RFC 6721
    section 3).
    """
    if revision.kind is RevisionKind.RESTORE and entry.updated_at is not None:
        return max(now(tx), entry.updated_at + _FEED_TICK)
    return now(tx)


def _settle(tx: Session, revision: Revision, state: RevisionState) -> bool:
    values: dict[str, Any] = {
        "state": state,
        "applied_at": now(tx) if state is RevisionState.APPLIED else None,
    }
    waits = (Revision.id == revision.id, Revision.state == RevisionState.PENDING)
    won = rows_changed(tx, update(Revision).where(*waits).values(**values)) == 1
    tx.refresh(revision, ["state", "applied_at"])
    return won
