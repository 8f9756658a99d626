"""The page of an entry's form, and the question before a large alert."""

from dataclasses import replace

from flask import render_template
from flask_babel import gettext, ngettext  # type: ignore[import-untyped]
from sqlalchemy.orm import Session

from models.db.approval_rules import alerts_in_last_hour, needs_second_editor, rules_in_force
from models.publishing.posting import UNPUBLISHED_STATES
from models.streams.autosave import UnsavedDraft, list_autosaves
from models.streams.entries import get_entry
from models.streams.streams import list_streams
from models.tables.autosaves import Autosave
from models.tables.ledger import RecipientKind
from models.tables.stories import Entry, Importance, Stream, StreamState
from models.text.errors import RequestKeyReused, ServiceError, StaleVersion
from models.text.times import parse_time
from web.context import service
from web.desk.draft import Draft
from web.desk.forms import EntryForm
from web.desk.preview import EntryPreview, build_preview
from web.language import field_errors
from web.login import current_actor, may_publish


def new_page(form: EntryForm, *, error: ServiceError | None = None, preview: bool = False) -> str:
    """The form of a new entry; an empty one offers unsaved drafts."""
    if isinstance(error, RequestKeyReused):  # submitted again, the form makes another entry
        form = replace(form, request_key=EntryForm.empty().request_key)
    with service().db.read() as tx:
        streams = [stream for stream in list_streams(tx) if stream.state is not StreamState.ENDED]
        stream = next((stream for stream in streams if stream.slug == form.stream), None)
        unsaved = []
        if not (form.seen or form.do):
            drafts = list_autosaves(tx, current_actor())
            unsaved = [draft for draft in drafts if draft.entry is None]
        return _page(
            tx, form, stream, error=error, preview=preview, streams=streams, unsaved=unsaved
        )


def edit_page(
    uid: str,
    form: EntryForm | None = None,
    *,
    error: ServiceError | None = None,
    preview: bool = False,
    autosave: Autosave | None = None,
) -> str:
    """The form of an existing entry; after a StaleVersion with the other version beside it.

    ``autosave`` is an unsaved draft to offer.
    """
    with service().db.read() as tx:
        entry = get_entry(tx, uid)
        theirs = EntryForm.of(entry) if isinstance(error, StaleVersion) else None
        form = form or EntryForm.of(entry)
        if theirs:  # published meanwhile, the entry needs another kind of change
            form = replace(
                form,
                version=theirs.version,
                kind=form.kind or theirs.kind,
                request_key=theirs.request_key,
                confirmed="",
            )
        unsaved = []
        if autosave:
            title = autosave.fields.get("title", [""])[0]
            unsaved.append(UnsavedDraft(uid, title, autosave.saved_at, uid))
        return _page(
            tx,
            form,
            entry.stream,
            error=error,
            preview=preview,
            entry=entry,
            theirs=theirs,
            unsaved=unsaved,
        )


def must_confirm(draft: Draft, *, approving: bool = False) -> bool:
    """True where an editor has to confirm the number of recipients first: of breaking news and of
    large alerts, unless a second editor approves them anyway.
    """
    if draft.form.confirmed or not draft.alerts or not may_publish():
        return False
    with service().db.read() as tx:
        if needs_second_editor(tx, draft.text.importance) and not approving:
            return False
        recipients = draft.forecast(tx).all
    if draft.text.importance is Importance.BREAKING:
        return recipients > 0
    return recipients > service().settings.confirm_above


def confirm_page(draft: Draft) -> str:
    """The question; its button names the number of recipients."""
    form = draft.form
    publish_at = None
    if form.at.strip():
        publish_at = parse_time("at", form.at, draft.stream.timezone)
    with service().db.read() as tx:
        counts = draft.forecast(tx).told
    return render_template(
        "desk/confirm.html",
        at="post",
        publish_at=publish_at,
        draft=draft,
        form=form,
        counts=counts,
        kinds=RecipientKind,
    )


def _page(
    tx: Session,
    form: EntryForm,
    stream: Stream | None,
    *,
    error: ServiceError | None,
    preview: bool,
    unsaved: list[UnsavedDraft],
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
        kept=unsaved,
        error=error,
        wrong=field_errors(error),
        look=build_preview(tx, form, stream, entry) if preview else EntryPreview(),
        preview=preview,
        kinds=RecipientKind,
        theirs=theirs,
        rules=_rules(tx, stream),
    )


def _rules(tx: Session, stream: Stream | None) -> list[str]:
    """Reasons for which an alert of this form would wait for approval."""
    approval = rules_in_force(tx)
    rules = []
    if approval.second_editor and may_publish():
        rules.append(gettext("Breaking entries need approval from a second editor."))
    if (
        stream is not None
        and approval.most_alerts
        and alerts_in_last_hour(tx, stream.id) >= approval.most_alerts
    ):
        sent = ngettext(
            "This story has already sent %(num)s alert in the last hour.",
            "This story has already sent %(num)s alerts in the last hour.",
            approval.most_alerts,
        )
        rules.append(f"{sent} {gettext('The next one will wait for approval.')}")
    return rules
