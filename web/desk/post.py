"""Posting a new or unpublished entry."""

from dataclasses import replace

from flask import Blueprint, redirect, request, url_for
from flask.typing import ResponseReturnValue

from models.publishing.posting import UNPUBLISHED_STATES, Release, add_entry, post_draft, save_draft
from models.publishing.revising import text_of_revision
from models.streams.autosave import delete_autosave, find_autosave
from models.streams.entries import get_entry, is_own_draft
from models.streams.streams import find_stream
from models.tables.people import Role
from models.tables.stories import Entry, EntryState, Stream
from models.text.errors import Conflict, Invalid
from models.text.texts import EntryText, slugify
from web.context import service
from web.desk.autosave_forms import autosave
from web.desk.draft import Draft
from web.desk.form_page import confirm_page, edit_page, must_confirm, new_page
from web.desk.forms import EntryForm
from web.desk.guard import requires
from web.desk.picture_pages import with_files
from web.error_pages import on_form_error
from web.login import current_actor

bp = Blueprint("post", __name__)


@bp.get("/post")
@requires(Role.AUTHOR)
def new() -> ResponseReturnValue:
    with service().db.read() as tx:
        unsaved = find_autosave(tx, current_actor(), request.args.get("kept", ""))
    if unsaved:
        return new_page(EntryForm.kept(unsaved))
    return new_page(EntryForm.empty(request.args.get("stream", "")))


@bp.post("/post")
@requires(Role.AUTHOR)
def send() -> ResponseReturnValue:
    form = EntryForm.read(request.form, kind="")
    with on_form_error(new_page, form):
        form = with_files(form)
    with on_form_error(new_page, form):
        return _post_new(form)


def _post_new(form: EntryForm) -> ResponseReturnValue:
    if form.do == "back":
        return new_page(form)
    draft = Draft.of(form, _stream(form.stream))
    release = form.release(draft.stream.timezone, service().settings.undo_seconds)
    if form.do == "preview":
        return new_page(autosave(form, "")[0], preview=True)
    posts = _posts(form)
    if posts and must_confirm(draft):
        return confirm_page(draft)
    entry = add_entry(
        service().db,
        current_actor(),
        draft.stream.slug,
        draft.text,
        release if posts else None,
        plan=release,
        request_key=form.key(),
    )
    # this form was submitted before, with other content
    if _differs(entry, draft.text, release, posts):
        with on_form_error(edit_page, entry.uid, form):
            _change(entry.uid, 1, draft.text, release, posts)
    delete_autosave(service().db, current_actor(), form.key())
    return redirect(url_for("desk.entries.show", uid=entry.uid), 303)


@bp.post("/entries/<uid:uid>/draft")
@requires(Role.EDITOR, or_own=is_own_draft)
def send_draft(uid: str) -> ResponseReturnValue:
    form = EntryForm.read(request.form, kind="")
    with service().db.read() as tx:
        stream = get_entry(tx, uid).stream
    with on_form_error(edit_page, uid, form):
        form = with_files(form)
    with on_form_error(edit_page, uid, form):
        return _post_draft(uid, stream, form)


def _post_draft(uid: str, stream: Stream, form: EntryForm) -> ResponseReturnValue:
    if form.do == "back":
        return edit_page(uid, form)
    draft = Draft.of(form, stream)
    release = form.release(stream.timezone, service().settings.undo_seconds)
    if form.do == "preview":
        return edit_page(uid, autosave(form, uid)[0], preview=True)
    posts = _posts(form)
    if posts and must_confirm(draft):
        return confirm_page(draft)
    _change(uid, form.version_number(), draft.text, release, posts)
    delete_autosave(service().db, current_actor(), uid)
    return redirect(url_for("desk.entries.show", uid=uid), 303)


def _posts(form: EntryForm) -> bool:
    if form.do not in {"draft", "post"}:
        raise Conflict("Choose Preview, Save draft or Publish.")
    return form.do == "post"


def _change(uid: str, version: int, text: EntryText, release: Release, posts: bool) -> None:
    store = post_draft if posts else save_draft
    store(service().db, current_actor(), uid, version, text, release)


def _differs(entry: Entry, text: EntryText, release: Release, posts: bool) -> bool:
    if (entry.state is EntryState.DRAFT) is posts:
        return True
    if entry.alerts != release.alerts or entry.dated_at != release.at:
        return True
    if not _says_else(EntryText.of(entry), entry, text):
        return False
    if entry.state in UNPUBLISHED_STATES:
        return True
    with service().db.read() as tx:  # later revisions by others are no difference
        return _says_else(text_of_revision(tx, entry, 1), entry, text)


def _says_else(earlier: EntryText, entry: Entry, text: EntryText) -> bool:
    known = {slugify(name) for name in earlier.byline}
    for person in entry.byline:
        known |= {person.slug, slugify(person.name)}
    unknown = {slugify(name) for name in text.byline} - known
    return (
        bool(unknown)
        or len(earlier.byline) != len(text.byline)
        or replace(earlier, byline=()) != replace(text, byline=())
    )


def _stream(slug: str) -> Stream:
    with service().db.read() as tx:
        stream = find_stream(tx, slug)
    if stream is None:
        raise Invalid("stream", "choose one of the stories.")
    return stream
