"""What is typed, kept on the server while it is typed; with each time comes back what it looks like
and whom it tells.
"""

import re
from dataclasses import dataclass, replace
from datetime import datetime

from flask import Blueprint, Response, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from models.streams.autosave import delete_autosave, find_autosave, store_autosave
from models.streams.contributors import suggest_contributors
from models.streams.entries import entries_query, get_entry
from models.streams.streams import find_stream
from models.tables.ledger import RecipientKind
from models.tables.people import Role
from models.tables.stories import Entry
from models.text.errors import AutosaveConflict, Invalid, ServiceError
from notifier.content.alert_preview import typed
from notifier.content.render import Sender
from web.context import service
from web.desk.forms import EntryForm
from web.desk.guard import requires
from web.desk.preview import build_preview, kind_of, mail_of
from web.desk.test_inbox import framed
from web.form_values import LINES
from web.login import current_actor

bp = Blueprint("kept", __name__)

# of one sending, no part of what is typed
_PASSING = {"csrf_token", "do", "confirmed", "seen", "typed", "entry", "first", "drop"}
_PLACE = re.compile(r"[0-9a-z]{1,32}")


@dataclass(frozen=True)
class Keeping:
    """What came of keeping a form: when it was kept, or when another window kept another text, or
    why it is not kept.
    """

    at: datetime | None = None
    elsewhere: datetime | None = None
    problem: str = ""


@bp.post("/preview")
@requires(Role.AUTHOR)
def live() -> ResponseReturnValue:
    """What a form looks like and whom it tells, as it stands; it is kept where anything was typed
    into it.
    """
    form, uid = EntryForm.read(request.form), request.form.get("entry", "")
    form, keeping = autosave(form, uid) if form.typed else (form, Keeping())
    with service().db.read() as tx:
        entry = get_entry(tx, uid) if uid else None
        stream = entry.stream if entry else find_stream(tx, form.stream)
        seen = build_preview(tx, form, stream, entry)
    place = uid or form.request_key
    values = {
        "form": form,
        "keeping": keeping,
        "look": seen,
        "stream": stream,
        "entry": entry,
        "place": place,
        "kinds": RecipientKind,
    }
    return render_template("desk/live.html", **values)


@bp.post("/kept/<uid:place>/drop")
@requires(Role.AUTHOR)
def drop(place: str) -> ResponseReturnValue:
    """Forget what was typed there."""
    delete_autosave(service().db, current_actor(), place)
    return redirect(url_for("desk.board.show"), 303)


@bp.get("/kept/<uid:place>/mail")
@requires(Role.AUTHOR)
def mail(place: str) -> ResponseReturnValue:
    """The mail that would go out, for a frame that may do nothing: of what was typed there, else of
    that entry.
    """
    with service().db.read() as tx:
        found, entry = (
            find_autosave(tx, current_actor(), place),
            tx.scalar(entries_query().where(Entry.uid == place)),
        )
        form = EntryForm.kept(found) if found else EntryForm.of(entry or get_entry(tx, place))
        stream = entry.stream if entry else find_stream(tx, form.stream)
        if stream is None:
            raise Invalid("stream", "choose one of the stories.")
        story = typed(
            tx, form.text(), stream=stream, entry=entry, kind=kind_of(form), note=form.note
        )
    return framed(mail_of(story, Sender.of(service().settings), stream).html)


@bp.get("/people")
@requires(Role.AUTHOR)
def people() -> Response:
    """Whom a byline may mean, by the beginning of a name."""
    words, slug = request.args.get("q", "")[:100], request.args.get("stream", "")
    with service().db.read() as tx:
        found = suggest_contributors(tx, words, slug)
    # A name with a comma in it would be taken for two; its slug means the same person.
    return jsonify(
        [
            {
                "name": one.name,
                "value": one.slug if "," in one.name else one.name,
                "entries": one.entries,
            }
            for one in found
        ]
    )


def autosave(form: EntryForm, uid: str) -> tuple[EntryForm, Keeping]:
    """Keep what was sent, of a change of that entry or of a new one; the form knows then up to
    where it is kept.
    """
    place = uid or form.request_key
    fields = {name: values for name, values in request.form.lists() if name not in _PASSING}
    # with pictures that came with it, and without those to be dropped
    fields |= {name: [getattr(form, name)] for name in LINES}
    try:
        if not _PLACE.fullmatch(place):
            raise Invalid("request_key", "open the form anew.")
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
        return form, Keeping(problem=str(error))
    return replace(form, seen=at.isoformat()), Keeping(at)
