"""Stories: the list, a new one, what it says, and its state."""

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
    """A page of stories, or of those with some words in their title, and what can be done to each."""
    title = request.args.get("q", "").strip()[:_MAX_TITLE]
    with service().db.read() as tx:
        found = board(tx, title=title, before=number(request.args.get("before")))
    return render_template("desk/streams.html", at="streams", board=found, title=title)


@bp.get("/streams/new")
@requires(Role.EDITOR)
def new() -> ResponseReturnValue:
    """An empty form."""
    settings = service().settings
    return _form(
        _values(StreamText("", language=settings.site_language, timezone=settings.site_timezone))
    )


@bp.post("/streams/new")
@requires(Role.EDITOR)
def send() -> ResponseReturnValue:
    """Begin a story."""
    sent: Mapping[str, str] = request.form
    on_form_error(lambda error: _form(sent, error))
    sent = _with_picture(sent)
    slug = sent.get("slug", "").strip()
    with service().db.read() as tx:
        if find_stream(tx, slug) is not None:
            raise Invalid("slug", "another story already has this address.")
    stream = add_stream(service().db, current_actor(), slug, _text(sent))
    return redirect(url_for("desk.post.new", stream=stream.slug), 303)


@bp.get("/streams/<slug:slug>/edit")
@requires(Role.EDITOR)
def edit(slug: str) -> ResponseReturnValue:
    """What a story says now."""
    return _edit_form(slug)


@bp.post("/streams/<slug:slug>/edit")
@requires(Role.EDITOR)
def save(slug: str) -> ResponseReturnValue:
    """Change what a story says."""
    sent: Mapping[str, str] = request.form
    on_form_error(lambda error: _edit_form(slug, sent, error))
    sent = _with_picture(sent)
    move_to = sent.get("slug", "").strip() or None
    edit_stream(
        service().db, current_actor(), slug, _text(sent), former=sent.get("former"), move_to=move_to
    )
    return redirect(url_for("desk.streams.show"), 303)


@bp.post("/streams/<slug:slug>/state")
@requires(Role.EDITOR)
def set_state(slug: str) -> ResponseReturnValue:
    """Open, hide, end or re-open a story."""
    state = choice(StreamState, "state", request.form.get("state", ""))
    if state not in _CHOICES:
        raise Conflict("Choose live, hidden or ended.")
    set_stream_state(service().db, current_actor(), slug, state)
    return redirect(url_for("desk.streams.show"), 303)


def _with_picture(sent: Mapping[str, str]) -> Mapping[str, str]:
    """The form with the picture that was sent with it, or without the one that was to be removed;
    raises Invalid.
    """
    if sent.get("drop"):
        sent = {**sent, "picture": "", "picture_alt": ""}
    return {**sent, "picture": kept_file(sent.get("picture", ""))}


def _text(sent: Mapping[str, str]) -> StreamText:
    """What a form says; raises Invalid."""
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
    """The fields of a form that says ``text``."""
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
    """The form of a story as it stands, or as sent, and then with what somebody else made of it
    meanwhile.
    """
    with service().db.read() as tx:
        stream = get_stream(tx, slug)
        text = StreamText.of(stream)
    # A name with a comma in it would be taken for two; its slug means the same person.
    by_name = tuple(
        person.slug if "," in person.name else person.name for person in stream.contributors
    )
    theirs = _values(replace(text, contributors=by_name))
    stale = sent is not None and sent.get("former") != text.fingerprint
    differ = {
        name: value
        for name, value in theirs.items()
        if sent and stale and value.split() != sent.get(name, "").split()
    }
    return _form(
        sent or theirs | {"slug": slug},
        error,
        stream=stream,
        former=text.fingerprint,
        theirs=differ,
    )


def _form(
    values: Mapping[str, str],
    error: ServiceError | None = None,
    *,
    stream: Stream | None = None,
    **shown: object,
) -> str:
    wrong = {error.field: error.reason} if isinstance(error, Invalid) else {}
    return render_template(
        "desk/stream_form.html",
        at="streams",
        values=values,
        error=error,
        wrong=wrong,
        stream=stream,
        **shown,
    )
