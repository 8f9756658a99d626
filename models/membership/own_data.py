"""Actions for the owner of a mailbox alone: export stored data, change the address, delete all.

The link in a mail can unsubscribe and change settings, but mails are forwarded; these actions need
a fresh link, which is sent to the address.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from config.keys import Keys
from models.alerts.alerts import create_notice
from models.db.clock import now
from models.db.database import Database
from models.db.rate_limit import network_of
from models.membership.signup import (
    count_signup_attempt,
    get_or_create_pending,
    may_mail_today,
    refuse_blocked,
)
from models.membership.suppression import erase_recipient
from models.recipients.audience import excluded_streams, recipient_with_subscriptions
from models.recipients.preferences import Rhythm
from models.tables.base import new_uid
from models.tables.ledger import (
    Alert,
    Delivery,
    Recipient,
    RecipientState,
    Subscription,
    SubscriptionTag,
)
from models.tables.stories import Entry, Revision, Stream
from models.text.email_address import normal_address
from models.text.errors import BadLink, Conflict, Forbidden, Gone
from models.text.tokens import read_timed_token, read_unsubscribe_token, timed_token

FRESH_LINK_LIFE = timedelta(minutes=30)
_FRESH, _MOVE = "fresh", "move"
_COLUMNS = (
    "address", "state", "reason", "language", "timezone", "quiet_from", "quiet_until", "paused_until",
    "shared", "consent", "created_at", "confirmed_at", "ended_at",
)  # fmt: skip


@dataclass(frozen=True)
class LinkAccess:
    """The access that a link gives.  ``scope``: the stream of its mail; ``fresh``: sent to the
    address within the last 30 minutes.
    """

    uid: str  # of the recipient
    scope: str
    fresh: bool


def resolve_link(tx: Session, keys: Keys, token: str) -> LinkAccess:
    """The access of a link; raises BadLink where it is not ours, Gone where it has expired."""
    if read := read_timed_token(keys, _FRESH, token, 2):
        (uid, scope), until = read
        if until <= now(tx):
            raise Gone(
                "link",
                token,
                "This link has expired. Request a new one from the bottom of any of our e-mails.",
            )
        return LinkAccess(uid, scope, fresh=True)
    if recipient_and_scope := read_unsubscribe_token(keys, token):
        return LinkAccess(*recipient_and_scope, fresh=False)
    raise BadLink


def require_owner(tx: Session, keys: Keys, token: str, *, lock: bool = False) -> Recipient:
    """The recipient of a fresh link; raises Forbidden for the link of another mail."""
    access = resolve_link(tx, keys, token)
    query = select(Recipient).where(Recipient.uid == access.uid)
    recipient = tx.scalar(query.with_for_update() if lock else query)
    if not access.fresh:
        raise Forbidden(
            "This needs a new link. Open the settings link in any of our e-mails and request one"
            " there."
        )
    if recipient is None:
        raise BadLink
    if recipient.erased:
        raise Gone("link", token, "This data has been deleted.")
    return recipient


def send_fresh_link(db: Database, keys: Keys, token: str, client: str, purpose: str) -> None:
    """Mail a fresh link to the recipient of a link; ``purpose``, "data" or "leave", is the topic of
    the mail.

    Over the daily limit nothing is sent, without an error: the visitor may not be the owner.
    """
    with db.read() as tx:
        access = resolve_link(tx, keys, token)
        address = recipient_with_subscriptions(tx, access.uid)[0].address
    count_signup_attempt(db, address, client)
    with db.begin() as tx:
        recipient = recipient_with_subscriptions(tx, access.uid)[0]
        if (
            recipient.state in (RecipientState.CONFIRMED, RecipientState.ENDED)
            and not recipient.erased
        ):
            link = timed_token(keys, _FRESH, now(tx) + FRESH_LINK_LIFE, recipient.uid, access.scope)
            _send_link(
                tx, recipient, {"purpose": purpose, "link": f"/p/{link}"}, recipient.language
            )


def set_shared(db: Database, keys: Keys, token: str, *, shared: bool) -> None:
    """Mark a mailbox as shared: then only a fresh link, which all its readers get, changes
    anything.
    """
    with db.begin() as tx:
        require_owner(tx, keys, token, lock=True).shared = shared


def request_move(
    db: Database, keys: Keys, token: str, email: str, client: str, *, blocked: Collection[str] = ()
) -> str:
    """Mail a link to another address that moves everything there, whether that is known or not."""
    address = normal_address(email)
    refuse_blocked(address, blocked)
    with db.read() as tx:
        require_owner(tx, keys, token)
    count_signup_attempt(db, address, client)
    with db.begin() as tx:
        recipient = require_owner(tx, keys, token)
        there = get_or_create_pending(tx, address, recipient)
        link = timed_token(keys, _MOVE, now(tx) + FRESH_LINK_LIFE, recipient.uid, there.uid)
        _send_link(tx, there, {"purpose": "move", "link": f"/p/move/{link}"}, recipient.language)
    return address


def confirm_move(
    db: Database, keys: Keys, token: str, client: str, *, look: bool = False
) -> Recipient:
    """Move to the address that the link was sent to, and invalidate links in earlier mails.
    ``look``: only check that it is possible.

    Raises Conflict where that address is subscribed already.
    """
    read = read_timed_token(keys, _MOVE, token, 2)
    if read is None:
        raise BadLink
    (uid, new), until = read
    with db.begin() as tx:
        here = tx.scalar(select(Recipient).where(Recipient.uid == uid).with_for_update())
        there = tx.scalar(select(Recipient).where(Recipient.uid == new).with_for_update())
        if here is None or there is None or until <= now(tx):
            raise Gone("link", token, "This link was already used or has expired.")
        if here.erased or here.state is RecipientState.SUPPRESSED:
            raise Gone("link", token, "This link was already used or has expired.")
        if there.state is RecipientState.CONFIRMED:
            raise Conflict(
                "This address is already subscribed. Unsubscribe the old one and change your"
                " settings here."
            )
        if there.state is RecipientState.SUPPRESSED:
            raise Gone("link", token, "This address rejected our e-mails, so you can’t move to it.")
        if not look:
            address = there.address
            moved = {"at": now(tx).isoformat(), "from": network_of(client)}
            erase_recipient(tx, there)
            tx.flush()
            here.address = address
            here.domain = address.partition("@")[2]
            here.uid = new_uid(16)
            here.consent = {**(here.consent or {}), "moved": moved}
        return here


def erase_own_data(db: Database, keys: Keys, token: str) -> None:
    """Delete the data of the recipient of a fresh link."""
    with db.begin() as tx:
        erase_recipient(tx, require_owner(tx, keys, token, lock=True))


def export_own_data(tx: Session, recipient: Recipient) -> dict[str, Any]:
    """All that is stored about a recipient, as JSON values: the person, subscriptions, mails."""
    _, subscriptions = recipient_with_subscriptions(tx, recipient.uid)
    return {
        "recipient": {name: _plain(getattr(recipient, name)) for name in _COLUMNS},
        "follows": [_follow(tx, subscription) for subscription in subscriptions],
        "mails": _mails(tx, recipient),
    }


def _follow(tx: Session, subscription: Subscription) -> dict[str, Any]:
    names = (
        "least_importance",
        "news",
        "corrections",
        "created_at",
        "next_digest_at",
        *Rhythm.__dataclass_fields__,
    )
    tags = select(SubscriptionTag.slug)
    return {
        "story": _public_title(subscription.stream) if subscription.stream else None,
        "but_not": [_public_title(stream) for stream in excluded_streams(tx, subscription)],
        "tags": list(tx.scalars(tags.where(SubscriptionTag.subscription_id == subscription.id))),
        **{name: _plain(getattr(subscription, name)) for name in names},
    }


def _mails(tx: Session, recipient: Recipient) -> list[dict[str, Any]]:
    """The mails of a recipient, newest first; of a notice only the name is stored."""
    happened_at = func.coalesce(Delivery.settled_at, Delivery.created_at)
    query = (
        select(
            happened_at, Entry.title, Alert.notice, Alert.kind, Delivery.state, Delivery.last_reply
        )
        .join(Alert, Alert.id == Delivery.alert_id)
        .outerjoin(Revision, Revision.id == Alert.revision_id)
        .outerjoin(Entry, Entry.id == Revision.entry_id)
        .where(Delivery.recipient_id == recipient.id)
        .order_by(Delivery.id.desc())
    )
    return [
        {
            "at": _plain(at),
            "what": title or (notice or {}).get("name") or kind.value,
            "state": state.value,
            "reply": reply,
        }
        for at, title, notice, kind, state, reply in tx.execute(query)
    ]


def _send_link(tx: Session, recipient: Recipient, values: dict[str, str], language: str) -> None:
    if may_mail_today(tx, "fresh-link", recipient.address):
        create_notice(tx, recipient, "fresh-link", {**values, "language": language})


def _public_title(stream: Stream) -> str:
    """The title, or an empty string while the stream is hidden, even from its followers."""
    return stream.title if stream.is_public else ""


def _plain(value: object) -> object:
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return getattr(value, "value", value)
