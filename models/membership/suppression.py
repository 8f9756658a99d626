"""Suppression of addresses, and erasure of recipients."""

import re

from sqlalchemy import delete, exists, select, update
from sqlalchemy.orm import Session

from models.alerts.alerts import clear_notice_values
from models.db.clock import now
from models.db.database import Database
from models.recipients.audience import (
    find_recipient,
    get_or_create_recipient,
    recipient_with_subscriptions,
    suppress,
)
from models.tables.ledger import (
    Alert,
    AlertKind,
    Delivery,
    EndReason,
    Recipient,
    RecipientKind,
    RecipientState,
    Subscription,
    SubscriptionExcept,
    SubscriptionTag,
)
from models.tables.people import Role
from models.text.actor import Actor
from models.text.email_address import (
    HASHED_PREFIX,
    LAST_CHARACTER,
    hash_address,
    is_hashed_address,
    normal_address,
)
from models.text.errors import Conflict, NotFound
from models.text.texts import line

NO_LONGER_SUPPRESSED = "no longer suppressed"


def suppress_address(db: Database, actor: Actor, email: str, reason: str) -> Recipient:
    """Block an address, known or not; a blocked one gets the new reason."""
    actor.must_be(Role.ADMIN)
    address = normal_address(email)
    reason = line("reason", reason, 500, required=True)
    with db.begin() as tx:
        recipient = find_recipient(tx, RecipientKind.MAIL, address) or get_or_create_recipient(
            tx, address
        )
        suppress(tx, recipient.id, reason)
        tx.refresh(recipient)
        return recipient


def lift_suppression(db: Database, actor: Actor, uid: str) -> Recipient:
    """Unblock an address; confirmed subscriptions that were not ended become active again."""
    actor.must_be(Role.ADMIN)
    with db.begin() as tx:
        recipient, follows = recipient_with_subscriptions(tx, uid)
        if recipient.state is not RecipientState.SUPPRESSED:
            raise Conflict("%(address)s is not blocked.", address=recipient.address)
        if is_hashed_address(recipient.address):
            recipient.address = _blank(recipient)
            recipient.end(recipient.ended_at or now(tx), EndReason.ERASED)
        elif recipient.confirmed_at and follows:
            recipient.state = RecipientState.CONFIRMED
            recipient.reason = ""
            recipient.ended_at = None
        else:
            recipient.end(now(tx), EndReason.LEFT, NO_LONGER_SUPPRESSED)
        return recipient


def erase_address(db: Database, actor: Actor, email: str) -> None:
    """Erase the recipient of an address; raises NotFound."""
    actor.must_be(Role.ADMIN)
    address = normal_address(email)
    with db.begin() as tx:
        recipient = find_recipient(tx, RecipientKind.MAIL, address)
        if recipient is None or is_hashed_address(recipient.address):
            raise NotFound("subscriber", address)
        erase_recipient(tx, recipient)


def erase_recipient(tx: Session, recipient: Recipient) -> None:
    """Erase a person's data; a suppressed address stays as a hash, so that it is recognized.

    Past deliveries stay as rows of an anonymous recipient; queued ones are skipped.
    """
    address = recipient.address
    suppressed = recipient.state is RecipientState.SUPPRESSED
    blank = Recipient(language="en", timezone="UTC", shared=False)
    for name in (
        "language",
        "timezone",
        "shared",
        "quiet_from",
        "quiet_until",
        "paused_until",
        "consent",
    ):
        setattr(recipient, name, getattr(blank, name))
    recipient.address = hash_address(address) if suppressed else _blank(recipient)
    recipient.domain = ""
    ended_at = recipient.ended_at or now(tx)
    if suppressed:
        recipient.reason = re.sub(re.escape(address), "…", recipient.reason, flags=re.IGNORECASE)
        recipient.ended_at = ended_at
    else:
        recipient.end(ended_at, EndReason.ERASED)
    mine = Subscription.recipient_id == recipient.id
    # Rows of Subscription stay: deleting one would scan all deliveries for references.
    for chosen in (SubscriptionTag, SubscriptionExcept):
        tx.execute(
            delete(chosen).where(chosen.subscription_id.in_(select(Subscription.id).where(mine)))
        )
    tx.execute(
        update(Subscription).where(mine, Subscription.ended_at.is_(None)).values(ended_at=now(tx))
    )
    tx.execute(
        update(Delivery).where(Delivery.recipient_id == recipient.id).values(last_reply=None)
    )
    delivered = select(Delivery.alert_id).where(
        Delivery.recipient_id == recipient.id, Delivery.settled_at.is_not(None)
    )
    for alert in tx.scalars(
        select(Alert).where(Alert.kind == AlertKind.NOTICE, Alert.id.in_(delivered))
    ):
        clear_notice_values(alert)


def any_hashed_address(tx: Session) -> bool:
    """Whether any recipient is stored as a hash alone."""
    query = exists().where(
        Recipient.kind == RecipientKind.MAIL,
        Recipient.address >= HASHED_PREFIX,
        Recipient.address < HASHED_PREFIX + LAST_CHARACTER,
    )
    return bool(tx.scalar(select(query)))


def _blank(recipient: Recipient) -> str:
    return f"erased:{recipient.uid}"
