"""Test message: the latest entry as a channel would get it, marked as a test."""

from typing import Any

from sqlalchemy.orm import Session

from models import Entry, EntryState, RevisionKind, Stream
from models.streams.entries import entries_query
from models.tables.stories import CLOSED
from notifier.content.entry import EntryContent
from notifier.content.render import Sender, render_chat
from notifier.message.channel_message import ChannelMessage, cut
from notifier.message.phrases import Phrases

MAX_TEXT = 2_000  # characters of the text that are stored with the alert


def trial(tx: Session, sender: Sender) -> dict[str, Any]:
    """Texts of a test as JSON values, of the latest entry that readers can see; a sample where
    there is none.
    """
    latest = (
        entries_query()
        .join(Stream, Stream.id == Entry.stream_id)
        .where(Entry.state == EntryState.PUBLISHED, Stream.state.not_in(CLOSED))
    )
    entry = tx.scalars(latest.order_by(Entry.seq.desc()).limit(1)).first()
    message = _sample(sender)
    if entry:
        message = render_chat(EntryContent.of(entry, RevisionKind.PUBLISH), sender, "")
    return {
        "guid": message.guid,
        "title": message.title,
        "dek": message.dek,
        "byline": message.byline,
        "body_text": cut(message.body_text, MAX_TEXT),
        "url": message.url,
        "stream_title": message.stream_title,
        "stream_url": message.stream_url,
        "tags": list(message.tags),
    }


def _sample(sender: Sender) -> ChannelMessage:
    phrases = Phrases(sender.language)
    return ChannelMessage(
        event="test",
        uid="",
        guid="",
        title=phrases.gettext("The first update on %(site)s", site=sender.name),
        dek=phrases.gettext(
            "This is what an update looks like here: a title and a one-sentence summary."
        ),
        url=f"{sender.base_url}/",
        stream_title=sender.name,
        stream_url=f"{sender.base_url}/",
    )
