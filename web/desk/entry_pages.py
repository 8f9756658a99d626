"""An entry's page: countdown, delivery, revisions."""

import math
from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from models.db.approval_rules import needs_second_editor
from models.db.clock import now
from models.publishing.publishing import publish_now
from models.publishing.revising import apply_now, list_revisions, pending_revision, undo
from models.streams.entries import get_entry
from models.streams.page_queries import account_names
from models.streams.review_queue import waiting_alerts
from models.tables.people import Role
from models.tables.stories import Entry, EntryState, Revision, RevisionState
from models.text.errors import ServiceError
from notifier.reports.delivery_report import why_waiting
from notifier.reports.reach import reach
from web.context import service
from web.desk.forms import EntryForm, version_number
from web.desk.guard import requires
from web.login import current_actor

bp = Blueprint("entries", __name__)

_LATE = 15.0  # seconds after its time at which an entry that still waits needs a word


@dataclass(frozen=True)
class PendingPublication:
    """A scheduled entry, or a pending revision of a published one."""

    until: datetime
    since: datetime
    seconds: float
    revision: Revision | None
    held: bool = False  # its time passed so long ago that an editor decides

    @property
    def left(self) -> int:
        """Remaining whole seconds; 0 or less once due."""
        return math.ceil(self.seconds)

    @property
    def of(self) -> int:
        """Length of the whole wait, in seconds."""
        return max(1, math.ceil((self.until - self.since).total_seconds()))

    @property
    def late(self) -> bool:
        """Overdue by so much that no worker seems to run."""
        return self.seconds < -_LATE


@bp.get("/entries/<uid:uid>")
@requires(Role.AUTHOR)
def show(uid: str) -> ResponseReturnValue:
    return entry_page(uid)


def entry_page(uid: str, error: ServiceError | None = None) -> str:
    """The page of an entry; ``error`` is about one of its forms."""
    with service().db.read() as tx:
        entry = get_entry(tx, uid)
        history = list_revisions(tx, entry)
        names = account_names(
            tx,
            [entry.account_id, entry.submitted_by, *(revision.account_id for revision in history)],
        )
        wait = _wait(tx, entry)
        reaches = reach(tx, entry_id=entry.id)
        hold_reasons = why_waiting(tx)
        waiting = waiting_alerts(tx, entry_id=entry.id)
        second = needs_second_editor(tx, entry.importance)
    return render_template(
        "desk/entry.html",
        at="entries",
        entry=entry,
        form=EntryForm.of(entry),
        revisions=_with_former(history),
        names=names,
        wait=wait,
        alerted=any(revision.alerts for revision in history),
        reaches=reaches,
        held=hold_reasons,
        mine=entry.account_id == current_actor().account_id,
        submitter=entry.submitted_by == current_actor().account_id,
        waiting=waiting,
        second=second,
        error=error,
        remark=request.form.get("remark", ""),
    )


@bp.post("/entries/<uid:uid>/undo")
@requires(Role.EDITOR)
def take_back(uid: str) -> ResponseReturnValue:
    entry = undo(service().db, current_actor(), uid, version_number(request.form.get("version")))
    page = "desk.entries.show"
    if entry.state is EntryState.DRAFT:
        page = "desk.revise.edit"
    return redirect(url_for(page, uid=uid), 303)


@bp.post("/entries/<uid:uid>/now")
@requires(Role.EDITOR)
def end_wait(uid: str) -> ResponseReturnValue:
    version = version_number(request.form.get("version"))
    with service().db.read() as tx:
        scheduled = get_entry(tx, uid).state is EntryState.SCHEDULED
    if scheduled:
        publish_now(service().db, current_actor(), uid, version)
    else:
        apply_now(service().db, current_actor(), uid, version)
    return redirect(url_for("desk.entries.show", uid=uid), 303)


def _with_former(history: list[Revision]) -> list[tuple[Revision, Revision | None]]:
    """Revisions, newest first, each with the last applied one before it."""
    pairs = []
    for index, revision in enumerate(history):
        applied = (older for older in history[index + 1 :] if older.state is RevisionState.APPLIED)
        pairs.append((revision, next(applied, None)))
    return pairs


def _wait(tx: Session, entry: Entry) -> PendingPublication | None:
    if entry.state is EntryState.SCHEDULED and entry.publish_at is not None:
        seconds = (entry.publish_at - now(tx)).total_seconds()
        return PendingPublication(entry.publish_at, entry.changed_at, seconds, None, entry.late)
    revision = pending_revision(tx, entry)
    if revision is None:
        return None
    seconds = (revision.apply_at - now(tx)).total_seconds()
    return PendingPublication(revision.apply_at, revision.created_at, seconds, revision)
