"""Posting: the one way in which an entry is created and released.

Undo is scheduling: a post waits as scheduled for ``delay``, and until then it is public nowhere.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from models.db.approval_rules import needs_second_editor
from models.db.clock import now
from models.db.database import Database
from models.db.site import mint_guid
from models.publishing.publishing import schedule_or_submit
from models.streams.entries import (
    entries_query,
    entry_to_change,
    fill,
    is_own_draft,
    resolve_text,
    snapshot,
)
from models.streams.streams import get_stream, require_open_stream
from models.tables.base import new_uid
from models.tables.people import Role
from models.tables.stories import Entry, EntryState
from models.text.actor import Actor
from models.text.errors import Conflict, Invalid, RequestKeyReused
from models.text.texts import EntryText

UNPUBLISHED_STATES = (EntryState.DRAFT, EntryState.SUBMITTED, EntryState.SCHEDULED)
_MAX_BACKDATING = timedelta(days=366 * 150)
MAX_SCHEDULE_AHEAD = timedelta(days=366 * 5)


@dataclass(frozen=True)
class Release:
    """How an entry is to be published, or a draft one day.  A past ``at`` backdates it; ``delay``
    is the time left to undo it.
    """

    alerts: bool = True
    at: datetime | None = None
    delay: timedelta = timedelta(0)


def add_entry(
    db: Database,
    actor: Actor,
    stream_slug: str,
    text: EntryText,
    release: Release | None,
    *,
    plan: Release | None = None,
    request_key: str | None = None,
) -> Entry:
    """Post an entry, or save it as a draft where ``release`` is None; an author's post is submitted
    to the editors.

    ``plan`` is the release that a draft remembers. A second request of this account with this
    ``request_key`` returns the first one's entry; RequestKeyReused where that is in another story.
    """
    text = text.cleaned()
    try:
        with db.begin() as tx:
            return _earlier(tx, actor, stream_slug, request_key) or _add(
                tx, actor, stream_slug, text, release, plan, request_key
            )
    except IntegrityError:  # two requests with one key met; the other won
        with db.read() as tx:
            first = _earlier(tx, actor, stream_slug, request_key)
        if first is None:
            raise
        return first


def _earlier(tx: Session, actor: Actor, slug: str, request_key: str | None) -> Entry | None:
    if request_key is None:
        return None
    if not 0 < len(request_key) <= 64:
        raise Invalid("request_key", "use 1 to 64 characters.")
    entry = tx.scalar(
        entries_query().where(
            Entry.account_id == actor.account_id, Entry.request_key == request_key
        )
    )
    if entry is not None and entry.stream.slug != slug:
        raise RequestKeyReused(
            "You already posted this to “%(story)s”. Submit again to post it here, too.",
            story=entry.stream.title[:80],
        )
    return entry


def _add(
    tx: Session,
    actor: Actor,
    slug: str,
    text: EntryText,
    release: Release | None,
    plan: Release | None,
    request_key: str | None,
) -> Entry:
    stream = get_stream(tx, slug)
    require_open_stream(stream)
    uid = new_uid()
    entry = Entry(
        uid=uid,
        guid=mint_guid(tx, f"{stream.uid}/{uid}", now(tx)),
        stream=stream,
        account_id=actor.account_id,
        request_key=request_key,
        state=EntryState.DRAFT,
        version=0,
        created_at=now(tx),
        credits=[],
        tags=[],
        pictures=[],
    )
    fill(tx, entry, resolve_text(tx, text))
    if release is not None:
        _release(tx, actor, entry, release)
    elif plan is not None:
        _plan(tx, entry, plan)
    tx.flush()
    return entry


def save_draft(
    db: Database, actor: Actor, uid: str, version: int, text: EntryText, plan: Release | None = None
) -> Entry:
    """Change the text of an unpublished entry, and the plan for its release.

    The state stays, unless a second editor has to approve the entry again.
    """
    text = text.cleaned()
    with db.begin() as tx:
        entry = _unpublished(tx, actor, uid, version)
        fill(tx, entry, resolve_text(tx, text))
        if plan is not None:
            _plan(tx, entry, plan)
        if entry.state is not EntryState.DRAFT and needs_second_editor(tx, entry.importance):
            # nobody else has read this text
            entry.state = EntryState.SUBMITTED
            entry.submitted_by = actor.account_id
        tx.flush()
        return entry


def post_draft(
    db: Database, actor: Actor, uid: str, version: int, text: EntryText, release: Release
) -> Entry:
    """Change the text of an unpublished entry, and release it."""
    text = text.cleaned()
    with db.begin() as tx:
        entry = _unpublished(tx, actor, uid, version)
        require_open_stream(entry.stream)
        former = snapshot(entry)
        fill(tx, entry, resolve_text(tx, text))
        if snapshot(entry) != former:  # nobody approves a text of one's own
            entry.state = EntryState.DRAFT
        _release(tx, actor, entry, release)
        tx.flush()
        return entry


def _unpublished(tx: Session, actor: Actor, uid: str, version: int) -> Entry:
    entry = entry_to_change(tx, uid, version=version)
    if entry.state not in UNPUBLISHED_STATES:
        raise Conflict(
            "This entry is already published. Change it with an update, a correction or a quiet"
            " edit."
        )
    if not is_own_draft(entry, actor):
        actor.must_be(Role.EDITOR)
    return entry


def _plan(tx: Session, entry: Entry, plan: Release) -> None:
    """Store a plan; a scheduled entry moves to another future time, or keeps its own where none was
    chosen.
    """
    _check_time(tx, plan.at)
    entry.alerts = plan.alerts
    if entry.state is not EntryState.SCHEDULED:
        entry.dated_at = plan.at
    elif _is_future(tx, plan.at):
        entry.publish_at = entry.dated_at = plan.at
        entry.held_at = None
    elif entry.publish_at == entry.dated_at:
        raise Invalid("at", "choose a future time, or publish now.")


def _release(tx: Session, actor: Actor, entry: Entry, release: Release) -> None:
    _check_time(tx, release.at)
    entry.alerts = release.alerts
    entry.dated_at = release.at
    entry.publish_at = release.at if _is_future(tx, release.at) else now(tx) + release.delay
    schedule_or_submit(tx, actor, entry)


def _check_time(tx: Session, at: datetime | None) -> None:
    if at is not None and not now(tx) - _MAX_BACKDATING < at < now(tx) + MAX_SCHEDULE_AHEAD:
        raise Invalid("at", "choose a date within the last 150 or the next 5 years.")


def _is_future(tx: Session, at: datetime | None) -> bool:
    return at is not None and at > now(tx)
