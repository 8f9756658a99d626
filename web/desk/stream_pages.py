"""Stories: list, settings and state."""

from collections.abc import Mapping
from dataclasses import replace

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from models.streams.page_queries import board
from models.streams.streams import (
    StreamText,
    add_stream,
    edit_stream,
    find_stream,
    get_stream,
    set_stream_state,
)
from models.tables.people import Role
from models.tables.stories import FeedText, Stream, StreamState
from models.text.errors import Conflict, Invalid, ServiceError
from web.context import service
from web.desk.forms import choice, names
from web.desk.guard import requires
from web.desk.picture_pages import kept_file
from web.error_pages import on_form_error
from web.language import field_errors
from web.login import current_actor
from web.url_converters import number

bp = Blueprint("streams", __name__)

# Quiet comes by itself; deleting is for the command line, because nothing here could take it back.
_CHOICES = (StreamState.LIVE, StreamState.HIDDEN, StreamState.ENDED)

_MAX_TITLE = 200  # characters

_PLAIN = ("subject_prefix", "mail_intro", "mail_footer", "color", "picture", "picture_alt")


@bp.get("/streams")
@requires(Role.AUTHOR)
def show() -> ResponseReturnValue:
    title = request.args.get("q", "").strip()[:_MAX_TITLE]
    with service().db.read() as tx:
        streams = board(tx, title=title, before=number(request.args.get("before")))
    return render_template("desk/streams.html", at="streams", board=streams, title=title)


@bp.get("/streams/new")
@requires(Role.EDITOR)
def new() -> ResponseReturnValue:
    settings = service().settings
    return _form(
        _values(StreamText("", language=settings.site_language, timezone=settings.site_timezone))
    )


@bp.post("/streams/new")
@requires(Role.EDITOR)
def send() -> ResponseReturnValue:
    with on_form_error(_form, request.form):
        sent = _with_picture(request.form)
    slug = sent.get("slug", "").strip()
    with on_form_error(_form, sent):
        with service().db.read() as tx:
            if find_stream(tx, slug) is not None:
                raise Invalid("slug", "another story already has this address.")
        stream = add_stream(service().db, current_actor(), slug, _text(sent))
    return redirect(url_for("desk.post.new", stream=stream.slug), 303)


@bp.get("/streams/<slug:slug>/edit")
@requires(Role.EDITOR)
def edit(slug: str) -> ResponseReturnValue:
    return _edit_form(slug)


@bp.post("/streams/<slug:slug>/edit")
@requires(Role.EDITOR)
def save(slug: str) -> ResponseReturnValue:
    with on_form_error(_edit_form, slug, request.form):
        sent = _with_picture(request.form)
    with on_form_error(_edit_form, slug, sent):
        edit_stream(
            service().db,
            current_actor(),
            slug,
            _text(sent),
            former=sent.get("former"),
            move_to=sent.get("slug", "").strip() or None,
        )
    return redirect(url_for("desk.streams.show"), 303)


@bp.post("/streams/<slug:slug>/state")
@requires(Role.EDITOR)
def set_state(slug: str) -> ResponseReturnValue:
    state = choice(StreamState, "state", request.form.get("state", ""))
    if state not in _CHOICES:
        raise Conflict("Choose live, hidden or ended.")
    set_stream_state(service().db, current_actor(), slug, state)
    return redirect(url_for("desk.streams.show"), 303)


def _with_picture(sent: Mapping[str, str]) -> Mapping[str, str]:
    """The form with an uploaded picture, or without a removed one; raises Invalid."""
    if sent.get("drop"):
        sent = {**sent, "picture": "", "picture_alt": ""}
    return {**sent, "picture": kept_file(sent.get("picture", ""))}


def _text(sent: Mapping[str, str]) -> StreamText:
    """Raises Invalid."""
    return StreamText(
        sent.get("title", ""),
        sent.get("dek", ""),
        sent.get("overview", ""),
        names(sent.get("contributor", "")),
        sent.get("language", ""),
        sent.get("timezone", ""),
        choice(FeedText, "feed_text", sent.get("feed_text", FeedText.FULL.value)),
        **{name: sent.get(name, "") for name in _PLAIN},
    )


def _values(text: StreamText) -> dict[str, str]:
    return {
        "title": text.title,
        "dek": text.dek,
        "overview": text.overview,
        "contributor": ", ".join(text.contributors),
        "language": text.language,
        "timezone": text.timezone,
        "feed_text": text.feed_text.value,
        **{name: getattr(text, name) for name in _PLAIN},
    }


def _edit_form(
    slug: str, sent: Mapping[str, str] | None = None, error: ServiceError | None = None
) -> str:
    """The form of a story; after a conflict with the stored values beside it."""
    with service().db.read() as tx:
        stream = get_stream(tx, slug)
        text = StreamText.of(stream)
    byline = tuple(person.byline_name for person in stream.contributors)
    theirs = _values(replace(text, contributors=byline))
    stale = sent is not None and sent.get("former") != text.fingerprint
    differing = {}
    if sent and stale:
        for name, value in theirs.items():
            if value.split() != sent.get(name, "").split():
                differing[name] = value
    return _form(
        sent or theirs | {"slug": slug},
        error,
        stream=stream,
        former=text.fingerprint,
        theirs=differing,
    )


def _form(
    values: Mapping[str, str],
    error: ServiceError | None = None,
    *,
    stream: Stream | None = None,
    **variables: object,
) -> str:
    return render_template(
        "desk/stream_form.html",
        at="streams",
        values=values,
        error=error,
        wrong=field_errors(error),
        stream=stream,
        **variables,
    )
