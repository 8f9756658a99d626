"""Previews: messages rendered for a recipient by the code that sends them, without sending.

The reader's token and the delivery's uid, which only a sent message has, are `NOT_YET` here.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from apprise.common import NotifyFormat
from sqlalchemy import ColumnElement, Select, or_, select
from sqlalchemy.orm import Session

from models import (
    Contributor,
    Entry,
    Importance,
    Recipient,
    RecipientKind,
    RevisionKind,
    Stream,
)
from models.db.clock import now
from models.text.markdown import bare_text
from models.text.texts import EntryText, unpack_pictures
from notifier.content.entry import EntryContent
from notifier.content.render import Sender, render_chat, render_mail
from notifier.services import SERVICES
from notifier.transport.mime import TOKEN

NOT_YET = "preview"


@dataclass(frozen=True, slots=True)
class Preview:
    """A mail's subject and both parts; of a channel's message the title and the body as its service
    formats them, if it has a title.
    """

    service: str  # "mail", or a key of SERVICES
    subject: str
    text: str
    html: str = ""

    @property
    def words(self) -> str:
        """A channel's message as plain text; HTML, where its service takes it, is converted."""
        if self.service == "mail" or not self.html:
            return self.text
        # A service's HTML is ours: its links hold no other tag.
        html = re.sub(r'<a href="([^"]*)">([^<]*)</a>', r"\2 (\1)", self.html)
        return bare_text(html.replace("<br>", "\n")).strip()


def typed(
    tx: Session,
    text: EntryText,
    *,
    stream: Stream,
    entry: Entry | None = None,
    kind: RevisionKind = RevisionKind.PUBLISH,
    note: str = "",
) -> EntryContent:
    """Content of a text that was typed and not saved, for `show`."""
    people = tx.scalars(
        _people(or_(Contributor.slug.in_(text.byline), Contributor.name.in_(text.byline)))
    )
    names = {key: person.name for person in people for key in (person.slug, person.name)}
    story = EntryContent(
        kind=kind,
        note=note,
        uid=entry.uid if entry else NOT_YET,
        guid=entry.guid if entry else NOT_YET,
        title="",
        dek="",
        body="",
        body_html="",
        byline=(),
        link="",
        importance=Importance.NORMAL,
        tags=(),
        published_at=(entry.published_at if entry else None) or now(tx),
        updated_at=now(tx),
        stream_uid=stream.uid,
        stream_slug=stream.slug,
        stream_title=stream.title,
        language=stream.language,
        timezone=stream.timezone,
        subject_prefix=stream.subject_prefix or "",
        mail_intro=stream.mail_intro or "",
        mail_footer=stream.mail_footer or "",
    )
    return with_content(story, text.pack([]), [names.get(name, name) for name in text.byline])


def show(
    story: EntryContent, recipient: Recipient, sender: Sender, *, told: bool, follows_all: bool
) -> Preview:
    """A story as the recipient would see it.  Pure."""
    story = story.worded(told=told)
    if recipient.kind is RecipientKind.MAIL:
        mail = render_mail(
            story, sender, follows_all=follows_all, language=recipient.language or ""
        )
        return Preview(
            "mail",
            mail.subject,
            mail.text.replace(TOKEN, NOT_YET),
            mail.html.replace(TOKEN, NOT_YET),
        )
    title, body, form = SERVICES[recipient.service].format(
        render_chat(story, sender, NOT_YET, recipient.language or "")
    )
    return Preview(recipient.service, title, body, body if form is NotifyFormat.HTML else "")


def with_content(
    story: EntryContent, content: Mapping[str, Any], names: Sequence[str]
) -> EntryContent:
    """``story`` with a packed text in place of the entry's."""
    return replace(
        story,
        title=content["title"],
        dek=content["dek"],
        body=content["body"],
        body_html=content["body_html"],
        link=content["link"],
        byline=tuple(names),
        importance=Importance(content["importance"]),
        tags=tuple(content["tags"]),
        pictures=tuple(picture.words for picture in unpack_pictures(content)),
    )


def _people(condition: ColumnElement[bool]) -> Select[Contributor]:
    return select(Contributor).where(condition)
