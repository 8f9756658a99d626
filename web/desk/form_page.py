"""The page of an entry's form, in every state that it can be in, and the question before many are
told.
"""

from dataclasses import replace

from flask import render_template
from sqlalchemy.orm import Session

from models.db.approval_rules import alerts_in_last_hour, needs_second_editor, rules_in_force
from models.publishing.posting import UNPUBLISHED_STATES
from models.streams.autosave import UnsavedDraft, list_autosaves
from models.streams.entries import get_entry
from models.streams.streams import list_streams
from models.tables.autosaves import Autosave
from models.tables.ledger import RecipientKind
from models.tables.stories import Entry, Importance, Stream, StreamState
from models.text.errors import Invalid, ServiceError, StaleVersion
from models.text.texts import EntryText
from web.context import service
from web.desk.forms import EntryForm
from web.desk.preview import EntryPreview, audience, build_preview
from web.login import current_actor, may_publish


def new_page(form: EntryForm, *, error: ServiceError | None = None, preview: bool = False) -> str:
    """The form of a new entry; an empty one offers what was typed before and not sent."""
    with service().db.read() as tx:
        streams = [stream for stream in list_streams(tx) if stream.state is not StreamState.ENDED]
        stream = next((stream for stream in streams if stream.slug == form.stream), None)
        kept = (
            []
            if form.seen or form.do
            else [one for one in list_autosaves(tx, current_actor()) if one.entry is None]
        )
        return _page(tx, form, stream, error=error, preview=preview, streams=streams, kept=kept)


def edit_page(
    uid: str,
    form: EntryForm | None = None,
    *,
    error: ServiceError | None = None,
    preview: bool = False,
    kept: Autosave | None = None,
) -> str:
    """The form of an existing entry: as it stands, or as sent, and then beside it what somebody
    else made of it meanwhile.

    ``kept`` is what was typed before and not sent, to be offered.
    """
    with service().db.read() as tx:
        entry = get_entry(tx, uid)
        theirs = EntryForm.of(entry) if isinstance(error, StaleVersion) else None
        form = form or EntryForm.of(entry)
        if theirs:  # it may have come out meanwhile, and then wants another kind of change
            form = replace(
                form,
                version=theirs.version,
                kind=form.kind or theirs.kind,
                request_key=theirs.request_key,
                confirmed="",
            )
        offered = (
            [UnsavedDraft(uid, kept.fields.get("title", [""])[0], kept.saved_at, uid)]
            if kept
            else []
        )
        return _page(
            tx,
            form,
            entry.stream,
            error=error,
            preview=preview,
            entry=entry,
            theirs=theirs,
            kept=offered,
        )


def must_confirm(
    form: EntryForm,
    stream: Stream,
    text: EntryText,
    entry: Entry | None = None,
    *,
    approving: bool = False,
) -> bool:
    """Whether a person has to be asked before so many are told; not where a second editor is asked
    anyway.
    """
    if (
        form.confirmed
        or not form.alerts()
        or not may_publish()
        or stream.state is StreamState.HIDDEN
    ):
        return False
    with service().db.read() as tx:
        if needs_second_editor(tx, text.importance) and not approving:
            return False
        told = audience(tx, form, stream, text, entry).all
    return told > 0 and (
        text.importance is Importance.BREAKING or told > service().settings.confirm_above
    )


def confirm_page(
    form: EntryForm, stream: Stream, text: EntryText, entry: Entry | None = None
) -> str:
    """The question; its button names the number."""
    with service().db.read() as tx:
        told = audience(tx, form, stream, text, entry).told
    return render_template(
        "desk/confirm.html",
        at="post",
        form=form,
        stream=stream,
        text=text,
        told=told,
        kinds=RecipientKind,
    )


def _page(
    tx: Session,
    form: EntryForm,
    stream: Stream | None,
    *,
    error: ServiceError | None,
    preview: bool,
    kept: list[UnsavedDraft],
    streams: list[Stream] | None = None,
    entry: Entry | None = None,
    theirs: EntryForm | None = None,
) -> str:
    return render_template(
        "desk/form.html",
        at="post",
        form=form,
        entry=entry,
        place=entry.uid if entry else form.request_key,
        out=entry is not None and entry.state not in UNPUBLISHED_STATES,
        stream=stream,
        streams=streams or [],
        kept=kept,
        error=error,
        wrong={error.field: error.reason} if isinstance(error, Invalid) else {},
        look=build_preview(tx, form, stream, entry) if preview else EntryPreview(),
        preview=preview,
        kinds=RecipientKind,
        theirs=theirs,
        rules=_rules(tx, stream),
    )


def _rules(tx: Session, stream: Stream | None) -> list[str]:
    """What waits for somebody, said before it is written."""
    gates = rules_in_force(tx)
    said = (
        ["What is breaking waits until a second editor approves it."]
        if gates.second_editor and may_publish()
        else []
    )
    if (
        stream is not None
        and gates.most_alerts
        and alerts_in_last_hour(tx, stream.id) >= gates.most_alerts
    ):
        said.append(
            f"This story has had {gates.most_alerts} alerts within the last hour: a further one"
            " waits on the desk."
        )
    return said
