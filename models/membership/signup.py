"""Signing up by mail: nobody is told anything before the owner of the address has pressed a button
that only a mail leads to.
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
"""How long a question can be answered."""
UNANSWERED_LIFE = timedelta(days=7)
"""After which an address that never answered is forgotten."""
MAX_ATTEMPTS_PER_MAILBOX, MAX_ATTEMPTS_PER_NETWORK = 3, 20  # in each window of a throttle
MAX_MAILS_PER_DAY = 5  # of one kind, to a mailbox, because somebody typed its address
MAX_CONSENTS = 20

_CONFIRM = "confirm"


@dataclass(frozen=True, kw_only=True)
class SignupRequest:
    """What somebody asks for on a page. ``stream`` None: all of them; ``client``: the address that
    the request came from.
    """

    email: str
    stream: str | None
    choice: str
    page: str
    client: str
    language: str = "en"  # of a new reader of all streams
    timezone: str = "UTC"


@dataclass(frozen=True)
class RequestedSignup:
    """What the link in a mail offers.  ``used``: it was taken already."""

    recipient: Recipient
    stream: Stream | None
    choice: str
    asked_at: datetime
    used: bool


def request_signup(
    db: Database, keys: Keys, wish: SignupRequest, *, blocked: Collection[str] = ()
) -> str:
    """Send a mail to that address with a link that confirms, and return the address in its normal
    form.

    An address that follows already gets its settings in the same mail. What happens, and how long
    it takes, does not depend on whether the address is known: a suppressed one is owed the mail,
    too, and the claim leaves it out.
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
    """What that link offers; BadLink where it is not ours, Gone where it can no longer be taken,
    and why.
    """
    read = read_timed_token(keys, _CONFIRM, token, 3)
    if read is None:
        raise BadLink
    (uid, scope, choice), until = read
    found = select(Recipient).where(Recipient.uid == uid)
    recipient = tx.scalar(found.with_for_update() if lock else found)
    stream = tx.scalar(select(Stream).where(Stream.uid == scope)) if scope != ALL_STREAMS else None
    if (
        recipient is None
        or recipient.state is RecipientState.SUPPRESSED
        or (stream is None and scope != ALL_STREAMS)
    ):
        raise Gone("link", token, "This link is no longer valid. You can sign up again.")
    if stream is not None and (not stream.is_public or stream.state is StreamState.ENDED):
        raise Gone("link", token, "This story has ended, so there will be no more e-mail about it.")
    asked_at = until - CONFIRM_LINK_LIFE
    used = any(
        one["asked_at"] == asked_at.isoformat() and one["scope"] == scope
        for one in _given(recipient)
    )
    if used and not _follows(tx, recipient, stream):
        raise Gone(
            "link",
            token,
            "You’ve since unsubscribed. Sign up again to come back.",
        )
    if not used and until <= now(tx):
        raise Gone("link", token, "This link has expired. Sign up again to get a new one.")
    if (
        not used
        and recipient.ended_at is not None
        and recipient.ended_at > asked_at + timedelta(seconds=1)
    ):
        raise Gone(
            "link",
            token,
            "You’ve since unsubscribed. Sign up again to come back.",
        )
    return RequestedSignup(recipient, stream, choice, asked_at, used)


def confirm_signup(db: Database, keys: Keys, token: str, client: str) -> RequestedSignup:
    """Take an invitation; taking it again changes nothing, whatever was chosen since."""
    with db.begin() as tx:
        invitation = read_signup(tx, keys, token, lock=True)
        if not invitation.used:
            _keep_proof(tx, invitation, client)
            recipient, stream = invitation.recipient, invitation.stream
            if recipient.state is not RecipientState.CONFIRMED:
                recipient.state, recipient.reason, recipient.confirmed_at, recipient.ended_at = (
                    RecipientState.CONFIRMED,
                    "",
                    now(tx),
                    None,
                )
            set_follow(
                tx,
                recipient,
                Follow(
                    stream_id=stream.id if stream else None, rhythm=CHOICES[invitation.choice]
                ).cleaned(),
            )
        return invitation


def delete_unanswered_signups(db: Database) -> int:
    """Delete addresses that somebody typed and nobody confirmed; returns how many. Writes only
    where there are any.
    """
    with db.read() as tx:
        old = _unanswered(tx).limit(500)
        found = tx.scalars(old).all()
    if not found:
        return 0
    with db.begin() as tx:
        still = (Recipient.id.in_(found), Recipient.state == RecipientState.PENDING)
        return rows_changed(
            tx, delete(Recipient).where(*still).execution_options(synchronize_session=False)
        )


def refuse_blocked(address: str, blocked: Collection[str]) -> None:
    """Raise Invalid for an address of a domain, or below one, that the operator does not take."""
    domain = address.rpartition("@")[2]
    if any(
        name == one or name.endswith(f".{one}")
        for name in (domain, _ascii(domain))
        for one in blocked
    ):
        raise Invalid(
            "e-mail",
            "we don’t accept addresses at %(domain)s. Please use another one.",
            domain=domain,
        )


def count_signup_attempt(db: Database, address: str, client: str) -> None:
    """Count a mail that somebody asks for; TooMany from one network, or for one mailbox."""
    limits = {
        f"sign-up network {network_of(client)}": MAX_ATTEMPTS_PER_NETWORK,
        f"sign-up mailbox {hash_address(mailbox_key(address))}": MAX_ATTEMPTS_PER_MAILBOX,
    }
    count_attempt(db, limits)


def may_mail_today(tx: Session, kind: str, address: str, *, most: int = MAX_MAILS_PER_DAY) -> bool:
    """Count a mail of this kind to a mailbox; False where it had its ``most`` within a day.

    Each kind counts by itself: whoever types somebody's address in must not keep that person's own
    links from them.
    """
    return attempts_today(tx, f"{kind} mails {hash_address(mailbox_key(address))}") <= most


def get_or_create_pending(
    tx: Session, address: str, place: SignupRequest | Stream | Recipient
) -> Recipient:
    """The recipient of a normalised address; a newcomer has the language and zone of ``place`` and
    waits to be confirmed.
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


def _keep_proof(tx: Session, invitation: RequestedSignup, client: str) -> None:
    recipient, asked_at = invitation.recipient, invitation.asked_at.isoformat()
    kept: dict[str, Any] = {**(recipient.consent or {})}
    asked = kept.pop("asked", {})
    proof = {
        "scope": invitation.stream.uid if invitation.stream else ALL_STREAMS,
        "story": invitation.stream.title if invitation.stream else "",
        "choice": invitation.choice,
        "asked_at": asked_at,
        "confirmed_at": _second(now(tx)).isoformat(),
        "confirmed_from": network_of(client),
    }
    if asked.get("at") == asked_at:
        proof |= {"page": asked["page"], "asked_from": asked["network"]}
    recipient.consent = kept | {"given": [*_given(recipient), proof][-MAX_CONSENTS:]}


def _given(recipient: Recipient) -> list[dict[str, Any]]:
    given: list[dict[str, Any]] = (recipient.consent or {}).get("given", [])
    return given


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


def _second(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)


def _ascii(domain: str) -> str:
    try:
        return domain.encode("idna").decode()
    except UnicodeError:
        return domain
