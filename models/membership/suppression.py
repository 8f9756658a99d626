"""Suppression and erasure: addresses that are never to be mailed again, and people of whom nothing
is to be kept.
"""

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
    """Never mail an address again, whether it is known or not; one that is suppressed already gets
    the new reason.
    """
    actor.must_be(Role.ADMIN)
    address, reason = normal_address(email), line("reason", reason, 500, required=True)
    with db.begin() as tx:
        recipient = find_recipient(tx, RecipientKind.MAIL, address) or get_or_create_recipient(
            tx, address
        )
        suppress(tx, recipient.id, reason)
        tx.refresh(recipient)
        return recipient


def lift_suppression(db: Database, actor: Actor, uid: str) -> Recipient:
    """Let an address be mailed again. It is told what it follows where it had confirmed and did not
    leave, else nothing.
    """
    actor.must_be(Role.ADMIN)
    with db.begin() as tx:
        recipient, follows = recipient_with_subscriptions(tx, uid)
        if recipient.state is not RecipientState.SUPPRESSED:
            raise Conflict("%(address)s is not blocked.", address=recipient.address)
        if is_hashed_address(recipient.address):
            recipient.address = _blank(recipient)
            recipient.end(recipient.ended_at or now(tx), EndReason.ERASED)
        elif recipient.confirmed_at and follows:
            recipient.state, recipient.reason, recipient.ended_at = (
                RecipientState.CONFIRMED,
                "",
                None,
            )
        else:
            recipient.end(now(tx), EndReason.LEFT, NO_LONGER_SUPPRESSED)
        return recipient


def erase_address(db: Database, actor: Actor, email: str) -> None:
    """Forget who had an address; raises NotFound where nothing is known of it."""
    actor.must_be(Role.ADMIN)
    address = normal_address(email)
    with db.begin() as tx:
        recipient = find_recipient(tx, RecipientKind.MAIL, address)
        if recipient is None or is_hashed_address(recipient.address):
            raise NotFound("subscriber", address)
        erase_recipient(tx, recipient)


def erase_recipient(tx: Session, recipient: Recipient) -> None:
    """Forget a person: of a suppressed address a hash stays, so that it is known when it is seen,
    of any other nothing.

    What was sent stays in the ledger as a number, by a recipient of whom nothing is known. What
    still waits is skipped.
    """
    address, suppressed = recipient.address, recipient.state is RecipientState.SUPPRESSED
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
    # Deleting a subscription would look through all deliveries for those that it brought.
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
    told = select(Delivery.alert_id).where(
        Delivery.recipient_id == recipient.id, Delivery.settled_at.is_not(None)
    )
    for alert in tx.scalars(
        select(Alert).where(Alert.kind == AlertKind.NOTICE, Alert.id.in_(told))
    ):
        clear_notice_values(alert)


def any_hashed_address(tx: Session) -> bool:
    """Whether there is any address of which only a hash is kept."""
    these = (Recipient.address >= HASHED_PREFIX, Recipient.address < HASHED_PREFIX + LAST_CHARACTER)
    return bool(tx.scalar(select(exists().where(Recipient.kind == RecipientKind.MAIL, *these))))


def _blank(recipient: Recipient) -> str:
    return f"erased:{recipient.uid}"
