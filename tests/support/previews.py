"""Previews of single revisions, typed texts and digests, by the functions that render what is sent."""

from dataclasses import replace
from types import SimpleNamespace

from sqlalchemy import select
from sqlalchemy.orm import Session

from models import (
    Alert,
    Contributor,
    Delivery,
    Entry,
    Lane,
    Priority,
    Recipient,
    RecipientKind,
    Revision,
    RevisionKind,
    RevisionState,
    Stream,
    Subscription,
)
from models.db.clock import now
from models.db.site import current_seq
from models.recipients.audience import AlertTopic, eligible_recipients
from models.recipients.digest_times import slot_name
from models.streams.entries import entries_query
from models.tables.ledger import MAY_HAVE_BEEN_TOLD
from models.text.errors import Conflict
from models.text.texts import EntryText, tag_slug
from models.text.tokens import ALL_STREAMS
from notifier.content.alert_preview import NOT_YET, Preview, show, typed, with_content
from notifier.content.digest import Reading, Written, following
from notifier.content.entry import EntryContent
from notifier.content.render import Sender, render_digest
from notifier.content.short_form import digest_to_channel
from notifier.ledger.claim import Message
from notifier.services import SERVICES
from notifier.transport.mime import TOKEN

_ALERTING = (
    RevisionKind.PUBLISH,
    RevisionKind.UPDATE,
    RevisionKind.CORRECTION,
    RevisionKind.RETRACTION,
)


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
        people = tx.scalars(select(Contributor).where(Contributor.id.in_(byline)))
        names = {person.id: person.name for person in people}
        story = with_content(
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


def preview_digest(tx: Session, recipient: Recipient, sender: Sender) -> Preview:
    """The digest that is due next. Raises Conflict where none is, or where it would be empty."""
    written = _upcoming(tx, recipient)
    if written is None:
        raise Conflict("This recipient reads no digests.")
    if written.digest is None:
        raise Conflict("There is nothing to tell in a digest yet.")
    if recipient.kind is RecipientKind.MAIL:
        mail = render_digest(
            written.digest,
            sender,
            leaves_all=written.scope == ALL_STREAMS,
            language=recipient.language,
        )
        return Preview(
            "mail",
            mail.subject,
            mail.text.replace(TOKEN, NOT_YET),
            mail.html.replace(TOKEN, NOT_YET),
        )
    title, body, _ = SERVICES[recipient.service].format(
        digest_to_channel(written.digest, sender, NOT_YET, recipient.language)
    )
    return Preview(recipient.service, title, body)


def _upcoming(tx: Session, recipient: Recipient) -> Written | None:
    due = (
        Subscription.recipient_id == recipient.id,
        Subscription.next_digest_at.is_not(None),
        Subscription.ended_at.is_(None),
    )
    query = select(Subscription.id, Subscription.cadence, Subscription.next_digest_at).where(*due)
    first = tx.execute(
        query.order_by(Subscription.next_digest_at, Subscription.id).limit(1)
    ).one_or_none()
    if first is None or first.next_digest_at is None:
        return None
    alert = SimpleNamespace(
        seq=current_seq(tx),
        cadence=first.cadence,
        slot=slot_name(first.next_digest_at),
        created_at=first.next_digest_at,
    )
    message = Message(
        id=0,
        uid=NOT_YET,
        alert_id=0,
        lane=Lane.BULK,
        priority=Priority.DIGEST,
        recipient_id=recipient.id,
        recipient_uid=recipient.uid,
        address=recipient.address,
        service=recipient.service,
        sealed_url=None,
        attempts=1,
        created_at=now(tx),
        follows_all=False,
        told=False,
        timezone=recipient.timezone,
        subscription_id=first.id,
    )
    return Reading(tx, alert, following(tx, {recipient.id})).read([message])[0]
