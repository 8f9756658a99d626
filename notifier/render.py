"""Rendering: a story becomes a mail or a channel's message.  Pure, so that a preview is exactly what would be sent."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import css_inline
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from config.settings import Settings, zone
from models.channels import TEST
from models.markdown import to_text
from notifier.message import WORD_JOINER, ChannelMessage, Event, cut, one_line
from notifier.mime import MARK, TOKEN, MailBatch, secret_mark, sender_of
from notifier.story import Notice, Story

LONGEST_BODY = 40_000
"""Characters of HTML: a longer body is read on the page, since large mails are cut by their readers (at some 100 KB)."""
PREHEADER = 140
"""Characters that an inbox shows beside the subject."""

_HERE = secret_mark()  # stands for the leave token until the editors' text can no longer be taken for it
_EVENTS: dict[str, Event] = {"publish": "publish", "update": "update", "correction": "correction", "retraction": "retraction"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Who speaks: what all mails of a site share."""

    name: str
    base_url: str
    imprint: str
    mail_from: str

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The sender that the operator set up."""
        return cls(name=settings.site_name, base_url=settings.base_url, imprint=settings.site_imprint, mail_from=settings.mail_from)


def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


_templates = _environment()
_inliner = css_inline.CSSInliner(keep_at_rules=True, load_remote_stylesheets=False)


def render_mail(story: Story, sender: Sender, *, follows_all: bool) -> MailBatch:
    """The mail that all recipients of ``story`` share; ``{token}`` in it is where each one's leave token goes.

    ``follows_all``: the recipients follow all streams, which the foot says and Leave ends.
    """
    folder = f"mail/{'retraction' if story.retracted else 'entry'}"
    values = {
        "story": story,
        "language": story.language,
        "sender": sender,
        "follows_all": follows_all,
        "url": sender.base_url + story.path,
        "stream_url": sender.base_url + story.stream_path,
        "leave_url": f"{sender.base_url}/u/{_HERE}",
        "when": _when(story.published_at, story.timezone),
        "body_html": story.body_html if len(story.body_html) <= LONGEST_BODY else "",
        "body_text": to_text(story.body_html) if len(story.body_html) <= LONGEST_BODY else "",
        "preheader": cut(one_line(story.note or _summary(story)), PREHEADER),
    }
    subject, text, html = (_templates.get_template(f"{folder}/{name}").render(values) for name in ("subject.txt", "body.txt", "body.html"))
    return MailBatch(
        subject=one_line(subject),
        html=_with_token(_inliner.inline(html)),
        text=_with_token(text),
        list_id=f"{story.stream_slug}.{urlsplit(sender.base_url).hostname}",
        references=_thread(story, sender),
        unsubscribe_url=f"{sender.base_url}/u/{TOKEN}",
    )


def render_chat(story: Story, sender: Sender, uid: str) -> ChannelMessage:
    """The message that tells a channel of ``story``; ``uid`` is the delivery's."""
    return ChannelMessage(
        event=_EVENTS[story.kind.value],
        uid=uid,
        guid=story.guid,
        title=story.title,
        label=story.label,
        dek="" if story.retracted else story.dek,
        byline=", ".join(story.byline),
        body_text="" if story.retracted else to_text(story.body_html),
        note=story.note,
        url=sender.base_url + story.path,
        stream_title=story.stream_title,
        stream_url=sender.base_url + story.stream_path,
        published_at=story.published_at,
        updated_at=story.updated_at,
        importance=story.importance.value,
        tags=story.tags,
    )


def render_notice(notice: Notice, sender: Sender) -> MailBatch:
    """The mail that one recipient gets of a notice; nothing in it is to be left or answered."""
    folder = f"mail/notice/{notice.name}"
    values: dict[str, Any] = {"values": notice.values, "sender": sender, "language": "en", "preheader": ""}
    subject = values["subject"] = one_line(_templates.get_template(f"{folder}/subject.txt").render(values))
    text, html = (_templates.get_template(f"{folder}/{name}").render(values) for name in ("body.txt", "body.html"))
    return MailBatch(subject=subject, html=_with_token(_inliner.inline(html)), text=_with_token(text))


def notice_to_channel(notice: Notice, sender: Sender, uid: str) -> ChannelMessage:
    """The same for a channel, which alone gets tests."""
    if notice.name == TEST:
        values = {**notice.values, "tags": tuple(notice.values["tags"])}
        return ChannelMessage(event="test", uid=uid, **values)
    mail = render_notice(notice, sender)
    return ChannelMessage(event="notice", uid=uid, guid="", title=mail.subject, body_text=mail.text.partition("\n-- ")[0])


def _summary(story: Story) -> str:
    return f"{story.label}." if story.retracted else story.dek or to_text(story.body_html)


def _with_token(text: str) -> str:
    """Put the token where the template wants it, and nowhere else: an editor's text must not carry a reader's token away."""
    return text.replace(MARK, "").replace(TOKEN, TOKEN[0] + WORD_JOINER + TOKEN[1:]).replace(_HERE, TOKEN)


def _thread(story: Story, sender: Sender) -> tuple[str, ...]:
    """Message-IDs that no mail bears, but all of a stream and of an entry refer to, so that readers' programs group them."""
    domain = sender_of(sender.mail_from)[1].rpartition("@")[2]
    return (f"stream-{story.stream_uid}@{domain}", f"entry-{story.uid}@{domain}")


def _when(moment: datetime | None, timezone: str) -> str:
    if moment is None:
        return ""
    local = moment.astimezone(zone(timezone))
    return f"{local.day} {local:%B %Y, %H:%M} {_offset_name(local)}"


def _offset_name(local: datetime) -> str:
    """The zone's short name, or the offset where it has none, as in UTC+03."""
    name = local.tzname() or "UTC"
    return name if name.isalpha() else f"UTC{name}"
