"""The page of an entry's form, in every state that it can be in, and the question before many are told."""

from dataclasses import replace

from flask import render_template
from sqlalchemy.orm import Session

from models.audience import Topic, count
from models.contributors import list_contributors
from models.entries import get_entry
from models.errors import Invalid, ServiceError, StaleVersion
from models.ledger import RecipientKind
from models.markdown import to_html
from models.posting import UNPUBLISHED
from models.stories import Entry, Importance, Stream, StreamState
from models.streams import list_streams
from models.texts import EntryText, slugify
from web.context import service
from web.desk.forms import EntryForm
from web.login import may_publish


def new_page(form: EntryForm, *, error: ServiceError | None = None, preview: EntryText | None = None) -> str:
    """The form of a new entry."""
    with service().db.read() as tx:
        streams = [stream for stream in list_streams(tx) if stream.state is not StreamState.ENDED]
        stream = next((stream for stream in streams if stream.slug == form.stream), None)
        return _page(tx, form, stream, error=error, preview=preview, streams=streams)


def edit_page(uid: str, form: EntryForm | None = None, *, error: ServiceError | None = None, preview: EntryText | None = None) -> str:
    """The form of an existing entry: as it stands, or as sent, and then beside it what somebody else made of it meanwhile."""
    with service().db.read() as tx:
        entry = get_entry(tx, uid)
        theirs = EntryForm.of(entry) if isinstance(error, StaleVersion) else None
        form = form or EntryForm.of(entry)
        if theirs:  # it may have come out meanwhile, and then wants another kind of change
            form = replace(form, version=theirs.version, kind=form.kind or theirs.kind, request_key=theirs.request_key, confirmed="")
        return _page(tx, form, entry.stream, error=error, preview=preview, entry=entry, theirs=theirs)


def must_confirm(form: EntryForm, stream: Stream, text: EntryText) -> bool:
    """Whether a person has to be asked before so many are told."""
    if form.confirmed or not form.alerts() or not may_publish() or stream.state is StreamState.HIDDEN:
        return False
    with service().db.read() as tx:
        told = sum(_audience(tx, form, stream, text).values())
    return told > 0 and (text.importance is Importance.BREAKING or told > service().settings.confirm_above)


def confirm_page(form: EntryForm, stream: Stream, text: EntryText) -> str:
    """The question; its button names the number."""
    with service().db.read() as tx:
        told = _audience(tx, form, stream, text)
    return render_template("desk/confirm.html", at="post", form=form, stream=stream, text=text, told=told, kinds=RecipientKind)


def _page(
    tx: Session,
    form: EntryForm,
    stream: Stream | None,
    *,
    error: ServiceError | None,
    preview: EntryText | None,
    streams: list[Stream] | None = None,
    entry: Entry | None = None,
    theirs: EntryForm | None = None,
) -> str:
    return render_template(
        "desk/form.html",
        at="post",
        form=form,
        entry=entry,
        out=entry is not None and entry.state not in UNPUBLISHED,
        stream=stream,
        streams=streams or [],
        people=list_contributors(service().db),
        error=error,
        wrong={error.field: error.reason} if isinstance(error, Invalid) else {},
        preview=preview,
        preview_html=to_html(preview.body) if preview else "",
        told=_audience(tx, form, stream, preview) if preview and stream and form.alerts() else None,
        kinds=RecipientKind,
        theirs=theirs,
    )


def _audience(tx: Session, form: EntryForm, stream: Stream, text: EntryText) -> dict[RecipientKind, int]:
    tags = tuple(slugify(tag) for tag in text.tags)
    return count(tx, Topic(stream.id, text.importance, tags, correction=form.kind not in {"", "silent"}))
