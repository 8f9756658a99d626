"""Submitted, scheduled and pinned entries."""

from dataclasses import replace
from datetime import timedelta

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from models.db.clock import now
from models.publishing.approving import approve, return_entry, withdraw_submission
from models.publishing.scheduling import reschedule, scheduled_entries
from models.streams.entries import get_entry, is_own_submission
from models.streams.page_queries import account_names
from models.streams.pinning import pin_entry, unpin_entry
from models.tables.people import Role
from models.tables.stories import Entry
from models.text.errors import ServiceError
from models.text.times import parse_time
from web.context import service
from web.desk.draft import Draft
from web.desk.entry_pages import entry_page
from web.desk.form_page import confirm_page, must_confirm
from web.desk.forms import EntryForm, version_number
from web.desk.guard import requires
from web.error_pages import on_form_error
from web.login import current_actor

bp = Blueprint("flow", __name__)


@bp.get("/schedule")
@requires(Role.AUTHOR)
def show_schedule() -> ResponseReturnValue:
    return _schedule_page()


@bp.post("/entries/<uid:uid>/approve")
@requires(Role.EDITOR)
def send_approval(uid: str) -> ResponseReturnValue:
    """Approve a submitted entry, after a question if its alert is large."""
    sent = EntryForm.read(request.form)
    if sent.do == "back":
        return _back(uid)
    entry = _entry(uid)
    form = replace(
        EntryForm.of(entry), version=sent.version, confirmed=sent.confirmed, do="approve"
    )
    draft = Draft.of(form, entry.stream)
    if must_confirm(draft, approving=True):
        return confirm_page(draft)
    approve(
        service().db,
        current_actor(),
        uid,
        sent.version_number(),
        delay=timedelta(seconds=service().settings.undo_seconds),
    )
    return _back(uid)


@bp.post("/entries/<uid:uid>/return")
@requires(Role.EDITOR)
def send_back(uid: str) -> ResponseReturnValue:
    with on_form_error(entry_page, uid):
        return_entry(
            service().db,
            current_actor(),
            uid,
            version_number(request.form.get("version")),
            request.form.get("remark", ""),
        )
    return redirect(url_for("desk.board.show"), 303)


@bp.post("/entries/<uid:uid>/take-back")
@requires(Role.EDITOR, or_own=is_own_submission)
def take_own_back(uid: str) -> ResponseReturnValue:
    withdraw_submission(
        service().db, current_actor(), uid, version_number(request.form.get("version"))
    )
    return redirect(url_for("desk.revise.edit", uid=uid), 303)


@bp.post("/entries/<uid:uid>/time")
@requires(Role.EDITOR)
def change_time(uid: str) -> ResponseReturnValue:
    with on_form_error(_schedule_page, uid):
        at = parse_time("at", request.form.get("at", ""), _entry(uid).stream.timezone)
        version = version_number(request.form.get("version"))
        reschedule(service().db, current_actor(), uid, version, at)
    return redirect(url_for("desk.flow.show_schedule"), 303)


@bp.post("/entries/<uid:uid>/pin")
@requires(Role.EDITOR)
def put_on_top(uid: str) -> ResponseReturnValue:
    pin_entry(service().db, current_actor(), uid)
    return _back(uid)


@bp.post("/entries/<uid:uid>/unpin")
@requires(Role.EDITOR)
def take_from_top(uid: str) -> ResponseReturnValue:
    unpin_entry(service().db, current_actor(), uid)
    return _back(uid)


def _entry(uid: str) -> Entry:
    with service().db.read() as tx:
        return get_entry(tx, uid)


def _back(uid: str) -> ResponseReturnValue:
    return redirect(url_for("desk.entries.show", uid=uid), 303)


def _schedule_page(uid: str = "", error: ServiceError | None = None) -> str:
    """The schedule; ``error`` is about the time of entry ``uid``."""
    with service().db.read() as tx:
        entries = scheduled_entries(tx)
        names = account_names(tx, [entry.account_id for entry in entries])
        current_time = now(tx)
    return render_template(
        "desk/schedule.html",
        at="schedule",
        entries=entries,
        names=names,
        now=current_time,
        wrong_uid=uid,
        error=error,
        sent=request.form.get("at", ""),
    )
