"""Posting: a new entry, or one that is not out yet."""

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
from models.text.errors import Conflict, Invalid, RequestKeyReused
from models.text.texts import EntryText, slugify
from web.context import service
from web.desk.autosave_forms import autosave
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
    """An empty form, or what somebody was typing."""
    with service().db.read() as tx:
        found = find_autosave(tx, current_actor(), request.args.get("kept", ""))
    return new_page(
        EntryForm.kept(found) if found else EntryForm.empty(request.args.get("stream", ""))
    )


@bp.post("/post")
@requires(Role.AUTHOR)
def send() -> ResponseReturnValue:
    """Preview, save or post a new entry."""
    form = EntryForm.read(request.form, kind="")
    on_form_error(
        lambda error: new_page(
            _with_new_key(form) if isinstance(error, RequestKeyReused) else form, error=error
        )
    )
    form = with_files(form)
    if form.do == "back":
        return new_page(form)
    stream, text = _stream(form.stream), form.text()
    release = form.release(stream.timezone, service().settings.undo_seconds)
    if form.do == "preview":
        return new_page(autosave(form, "")[0], preview=True)
    posts = _posts(form)
    if posts and must_confirm(form, stream, text):
        return confirm_page(form, stream, text)
    wish = release if posts else None
    entry = add_entry(
        service().db, current_actor(), stream.slug, text, wish, plan=release, request_key=form.key()
    )
    # this form was sent before, and its entry is not what is asked for now
    if _differs(entry, text, release, posts):
        on_form_error(lambda error: edit_page(entry.uid, form, error=error))
        _change(entry.uid, 1, text, release, posts)
    delete_autosave(service().db, current_actor(), form.key())
    return redirect(url_for("desk.entries.show", uid=entry.uid), 303)


@bp.post("/entries/<uid:uid>/draft")
@requires(Role.EDITOR, or_own=is_own_draft)
def send_draft(uid: str) -> ResponseReturnValue:
    """Preview, save or post an entry that is not out yet."""
    form = EntryForm.read(request.form, kind="")
    with service().db.read() as tx:
        stream = get_entry(tx, uid).stream
    on_form_error(lambda error: edit_page(uid, form, error=error))
    form = with_files(form)
    if form.do == "back":
        return edit_page(uid, form)
    text = form.text()
    release = form.release(stream.timezone, service().settings.undo_seconds)
    if form.do == "preview":
        return edit_page(uid, autosave(form, uid)[0], preview=True)
    posts = _posts(form)
    if posts and must_confirm(form, stream, text):
        return confirm_page(form, stream, text)
    _change(uid, form.version_number(), text, release, posts)
    delete_autosave(service().db, current_actor(), uid)
    return redirect(url_for("desk.entries.show", uid=uid), 303)


def _with_new_key(form: EntryForm) -> EntryForm:
    """The same, to make another entry when it is sent again."""
    return replace(form, request_key=EntryForm.empty().request_key)


def _posts(form: EntryForm) -> bool:
    if form.do not in {"draft", "post"}:
        raise Conflict("Choose Preview, Save draft or Post.")
    return form.do == "post"


def _change(uid: str, version: int, text: EntryText, release: Release, posts: bool) -> None:
    change = post_draft if posts else save_draft
    change(service().db, current_actor(), uid, version, text, release)


def _differs(entry: Entry, text: EntryText, release: Release, posts: bool) -> bool:
    if (entry.state is EntryState.DRAFT) is posts or (entry.alerts, entry.dated_at) != (
        release.alerts,
        release.at,
    ):
        return True
    if not _says_else(EntryText.of(entry), entry, text):
        return False
    if entry.state in UNPUBLISHED_STATES:
        return True
    with service().db.read() as tx:  # what others made of it since it came out is no difference
        return _says_else(text_of_revision(tx, entry, 1), entry, text)


def _says_else(earlier: EntryText, entry: Entry, text: EntryText) -> bool:
    known = {key for person in entry.byline for key in (person.slug, slugify(person.name))} | {
        slugify(name) for name in earlier.byline
    }
    unknown = {slugify(name) for name in text.byline} - known
    return (
        bool(unknown)
        or len(earlier.byline) != len(text.byline)
        or replace(earlier, byline=()) != replace(text, byline=())
    )


def _stream(slug: str) -> Stream:
    with service().db.read() as tx:
        found = find_stream(tx, slug)
    if found is None:
        raise Invalid("stream", "choose one of the stories.")
    return found
