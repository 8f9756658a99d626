"""Autosave of the entry form: each request stores the form and answers with its preview."""

import re
from dataclasses import dataclass, replace
from datetime import datetime

from flask import Blueprint, Response, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import ngettext  # type: ignore[import-untyped]

from models.streams.autosave import delete_autosave, find_autosave, store_autosave
from models.streams.contributors import Suggestion, suggest_contributors
from models.streams.entries import entries_query, get_entry
from models.streams.streams import find_stream
from models.tables.ledger import RecipientKind
from models.tables.people import Role
from models.tables.stories import Entry
from models.text.errors import AutosaveConflict, Invalid, ServiceError
from notifier.content.render import Sender
from web.context import service
from web.desk.draft import Draft
from web.desk.forms import EntryForm
from web.desk.guard import requires
from web.desk.mailbox_pages import framed
from web.desk.preview import build_preview, mail_of
from web.form_values import LINES
from web.language import said
from web.login import current_actor

bp = Blueprint("kept", __name__)

# Fields of one request, which are no part of the typed text.
_PASSING = {"csrf_token", "do", "confirmed", "seen", "typed", "entry", "first", "drop"}
_PLACE = re.compile(r"[0-9a-z]{1,32}")


@dataclass(frozen=True)
class Keeping:
    """The outcome of an autosave: its time, the time of another window's version, or a problem."""

    at: datetime | None = None
    elsewhere: datetime | None = None
    problem: str = ""


@bp.post("/preview")
@requires(Role.AUTHOR)
def live() -> ResponseReturnValue:
    """The preview of a form and its recipients; the form is stored once anything was typed."""
    form = EntryForm.read(request.form)
    uid = request.form.get("entry", "")
    keeping = Keeping()
    if form.typed:
        form, keeping = autosave(form, uid)
    with service().db.read() as tx:
        entry = get_entry(tx, uid) if uid else None
        stream = entry.stream if entry else find_stream(tx, form.stream)
        preview = build_preview(tx, form, stream, entry)
    return render_template(
        "desk/live.html",
        form=form,
        keeping=keeping,
        look=preview,
        stream=stream,
        entry=entry,
        place=uid or form.request_key,
        kinds=RecipientKind,
    )


@bp.post("/kept/<uid:place>/drop")
@requires(Role.AUTHOR)
def drop(place: str) -> ResponseReturnValue:
    delete_autosave(service().db, current_actor(), place)
    return redirect(url_for("desk.board.show"), 303)


@bp.get("/kept/<uid:place>/mail")
@requires(Role.AUTHOR)
def mail(place: str) -> ResponseReturnValue:
    """The e-mail that an unsaved draft, or else the entry, would send; for a sandboxed frame."""
    with service().db.read() as tx:
        unsaved = find_autosave(tx, current_actor(), place)
        entry = tx.scalar(entries_query().where(Entry.uid == place))
        if unsaved:
            form = EntryForm.kept(unsaved)
        elif entry:
            form = EntryForm.of(entry)
        else:
            form = EntryForm.of(get_entry(tx, place))
        stream = entry.stream if entry else find_stream(tx, form.stream)
        if stream is None:
            raise Invalid("stream", "choose one of the stories.")
        content = Draft.of(form, stream, entry).content(tx)
    return framed(mail_of(content, Sender.of(service().settings), stream).html)


@bp.get("/people")
@requires(Role.AUTHOR)
def people() -> Response:
    text = request.args.get("q", "")[:100]
    slug = request.args.get("stream", "")
    with service().db.read() as tx:
        suggestions = suggest_contributors(tx, text, slug)
    return jsonify([_option(suggestion) for suggestion in suggestions])


def _option(suggestion: Suggestion) -> dict[str, str]:
    hint = ""
    if suggestion.entries:
        hint = ngettext(
            "in %(num)s entry of this story",
            "in %(num)s entries of this story",
            suggestion.entries,
        )
    return {"name": suggestion.name, "value": suggestion.byline_name, "hint": hint}


def autosave(form: EntryForm, uid: str) -> tuple[EntryForm, Keeping]:
    """Store the form of a new entry, or of a change of ``uid``; return it with its time."""
    place = uid or form.request_key
    fields = {name: values for name, values in request.form.lists() if name not in _PASSING}
    # The form has the uploaded pictures, without those to be dropped.
    fields |= {name: [getattr(form, name)] for name in LINES}
    try:
        if not _PLACE.fullmatch(place):
            raise Invalid("request_key", "reload the page.")
        at = store_autosave(
            service().db,
            current_actor(),
            place,
            fields,
            window=form.window,
            seen=form.seen_at(),
            key=form.request_key,
        )
    except AutosaveConflict as error:
        return form, Keeping(elsewhere=error.saved_at)
    except ServiceError as error:
        return form, Keeping(problem=said(error))
    return replace(form, seen=at.isoformat()), Keeping(at)
