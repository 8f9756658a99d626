"""An entry's form, read once: its text, the kind of change and the recipients it would alert."""

from dataclasses import dataclass
from typing import Self

from sqlalchemy.orm import Session

from models.recipients.audience import AlertTopic
from models.recipients.forecast import Forecast, forecast, forecast_retraction
from models.tables.stories import Entry, RevisionKind, Stream, StreamState
from models.text.texts import EntryText, tag_slug
from notifier.content.alert_preview import typed
from notifier.content.entry import EntryContent
from web.desk.forms import EntryForm


@dataclass(frozen=True)
class Draft:
    """A form whose text is valid; ``entry`` is the existing entry that it changes."""

    form: EntryForm
    stream: Stream
    text: EntryText
    kind: RevisionKind
    entry: Entry | None = None

    @classmethod
    def of(cls, form: EntryForm, stream: Stream, entry: Entry | None = None) -> Self:
        """Raises Invalid."""
        return cls(form, stream, form.text(), form.alert_kind(), entry)

    @property
    def alerts(self) -> bool:
        return self.form.alerts() and self.stream.state is not StreamState.HIDDEN

    @property
    def topic(self) -> AlertTopic:
        """The values that followers filter by."""
        return AlertTopic(
            self.stream.id,
            self.text.importance,
            tuple(tag_slug(tag) for tag in self.text.tags),
            correction=self.form.kind not in {"", "silent"},
        )

    def forecast(self, tx: Session) -> Forecast:
        """The recipients that would be alerted now."""
        if self.entry is not None and self.kind is RevisionKind.RETRACTION:
            return forecast_retraction(tx, self.entry)
        return forecast(tx, self.topic)

    def content(self, tx: Session) -> EntryContent:
        """The entry as alerts would show it."""
        return typed(
            tx,
            self.text,
            stream=self.stream,
            entry=self.entry,
            kind=self.kind,
            note=self.form.note,
        )
