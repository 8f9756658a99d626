"""What messages of the urgent lane tell: read from the tables, then rendered without them."""

import logging
from collections.abc import Callable, Hashable, Sequence
from typing import Any

from cryptography.fernet import InvalidToken
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from config.keys import Keys
from models import AlertKind
from notifier.content.entry import DigestContent, Ending, EntryContent, Notice, load_told
from notifier.content.notice import opened
from notifier.content.render import SiteProfile, notice_to_channel, render_chat, render_notice
from notifier.content.short_form import digest_to_channel, ending_to_channel
from notifier.ledger.claim import Message
from notifier.ledger.pause import MAIL
from notifier.message.channel_message import ChannelMessage
from notifier.message.send_errors import RenderError
from notifier.transport.mime import MailBatch

log = logging.getLogger(__name__)

UNREADABLE_LINK = "Its link cannot be decrypted: SECRET_KEY is not the one that it was stored with."

Content = EntryContent | Notice | DigestContent | Ending
Rendered = ChannelMessage | MailBatch


def load_contents(tx: Session, messages: Sequence[Message]) -> dict[int, Content | RenderError]:
    """What each alert tells, by its id; digests are each recipient's own and not among them."""
    contents: dict[int, Content | RenderError] = {}
    for message in messages:
        if message.kind is AlertKind.DIGEST or message.alert_id in contents:
            continue
        try:
            contents[message.alert_id] = load_told(tx, message)
        except DBAPIError:
            raise
        except Exception as exc:
            # One that cannot be read must not keep the others of its claim from going out.
            log.exception("alert %s cannot be read", message.alert_id)
            reason = f"What it tells cannot be read: {type(exc).__name__}"
            contents[message.alert_id] = RenderError(reason)
    return contents


def render_content(content: Content, message: Message, sender: SiteProfile, keys: Keys) -> Rendered:
    """The message of one delivery: for a channel, or a mail that one person alone gets."""
    return _RENDERERS[message.kind](content, message, sender, keys)


def render_key(message: Message) -> Hashable:
    """Alike for messages that differ in their uid alone."""
    if message.kind is AlertKind.REVISION:
        return message.alert_id, message.told, message.language
    return message.uid


def _entry(content: Any, message: Message, sender: SiteProfile, _keys: Keys) -> ChannelMessage:
    entry: EntryContent = content.worded(told=message.told)
    return render_chat(entry, sender, message.uid, message.language)


def _digest(content: Any, message: Message, sender: SiteProfile, _keys: Keys) -> ChannelMessage:
    return digest_to_channel(content, sender, message.uid, message.language)


def _ending(content: Any, message: Message, sender: SiteProfile, _keys: Keys) -> ChannelMessage:
    return ending_to_channel(content, sender, message.uid, message.language)


def _notice(content: Any, message: Message, sender: SiteProfile, keys: Keys) -> Rendered:
    if message.service != MAIL:
        return notice_to_channel(content, sender, message.uid, message.language)
    try:
        return render_notice(opened(content, keys), sender)
    except InvalidToken as exc:
        raise RenderError(UNREADABLE_LINK) from exc


_RENDERERS: dict[AlertKind, Callable[[Any, Message, SiteProfile, Keys], Rendered]] = {
    AlertKind.REVISION: _entry,
    AlertKind.DIGEST: _digest,
    AlertKind.ENDING: _ending,
    AlertKind.NOTICE: _notice,
}
