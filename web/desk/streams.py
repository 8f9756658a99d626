"""Stories: the list, a new one, and its state."""

from collections.abc import Mapping

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from models.errors import Conflict, Invalid, ServiceError
from models.people import Role
from models.reading import board
from models.stories import StreamState
from models.streams import StreamText, add_stream, set_stream_state
from web.context import service
from web.desk.forms import choice, names
from web.desk.guard import requires
from web.errors import show_again
from web.login import current_actor

bp = Blueprint("streams", __name__)

# Quiet comes by itself; deleting is for the command line, because nothing here could take it back.
_CHOICES = (StreamState.LIVE, StreamState.HIDDEN, StreamState.ENDED)


@bp.get("/streams")
def show() -> ResponseReturnValue:
    """All stories and what can be done to each."""
    with service().db.read() as tx:
        return render_template("desk/streams.html", at="streams", board=board(tx))


@bp.get("/streams/new")
@requires(Role.EDITOR)
def new() -> ResponseReturnValue:
    """An empty form."""
    settings = service().settings
    return _form({"language": settings.site_language, "timezone": settings.site_timezone})


@bp.post("/streams/new")
def send() -> ResponseReturnValue:
    """Begin a story."""
    sent = request.form
    show_again(lambda error: _form(sent, error))
    slug = sent.get("slug", "").strip()
    with service().db.read() as tx:
        if any(stream.slug == slug for stream in board(tx).streams):
            raise Invalid("slug", "another story has this address already.")
    text = StreamText(
        sent.get("title", ""),
        sent.get("dek", ""),
        sent.get("overview", ""),
        names(sent.get("contributor", "")),
        sent.get("language", ""),
        sent.get("timezone", ""),
    )
    stream = add_stream(service().db, current_actor(), slug, text)
    return redirect(url_for("desk.post.new", stream=stream.slug), 303)


@bp.post("/streams/<slug:slug>/state")
def set_state(slug: str) -> ResponseReturnValue:
    """Open, hide, end or re-open a story."""
    state = choice(StreamState, "state", request.form.get("state", ""))
    if state not in _CHOICES:
        raise Conflict("Choose live, hidden or ended.")
    set_stream_state(service().db, current_actor(), slug, state)
    return redirect(url_for("desk.streams.show"), 303)


def _form(values: Mapping[str, str], error: ServiceError | None = None) -> str:
    wrong = {error.field: error.reason} if isinstance(error, Invalid) else {}
    return render_template("desk/stream_form.html", at="streams", values=values, error=error, wrong=wrong)
