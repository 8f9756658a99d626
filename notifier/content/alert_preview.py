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
    Alert,
    Contributor,
    Delivery,
    Entry,
    Importance,
    Recipient,
    RecipientKind,
    Revision,
    RevisionKind,
    RevisionState,
    Stream,
    Subscription,
)
from models.db.clock import now
from models.recipients.audience import AlertTopic, eligible_recipients
from models.streams.entries import entries_query
from models.tables.ledger import MAY_HAVE_BEEN_TOLD
from models.text.errors import Conflict
from models.text.markdown import bare_text
from models.text.texts import EntryText, tag_slug, unpack_pictures
from notifier.content.entry import EntryContent
from notifier.content.render import Sender, render_chat, render_mail
from notifier.services import SERVICES
from notifier.transport.mime import TOKEN

NOT_YET = "preview"
_ALERTING = (
    RevisionKind.PUBLISH,
    RevisionKind.UPDATE,
    RevisionKind.CORRECTION,
    RevisionKind.RETRACTION,
)


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


def preview(tx: Session, revision: Revision, recipient: Recipient, sender: Sender) -> Preview:
    """Preview of a revision, applied or pending, for one recipient.

    ``recipient`` may be one that was never stored, to look at a kind of recipient: then the entry's
    earlier alerts count as received. Raises Conflict for a revision of which nobody is alerted.
    """
    if revision.kind not in _ALERTING:
        raise Conflict("Nobody is alerted of this change.")
    entry = tx.execute(entries_query().where(Entry.id == revision.entry_id)).scalar_one()
    story = EntryContent.of(entry, revision.kind, revision.note)
    if revision.state is RevisionState.PENDING and revision.kind is not RevisionKind.RETRACTION:
        byline = revision.content["byline"]
        people = tx.scalars(_people(Contributor.id.in_(byline)))
        names = {person.id: person.name for person in people}
        story = _with_content(
            story, revision.content, [names[id_] for id_ in byline if id_ in names]
        )
        story = replace(story, updated_at=revision.apply_at)
    follows_all = _follows_all(tx, story, entry.stream_id, recipient)
    return show(
        story, recipient, sender, told=_told(tx, revision, recipient), follows_all=follows_all
    )


def preview_text(
    tx: Session,
    text: EntryText,
    recipient: Recipient,
    sender: Sender,
    *,
    stream: Stream,
    entry: Entry | None = None,
    kind: RevisionKind = RevisionKind.PUBLISH,
    note: str = "",
) -> Preview:
    """Preview of a text that was typed and not saved: a new entry of ``stream``, or a change of
    ``entry``.
    """
    story = typed(tx, text, stream=stream, entry=entry, kind=kind, note=note)
    return show(
        story,
        recipient,
        sender,
        told=True,
        follows_all=_follows_all(tx, story, stream.id, recipient),
    )


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
    return _with_content(story, text.pack([]), [names.get(name, name) for name in text.byline])


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


def _with_content(
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


def _told(tx: Session, revision: Revision, recipient: Recipient) -> bool:
    if recipient.id is None:
        return True
    earlier = (
        select(Delivery.id)
        .join(Alert, Alert.id == Delivery.alert_id)
        .join(Revision, Revision.id == Alert.revision_id)
    )
    same = (
        Revision.entry_id == revision.entry_id,
        Revision.no < revision.no,
        Delivery.recipient_id == recipient.id,
    )
    return tx.scalar(earlier.where(*same, MAY_HAVE_BEEN_TOLD).limit(1)) is not None


def _follows_all(tx: Session, story: EntryContent, stream_id: int, recipient: Recipient) -> bool:
    """Whether the recipient would get it by a subscription to all stories, which the foot of a mail
    says.
    """
    if recipient.id is None:
        return False
    correction = story.kind in (RevisionKind.UPDATE, RevisionKind.CORRECTION)
    topic = AlertTopic(
        stream_id, story.importance, tuple(tag_slug(tag) for tag in story.tags), correction
    )
    chosen = eligible_recipients(topic).where(Recipient.id == recipient.id).subquery()
    query = select(Subscription.stream_id).join(chosen, chosen.c.subscription_id == Subscription.id)
    subscription = tx.execute(query).one_or_none()
    return subscription is not None and subscription[0] is None
