"""Changes of published entries: edit, retract, restore."""

from dataclasses import replace
from datetime import timedelta

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from models.publishing.revising import (
    TEXT_KINDS,
    Change,
    restore,
    retract,
    revise,
    text_of_revision,
)
from models.streams.autosave import delete_autosave, find_autosave
from models.streams.entries import get_entry, is_own_draft
from models.tables.people import Role
from models.tables.stories import Entry, RevisionKind
from models.text.errors import Conflict, ServiceError, StaleVersion
from web.context import service
from web.desk.autosave_forms import autosave
from web.desk.draft import Draft
from web.desk.form_page import confirm_page, edit_page, must_confirm
from web.desk.forms import EntryForm, version_number
from web.desk.guard import requires
from web.desk.picture_pages import with_files
from web.error_pages import on_form_error
from web.language import field_errors
from web.login import current_actor
from web.url_converters import number

bp = Blueprint("revise", __name__)


@bp.get("/entries/<uid:uid>/edit")
@requires(Role.EDITOR, or_own=is_own_draft)
def edit(uid: str) -> ResponseReturnValue:
    """The form; ``from`` is the number of a revision to start from, ``kind`` the type of change."""
    no = number(request.args.get("from"))
    kind = request.args.get("kind", "")
    with service().db.read() as tx:
        entry = get_entry(tx, uid)
        unsaved = find_autosave(tx, current_actor(), uid)
        former = text_of_revision(tx, entry, no) if no is not None else None
    if unsaved is not None and "kept" in request.args:
        form = EntryForm.kept(unsaved)
        error = None
        if form.version_number() != entry.version:
            error = StaleVersion(uid, entry.version)
        return edit_page(uid, form, error=error)
    form = EntryForm.of(entry)
    if former is not None:
        form = form.saying(former)
    if form.kind and kind in {kind.value for kind in TEXT_KINDS}:
        form = replace(form, kind=kind)
    return edit_page(uid, form, autosave=unsaved)


@bp.post("/entries/<uid:uid>/revise")
@requires(Role.EDITOR)
def send_revision(uid: str) -> ResponseReturnValue:
    form = EntryForm.read(request.form)
    with service().db.read() as tx:
        entry = get_entry(tx, uid)
    with on_form_error(edit_page, uid, form):
        form = with_files(form)
    with on_form_error(edit_page, uid, form):
        return _revise(entry, form)


def _revise(entry: Entry, form: EntryForm) -> ResponseReturnValue:
    uid = entry.uid
    if form.do == "back":
        return edit_page(uid, form)
    draft = Draft.of(form, entry.stream, entry)
    change = form.change(service().settings.undo_seconds)
    if form.do == "preview":
        return edit_page(uid, autosave(form, uid)[0], preview=True)
    if form.do != "save":
        raise Conflict("Choose Preview or Save.")
    if must_confirm(draft):
        return confirm_page(draft)
    if change.kind is RevisionKind.RETRACTION:
        retract(service().db, current_actor(), uid, form.version_number(), change)
    else:
        revise(service().db, current_actor(), uid, form.version_number(), draft.text, change)
    delete_autosave(service().db, current_actor(), uid)
    return redirect(url_for("desk.entries.show", uid=uid), 303)


@bp.get("/entries/<uid:uid>/retract")
@requires(Role.EDITOR)
def ask_retract(uid: str) -> ResponseReturnValue:
    return _retract_page(uid)


@bp.post("/entries/<uid:uid>/retract")
@requires(Role.EDITOR)
def send_retraction(uid: str) -> ResponseReturnValue:
    form = EntryForm.read(request.form, kind=RevisionKind.RETRACTION.value)
    with on_form_error(_retract_page, uid):
        change = form.change(service().settings.undo_seconds)
        retract(service().db, current_actor(), uid, form.version_number(), change)
    return redirect(url_for("desk.entries.show", uid=uid), 303)


@bp.post("/entries/<uid:uid>/restore")
@requires(Role.EDITOR)
def send_restoration(uid: str) -> ResponseReturnValue:
    change = Change(RevisionKind.RESTORE, delay=timedelta(0))
    restore(service().db, current_actor(), uid, version_number(request.form.get("version")), change)
    return redirect(url_for("desk.entries.show", uid=uid), 303)


def _retract_page(uid: str, error: ServiceError | None = None) -> str:
    with service().db.read() as tx:
        entry = get_entry(tx, uid)
    return render_template(
        "desk/retract.html",
        at="entries",
        entry=entry,
        form=EntryForm.of(entry),
        note=request.form.get("note", ""),
        error=error,
        wrong=field_errors(error),
    )
