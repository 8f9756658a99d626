"""What a form's text would look like, and what whom it would tell, before anything of it is saved
or sent.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from models.recipients.audience import AlertTopic
from models.recipients.forecast import Forecast, channels_owed, forecast, forecast_retraction
from models.tables.ledger import Recipient, RecipientKind
from models.tables.stories import Entry, RevisionKind, Stream, StreamState
from models.text.errors import Invalid
from models.text.texts import EntryText, tag_slug
from notifier.content.alert_preview import Preview, show, typed
from notifier.content.entry import EntryContent
from notifier.content.render import Sender
from notifier.services import SERVICES
from web.context import service
from web.desk.forms import EntryForm, choice

_CHANNELS = 8  # shown; what the others get is much the same


@dataclass(frozen=True)
class EntryPreview:
    """What is to be seen: of a text that cannot be taken yet, only why not."""

    problem: Invalid | None = None
    text: EntryText | None = None
    html: str = ""
    forecast: Forecast | None = None  # None: nobody is to be told
    mail: Preview | None = None
    channels: Sequence[tuple[str, Recipient, Preview]] = ()  # with what their services are called


def build_preview(
    tx: Session, form: EntryForm, stream: Stream | None, entry: Entry | None = None
) -> EntryPreview:
    """The form as it stands."""
    try:
        text, kind = form.text(), kind_of(form)
    except Invalid as problem:
        return EntryPreview(problem=problem)
    shown = EntryPreview(text=text, html=text.body_html)
    if stream is None or not form.alerts() or stream.state is StreamState.HIDDEN:
        return shown
    story = typed(tx, text, stream=stream, entry=entry, kind=kind, note=form.note)
    topic = topic_of(form, stream, text)
    sender = Sender.of(service().settings)
    counted = service().recent.get(
        (topic, kind, entry and entry.id), lambda: audience(tx, form, stream, text, entry)
    )
    rooms = channels_owed(tx, topic, _CHANNELS) if counted.told[RecipientKind.CHANNEL] else ()
    return EntryPreview(
        text=text,
        html=shown.html,
        forecast=counted,
        mail=mail_of(story, sender, stream),
        channels=[
            (
                SERVICES[room.service].label,
                room,
                show(story, room, sender, told=True, follows_all=False),
            )
            for room in rooms
        ],
    )


def audience(
    tx: Session, form: EntryForm, stream: Stream, text: EntryText, entry: Entry | None = None
) -> Forecast:
    """Who would be told, counted now."""
    if entry is not None and kind_of(form) is RevisionKind.RETRACTION:
        return forecast_retraction(tx, entry)
    return forecast(tx, topic_of(form, stream, text))


def mail_of(story: EntryContent, sender: Sender, stream: Stream) -> Preview:
    """The mail, as who follows this story in its language gets it."""
    reader = Recipient(kind=RecipientKind.MAIL, service="mail", language=stream.language)
    return show(story, reader, sender, told=True, follows_all=False)


def topic_of(form: EntryForm, stream: Stream, text: EntryText) -> AlertTopic:
    """What followers choose by."""
    return AlertTopic(
        stream.id,
        text.importance,
        tuple(tag_slug(tag) for tag in text.tags),
        correction=form.kind not in {"", "silent"},
    )


def kind_of(form: EntryForm) -> RevisionKind:
    """What followers would be told it is; raises Invalid."""
    kind = choice(RevisionKind, "kind", form.kind) if form.kind else RevisionKind.PUBLISH
    return RevisionKind.PUBLISH if kind in (RevisionKind.SILENT, RevisionKind.RESTORE) else kind
