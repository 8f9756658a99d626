"""Preview of a recipient's next digest, read and rendered by the code that sends it."""

from types import SimpleNamespace

from sqlalchemy import select
from sqlalchemy.orm import Session

from models import Lane, Priority, Recipient, RecipientKind, Subscription
from models.db.clock import now
from models.db.site import current_seq
from models.recipients.digest_times import slot_name
from models.text.errors import Conflict
from models.text.tokens import ALL_STREAMS
from notifier.content.alert_preview import NOT_YET, Preview
from notifier.content.digest import Reading, Written, following
from notifier.content.render import Sender, render_digest
from notifier.content.short_form import digest_to_channel
from notifier.ledger.claim import Message
from notifier.services import SERVICES
from notifier.transport.mime import TOKEN


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
