"""Sign-up by mail with double opt-in: no alert is sent before the owner of the address confirmed by
a link in a mail.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, delete, exists, or_, select
from sqlalchemy.orm import Session

from config.keys import Keys
from models.alerts.alerts import create_notice
from models.db.clock import now
from models.db.database import Database, rows_changed
from models.db.rate_limit import attempts_today, count_attempt, network_of
from models.db.site import lock_site
from models.recipients.audience import find_recipient
from models.recipients.preferences import CHOICES, Follow, set_follow
from models.streams.streams import get_stream
from models.tables.base import new_uid
from models.tables.ledger import (
    Delivery,
    DeliveryState,
    Lane,
    Recipient,
    RecipientKind,
    RecipientState,
    Subscription,
)
from models.tables.stories import Stream, StreamState
from models.text.email_address import hash_address, mailbox_key, normal_address
from models.text.errors import BadLink, Conflict, Gone, Invalid
from models.text.tokens import ALL_STREAMS, read_timed_token, timed_token, unsubscribe_token

CONFIRM_LINK_LIFE = timedelta(days=3)
"""Validity of the link that confirms a sign-up."""
UNANSWERED_LIFE = timedelta(days=7)
"""Time after which an unconfirmed address is deleted."""
# in each window of the rate limit
MAX_ATTEMPTS_PER_MAILBOX = 3
MAX_ATTEMPTS_PER_NETWORK = 20
MAX_MAILS_PER_DAY = 5  # of one kind to one mailbox, requested by anyone
MAX_CONSENTS = 20

_CONFIRM = "confirm"


@dataclass(frozen=True, kw_only=True)
class SignupRequest:
    """A filled-in sign-up form.  ``stream`` None: all streams; ``client``: an IP address."""

    email: str
    stream: str | None
    choice: str
    page: str
    client: str
    language: str = "en"  # of a new reader of all streams
    timezone: str = "UTC"


@dataclass(frozen=True)
class RequestedSignup:
    """The sign-up behind a confirmation link.  ``used``: it was confirmed already."""

    recipient: Recipient
    stream: Stream | None
    choice: str
    asked_at: datetime
    used: bool


def request_signup(
    db: Database, keys: Keys, wish: SignupRequest, *, blocked: Collection[str] = ()
) -> str:
    """Mail a confirmation link to an address, and return the address in its normal form.

    A subscribed address gets a link to its settings in the same mail.  Effect and duration do not
    depend on whether the address is known: even for a suppressed one a delivery is queued, and
    skipped when it is claimed.
    """
    address = normal_address(wish.email)
    if wish.choice not in CHOICES:
        raise Invalid("choice", "choose one of the options.")
    refuse_blocked(address, blocked)
    count_signup_attempt(db, address, wish.client)
    with db.begin() as tx:
        stream = get_stream(tx, wish.stream, public=True) if wish.stream is not None else None
        if stream is not None and stream.state is StreamState.ENDED:
            raise Conflict("This story has ended, so there will be no more e-mail about it.")
        recipient = get_or_create_pending(tx, address, stream or wish)
        asked = {
            "page": wish.page[:200],
            "choice": wish.choice,
            "at": _second(now(tx)).isoformat(),
            "network": network_of(wish.client),
        }
        if recipient.state is not RecipientState.SUPPRESSED:
            recipient.consent = {**(recipient.consent or {}), "asked": asked}
        if may_mail_today(tx, "sign-up", address):
            known = recipient.state is RecipientState.CONFIRMED
            scope = stream.uid if stream else ALL_STREAMS
            values = {
                "language": stream.language if stream else recipient.language,
                "story": stream.title if stream else "",
                "confirm": timed_token(
                    keys, _CONFIRM, now(tx) + CONFIRM_LINK_LIFE, recipient.uid, scope, wish.choice
                ),
                "settings": unsubscribe_token(keys, recipient.uid, ALL_STREAMS),
            }
            create_notice(tx, recipient, "preferences" if known else "confirm", values)
    return address


def read_signup(tx: Session, keys: Keys, token: str, *, lock: bool = False) -> RequestedSignup:
    """The sign-up behind a link; raises BadLink where it is not ours, and Gone with the reason
    where it can no longer be confirmed.
    """
    read = read_timed_token(keys, _CONFIRM, token, 3)
    if read is None:
        raise BadLink
    (uid, scope, choice), until = read
    query = select(Recipient).where(Recipient.uid == uid)
    recipient = tx.scalar(query.with_for_update() if lock else query)
    if recipient is None or recipient.state is RecipientState.SUPPRESSED:
        raise Gone("link", token, "This link is no longer valid. You can sign up again.")
    stream = _stream_of_scope(tx, scope, token)
    asked_at = until - CONFIRM_LINK_LIFE
    used = any(
        consent["asked_at"] == asked_at.isoformat() and consent["scope"] == scope
        for consent in _given(recipient)
    )
    left_at = recipient.ended_at
    if used:
        has_left = not _follows(tx, recipient, stream)
    elif until <= now(tx):
        raise Gone("link", token, "This link has expired. Sign up again to get a new one.")
    else:
        has_left = left_at is not None and left_at > asked_at + timedelta(seconds=1)
    if has_left:
        raise Gone("link", token, "You’ve since unsubscribed. Sign up again to come back.")
    return RequestedSignup(recipient, stream, choice, asked_at, used)


def _stream_of_scope(tx: Session, scope: str, token: str) -> Stream | None:
    if scope == ALL_STREAMS:
        return None
    stream = tx.scalar(select(Stream).where(Stream.uid == scope))
    if stream is None:
        raise Gone("link", token, "This link is no longer valid. You can sign up again.")
    if not stream.is_public or stream.state is StreamState.ENDED:
        raise Gone("link", token, "This story has ended, so there will be no more e-mail about it.")
    return stream


def confirm_signup(db: Database, keys: Keys, token: str, client: str) -> RequestedSignup:
    """Confirm a sign-up; a second time changes nothing, even after new settings."""
    with db.begin() as tx:
        signup = read_signup(tx, keys, token, lock=True)
        if signup.used:
            return signup
        _store_proof(tx, signup, client)
        recipient = signup.recipient
        if recipient.state is not RecipientState.CONFIRMED:
            recipient.state = RecipientState.CONFIRMED
            recipient.reason = ""
            recipient.confirmed_at = now(tx)
            recipient.ended_at = None
        stream_id = signup.stream.id if signup.stream else None
        follow = Follow(stream_id=stream_id, rhythm=CHOICES[signup.choice])
        set_follow(tx, recipient, follow.cleaned())
        return signup


def delete_unanswered_signups(db: Database) -> int:
    """Delete addresses that were never confirmed; returns how many.  Writes only if needed."""
    with db.read() as tx:
        ids = tx.scalars(_unanswered(tx).limit(500)).all()
    if not ids:
        return 0
    with db.begin() as tx:
        still = (Recipient.id.in_(ids), Recipient.state == RecipientState.PENDING)
        return rows_changed(
            tx, delete(Recipient).where(*still).execution_options(synchronize_session=False)
        )


def refuse_blocked(address: str, blocked: Collection[str]) -> None:
    """Raise Invalid for an address at one of these domains, or below one."""
    domain = address.rpartition("@")[2]
    names = (domain, _ascii(domain))
    if any(name == root or name.endswith(f".{root}") for name in names for root in blocked):
        raise Invalid(
            "e-mail",
            "we don’t accept addresses at %(domain)s. Please use another one.",
            domain=domain,
        )


def count_signup_attempt(db: Database, address: str, client: str) -> None:
    """Count a requested mail; raises TooManyAttempts for its network or mailbox."""
    limits = {
        f"sign-up network {network_of(client)}": MAX_ATTEMPTS_PER_NETWORK,
        f"sign-up mailbox {hash_address(mailbox_key(address))}": MAX_ATTEMPTS_PER_MAILBOX,
    }
    count_attempt(db, limits)


def may_mail_today(tx: Session, kind: str, address: str, *, most: int = MAX_MAILS_PER_DAY) -> bool:
    """Count a mail of this kind to a mailbox; False after ``most`` within a day.

    Each kind counts by itself: a stranger who enters an address must not block its owner's own
    links.
    """
    return attempts_today(tx, f"{kind} mails {hash_address(mailbox_key(address))}") <= most


def get_or_create_pending(
    tx: Session, address: str, place: SignupRequest | Stream | Recipient
) -> Recipient:
    """The recipient of a normalized address; a new one is pending, with the language and time zone
    of ``place``.
    """
    recipient = find_recipient(tx, RecipientKind.MAIL, address)
    if recipient is not None:
        return recipient
    lock_site(tx)
    if (recipient := find_recipient(tx, RecipientKind.MAIL, address)) is not None:
        return recipient
    recipient = Recipient(
        uid=new_uid(16),
        kind=RecipientKind.MAIL,
        address=address,
        lane=Lane.BULK,
        language=place.language,
        timezone=place.timezone,
        state=RecipientState.PENDING,
        created_at=now(tx),
    )
    tx.add(recipient)
    tx.flush()
    return recipient


def _store_proof(tx: Session, signup: RequestedSignup, client: str) -> None:
    recipient = signup.recipient
    asked_at = signup.asked_at.isoformat()
    consent: dict[str, Any] = {**(recipient.consent or {})}
    asked = consent.pop("asked", {})
    proof = {
        "scope": signup.stream.uid if signup.stream else ALL_STREAMS,
        "story": signup.stream.title if signup.stream else "",
        "choice": signup.choice,
        "asked_at": asked_at,
        "confirmed_at": _second(now(tx)).isoformat(),
        "confirmed_from": network_of(client),
    }
    if asked.get("at") == asked_at:
        proof |= {"page": asked["page"], "asked_from": asked["network"]}
    consent["given"] = [*_given(recipient), proof][-MAX_CONSENTS:]
    recipient.consent = consent


def _given(recipient: Recipient) -> list[dict[str, Any]]:
    consents: list[dict[str, Any]] = (recipient.consent or {}).get("given", [])
    return consents


def _follows(tx: Session, recipient: Recipient, stream: Stream | None) -> bool:
    same = Subscription.stream_id.is_not_distinct_from(stream.id if stream else None)
    mine = (Subscription.recipient_id == recipient.id, Subscription.ended_at.is_(None), same)
    return (
        recipient.state is RecipientState.CONFIRMED
        and tx.scalar(select(Subscription.id).where(*mine)) is not None
    )


def _unanswered(tx: Session) -> Select[int]:
    owed = or_(
        Delivery.created_at > now(tx) - UNANSWERED_LIFE,
        Delivery.state.in_([DeliveryState.QUEUED, DeliveryState.CLAIMED]),
    )
    asked_lately = exists().where(Delivery.recipient_id == Recipient.id, owed)
    pending = (Recipient.kind == RecipientKind.MAIL, Recipient.state == RecipientState.PENDING)
    return select(Recipient.id).where(
        *pending, Recipient.created_at < now(tx) - UNANSWERED_LIFE, ~asked_lately
    )


def _second(time: datetime) -> datetime:
    return time.replace(microsecond=0)


def _ascii(domain: str) -> str:
    try:
        return domain.encode("idna").decode()
    except UnicodeError:
        return domain
