"""The form's preview: the entry's page and the messages, before anything is saved or sent."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from models.recipients.forecast import Forecast, channels_owed
from models.tables.ledger import Recipient, RecipientKind
from models.tables.stories import Entry, Stream
from models.text.errors import Invalid
from models.text.texts import EntryText
from notifier.content.alert_preview import Preview, show
from notifier.content.entry import EntryContent
from notifier.content.render import Sender
from notifier.services import SERVICES
from web.context import service
from web.desk.draft import Draft
from web.desk.forms import EntryForm

_MAX_CHANNELS = 8  # shown; the messages of the others are much alike


@dataclass(frozen=True)
class EntryPreview:
    """``problem`` alone where the text is not valid yet."""

    problem: Invalid | None = None
    text: EntryText | None = None
    html: str = ""
    forecast: Forecast | None = None  # None: no one would be alerted
    mail: Preview | None = None
    channels: Sequence[tuple[str, Recipient, Preview]] = ()  # with the names of their services


def build_preview(
    tx: Session, form: EntryForm, stream: Stream | None, entry: Entry | None = None
) -> EntryPreview:
    try:
        if stream is None:
            text = form.text()
            return EntryPreview(text=text, html=text.body_html)
        draft = Draft.of(form, stream, entry)
    except Invalid as problem:
        return EntryPreview(problem=problem)
    text = draft.text
    if not draft.alerts:
        return EntryPreview(text=text, html=text.body_html)
    content = draft.content(tx)
    sender = Sender.of(service().settings)
    forecast = service().recent.get(
        (draft.topic, draft.kind, entry and entry.id), lambda: draft.forecast(tx)
    )
    channels: Sequence[Recipient] = ()
    if forecast.told[RecipientKind.CHANNEL]:
        channels = channels_owed(tx, draft.topic, _MAX_CHANNELS)
    return EntryPreview(
        text=text,
        html=text.body_html,
        forecast=forecast,
        mail=mail_of(content, sender, draft.stream),
        channels=[
            (
                SERVICES[channel.service].label,
                channel,
                show(content, channel, sender, told=True, follows_all=False),
            )
            for channel in channels
        ],
    )


def mail_of(content: EntryContent, sender: Sender, stream: Stream) -> Preview:
    """The e-mail that a follower of the story gets, in the story's language."""
    reader = Recipient(kind=RecipientKind.MAIL, service="mail", language=stream.language)
    return show(content, reader, sender, told=True, follows_all=False)
