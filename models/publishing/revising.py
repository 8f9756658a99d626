"""Revisions of a published entry.

Its id, permalink and publication date never change. A revision that alerts is pending for
``delay``, at most one per entry; a silent one applies immediately; a retraction hides the entry
immediately, and only its alert waits.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, selectinload

from config.languages import mark
from models.alerts.alerts import create_alert, reset_approval
from models.db.clock import now
from models.db.database import Database, rows_changed
from models.publishing.publishing import unschedule
from models.streams.entries import (
    ResolvedText,
    entry_to_change,
    fill,
    mark_changed,
    require_version,
    resolve_content,
    resolve_text,
    snapshot,
)
from models.streams.feed_departures import feeds_of, note_departures
from models.streams.streams import bump_version
from models.tables.people import Contributor, Role
from models.tables.stories import (
    Entry,
    EntryState,
    Revision,
    RevisionKind,
    RevisionState,
)
from models.text.actor import Actor
from models.text.errors import AlreadyPublished, Conflict, NotFound, RequestKeyReused
from models.text.texts import MAX_NOTE_CHARS, EntryText, block

TEXT_KINDS = (RevisionKind.SILENT, RevisionKind.UPDATE, RevisionKind.CORRECTION)
ALERTING_KINDS = (RevisionKind.UPDATE, RevisionKind.CORRECTION, RevisionKind.RETRACTION)
# these move `updated` (RFC 4287 section 4.2.15)
_SIGNIFICANT_KINDS = (*ALERTING_KINDS, RevisionKind.RESTORE)
_WRONG_STATE = {
    EntryState.PUBLISHED: mark("This entry is not published."),
    EntryState.RETRACTED: mark("This entry is not retracted."),
}
_FEED_TICK = timedelta(seconds=1)  # the resolution of dates in feeds
_PENDING = mark("Another change to this entry is still pending. Undo it or publish it first.")


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
    """Change the text of a published entry: silently, or as an update or correction, which alerts
    followers.
    """
    if change.kind not in TEXT_KINDS:
        raise Conflict("Choose quiet edit, update or correction.")
    text = text.cleaned()
    return _change(db, actor, uid, version, EntryState.PUBLISHED, change, text)


def retract(db: Database, actor: Actor, uid: str, version: int, change: Change) -> Revision:
    """Take a published entry off every page immediately; recipients who got its alert are alerted
    after the delay.
    """
    return _change(db, actor, uid, version, EntryState.PUBLISHED, change, None)


def restore(db: Database, actor: Actor, uid: str, version: int, change: Change) -> Revision:
    """Bring a retracted entry back with its last text, without an alert."""
    return _change(db, actor, uid, version, EntryState.RETRACTED, change, None)


def undo(db: Database, actor: Actor, uid: str, version: int) -> Entry:
    """Make a scheduled entry a draft, or cancel a pending revision."""
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
            bump_version(tx, entry.stream, published_delta=1)
        mark_changed(tx, entry)
        return entry


def apply_now(db: Database, actor: Actor, uid: str, version: int) -> Entry:
    """Apply a pending revision immediately; without one, nothing happens."""
    actor.must_be(Role.EDITOR)
    with db.begin() as tx:
        entry = entry_to_change(tx, uid)
        revision = pending_revision(tx, entry)
        if revision is not None:
            require_version(entry, version)
            _apply(tx, entry, revision)
        return entry


def apply_due(db: Database) -> int:
    """Apply every pending revision that is due; returns how many.  Any number of nodes may call it
    concurrently.
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
    """The pending revision of this entry, if there is one."""
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
    """The text of an entry's revision, for a form; raises NotFound."""
    content = tx.scalar(
        select(Revision.content).where(Revision.entry_id == entry.id, Revision.no == no)
    )
    if content is None:
        raise NotFound("revision", str(no))
    ids = content["byline"]
    people = tx.scalars(select(Contributor).where(Contributor.id.in_(ids)))
    names = {person.id: person.byline_name for person in people}
    return EntryText.unpack(content, [names[id_] for id_ in ids if id_ in names])


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
            raise Conflict(_PENDING) from exc
        return first


def _earlier(tx: Session, actor: Actor, uid: str, change: Change) -> Revision | None:
    """The revision that an earlier request with this key made."""
    if change.request_key is None:
        return None
    revision = tx.scalar(
        select(Revision)
        .where(Revision.account_id == actor.account_id, Revision.request_key == change.request_key)
        .options(selectinload(Revision.entry))
    )
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
    entry = entry_to_change(tx, uid, version=version)
    if entry.state is not state:
        raise Conflict(_WRONG_STATE[state])
    if pending_revision(tx, entry) is not None:
        raise Conflict(_PENDING)
    resolved = resolve_text(tx, text) if text is not None else None
    alerts = change.kind in ALERTING_KINDS
    numbers = select(func.max(Revision.no)).where(Revision.entry_id == entry.id)
    revision = Revision(
        entry=entry,
        no=tx.execute(numbers).scalar_one() + 1,
        kind=change.kind,
        state=RevisionState.PENDING,
        note=block("note", change.note, MAX_NOTE_CHARS),
        content=resolved.content() if resolved is not None else snapshot(entry),
        alerts=alerts,
        account_id=actor.account_id,
        request_key=change.request_key,
        created_at=now(tx),
        apply_at=now(tx) + change.delay if alerts else now(tx),
    )
    tx.add(revision)
    tx.flush()
    if change.kind is RevisionKind.RETRACTION:
        entry.state = EntryState.RETRACTED
        bump_version(tx, entry.stream, published_delta=-1)
        mark_changed(tx, entry)
    if revision.apply_at <= now(tx):
        _apply(tx, entry, revision, resolved)
    return revision


def _apply(
    tx: Session, entry: Entry, revision: Revision, resolved: ResolvedText | None = None
) -> bool:
    """Apply a pending revision and create its alert; False if another node was first.

    ``resolved`` is the revision's text, where the caller has it already.
    """
    if not _settle(tx, revision, RevisionState.APPLIED):
        return False
    former_feeds = feeds_of(entry)
    is_restored = revision.kind is RevisionKind.RESTORE
    if is_restored:
        entry.state = EntryState.PUBLISHED
    if revision.kind in TEXT_KINDS:
        fill(tx, entry, resolved or resolve_content(tx, revision.content))
    else:
        mark_changed(tx, entry)
    if revision.kind in _SIGNIFICANT_KINDS:
        entry.updated_at = _significant_moment(tx, entry, revision)
    bump_version(tx, entry.stream, published_delta=int(is_restored))
    note_departures(tx, former_feeds - feeds_of(entry))
    if revision.kind in TEXT_KINDS:
        reset_approval(tx, entry)
    create_alert(tx, revision, entry)
    return True


def _significant_moment(tx: Session, entry: Entry, revision: Revision) -> datetime:
    """The new ``updated`` of an entry; a restored entry must be newer than its tombstone (RFC 6721
    section 3).
    """
    if revision.kind is RevisionKind.RESTORE and entry.updated_at is not None:
        return max(now(tx), entry.updated_at + _FEED_TICK)
    return now(tx)


def _settle(tx: Session, revision: Revision, state: RevisionState) -> bool:
    settled = (
        update(Revision)
        .where(Revision.id == revision.id, Revision.state == RevisionState.PENDING)
        .values(state=state, applied_at=now(tx) if state is RevisionState.APPLIED else None)
    )
    won = rows_changed(tx, settled) == 1
    tx.refresh(revision, ["state", "applied_at"])
    return won
