"""Recipients, their subscriptions, and which of them an alert goes to."""

import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from cryptography.fernet import Fernet
from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select, update
from sqlalchemy.orm import Session, selectinload

from config.keys import Keys
from models.db.clock import now
from models.db.database import Database
from models.recipients.preferences import LEFT, Follow, set_follow
from models.streams.streams import get_stream
from models.tables.base import new_uid
from models.tables.ledger import (
    HAS_SUBSCRIBED,
    Cadence,
    EndReason,
    Lane,
    Recipient,
    RecipientKind,
    RecipientState,
    Subscription,
    SubscriptionExcept,
    SubscriptionTag,
)
from models.tables.people import Role
from models.tables.stories import Importance, Stream
from models.text.actor import Actor
from models.text.email_address import hash_address, normal_address
from models.text.errors import Conflict, Invalid, NotFound
from models.text.texts import MAX_NAME_CHARS, language_tag, line
from models.text.tokens import ALL_STREAMS


@dataclass(frozen=True)
class ChannelTarget:
    """The target of a channel.  ``url`` is secret and stored encrypted; ``masked`` may be shown."""

    url: str
    service: str
    masked: str


def add_subscriber(
    db: Database, actor: Actor, email: str, *, stream: str | None = None, language: str = "en"
) -> Recipient:
    """Subscribe a confirmed address to a stream, or to all; an existing subscription stays as it
    is.

    Raises Invalid for an address that is suppressed: only its owner can bring it back.
    """
    actor.must_be(Role.ADMIN)
    address, language = normal_address(email), language_tag("language", language)
    with db.begin() as tx:
        recipient = find_recipient(tx, RecipientKind.MAIL, address)
        if recipient is None:
            recipient = Recipient(
                uid=new_uid(16),
                kind=RecipientKind.MAIL,
                address=address,
                lane=Lane.BULK,
                language=language,
            )
            _confirm(tx, recipient)
        elif recipient.state is RecipientState.SUPPRESSED:
            raise Invalid(
                "e-mail",
                "%(address)s is blocked (%(why)s).",
                address=address,
                why=recipient.reason or "no reason recorded",
            )
        elif recipient.state is not RecipientState.CONFIRMED:
            _confirm(tx, recipient)
        _follow(tx, recipient, stream, ())
        return recipient


def add_channel(
    db: Database,
    actor: Actor,
    keys: Keys,
    name: str,
    target: ChannelTarget,
    *,
    stream: str | None = None,
    tags: Iterable[str] = (),
    language: str = "en",
) -> Recipient:
    """Add a channel of that name following a stream, or all; the same again changes nothing. Labels
    are said in ``language``.

    Raises Conflict where the name is in use for another URL; a channel that was removed may come
    back with any.
    """
    actor.must_be(Role.ADMIN)
    name, language = (
        line("name", name, MAX_NAME_CHARS, required=True),
        language_tag("language", language),
    )
    with db.begin() as tx:
        channel = find_recipient(tx, RecipientKind.CHANNEL, name)
        if channel is None:
            channel = Recipient(
                uid=new_uid(16),
                kind=RecipientKind.CHANNEL,
                address=name,
                lane=Lane.FAST,
                language=language,
            )
        if channel.state is RecipientState.CONFIRMED:
            if decrypt_target(keys, channel.sealed_url) != target.url:
                raise Conflict(
                    "The channel “%(name)s” exists with a different URL. Remove it first, or choose"
                    " another name.",
                    name=name[:100],
                )
        else:
            encrypt_target(keys, channel, target)
            forget_failures(channel)
            _confirm(tx, channel)
        _follow(tx, channel, stream, tags)
        return channel


def encrypt_target(keys: Keys, channel: Recipient, target: ChannelTarget) -> None:
    """Set a channel's target; its URL is stored encrypted."""
    channel.service, channel.masked_url = target.service, target.masked
    channel.sealed_url = Fernet(keys.fernet("target")).encrypt(target.url.encode()).decode()


def forget_failures(channel: Recipient) -> None:
    """Close the breaker of a channel that leads elsewhere now."""
    channel.refusals, channel.failing_since, channel.sick_since = 0, None, None
    channel.next_at, channel.reason = None, ""


def decrypt_target(keys: Keys, sealed_url: str | None) -> str:
    """The Apprise URL of a channel, in clear: for sending only."""
    return _opened(keys.fernet("target"), sealed_url or "")


@lru_cache(maxsize=10_000)
def _opened(key: bytes, sealed: str) -> str:
    return Fernet(key).decrypt(sealed.encode()).decode()


def signing_secret(keys: Keys, channel_uid: str) -> str:
    """Secret that signs the messages to a JSON webhook: derived from the site's secret, so stored
    nowhere.
    """
    return hmac.digest(keys.derive("webhook"), channel_uid.encode(), "sha256").hex()


def remove_recipient(
    db: Database, actor: Actor, kind: RecipientKind, address: str, reason: str
) -> Recipient:
    """End a recipient and its subscriptions."""
    actor.must_be(Role.ADMIN)
    address = normal_address(address) if kind is RecipientKind.MAIL else address
    with db.begin() as tx:
        recipient = find_recipient(tx, kind, address)
        if recipient is None:
            raise NotFound("channel" if kind is RecipientKind.CHANNEL else "subscriber", address)
        if recipient.state is not RecipientState.SUPPRESSED:
            recipient.end(now(tx), EndReason.LEFT, reason)
        followed_now = (Subscription.recipient_id == recipient.id, Subscription.ended_at.is_(None))
        tx.execute(update(Subscription).where(*followed_now).values(ended_at=now(tx)))
        return recipient


def list_recipients(
    tx: Session, kind: RecipientKind, *, limit: int = 1000, after: int = 0
) -> Sequence[Recipient]:
    """Recipients of that kind by id, those after ``after`` first."""
    of_kind = (Recipient.kind == kind, HAS_SUBSCRIBED)
    return tx.scalars(
        select(Recipient).where(*of_kind, Recipient.id > after).order_by(Recipient.id).limit(limit)
    ).all()


def recipient_with_subscriptions(
    tx: Session, recipient_uid: str
) -> tuple[Recipient, Sequence[Subscription]]:
    """A recipient and what it follows now."""
    recipient = tx.scalar(select(Recipient).where(Recipient.uid == recipient_uid))
    if recipient is None:
        raise NotFound("recipient", recipient_uid)
    query = select(Subscription).where(
        Subscription.recipient_id == recipient.id, Subscription.ended_at.is_(None)
    )
    return (
        recipient,
        tx.scalars(
            query.options(selectinload(Subscription.stream)).order_by(Subscription.id)
        ).all(),
    )


def unsubscribe(db: Database, recipient_uid: str, scope: str) -> None:
    """End a recipient's subscriptions to a stream (its uid), or all of them (`ALL`); doing it again
    changes nothing.

    Leaving one stream excludes it from a subscription to all streams, which goes on. Raises
    NotFound for an unknown recipient.
    """
    with db.begin() as tx:
        # a link may be pressed twice at once
        tx.execute(select(Recipient.id).where(Recipient.uid == recipient_uid).with_for_update())
        recipient, subscriptions = recipient_with_subscriptions(tx, recipient_uid)
        for subscription in subscriptions:
            if scope in (ALL_STREAMS, subscription.stream and subscription.stream.uid):
                subscription.ended_at, subscription.next_digest_at = now(tx), None
            elif subscription.stream is None:
                _leave_out(tx, subscription, scope)
        tx.flush()
        if (
            not recipient_with_subscriptions(tx, recipient_uid)[1]
            and recipient.state is RecipientState.CONFIRMED
        ):
            recipient.end(now(tx), EndReason.LEFT, LEFT)


def excluded_streams(tx: Session, subscription: Subscription) -> Sequence[Stream]:
    """The streams that a subscription to all streams leaves out."""
    here = SubscriptionExcept.subscription_id == subscription.id
    query = (
        select(Stream)
        .join(SubscriptionExcept, SubscriptionExcept.stream_id == Stream.id)
        .where(here)
    )
    return tx.scalars(query.order_by(Stream.id)).all()


def _leave_out(tx: Session, subscription: Subscription, stream_uid: str) -> None:
    stream_id = tx.scalar(select(Stream.id).where(Stream.uid == stream_uid))
    if stream_id is not None:
        tx.merge(SubscriptionExcept(subscription_id=subscription.id, stream_id=stream_id))


def get_or_create_recipient(tx: Session, address: str) -> Recipient:
    """The recipient of a normalised mail address, made if there is none: one that follows nothing
    and is no subscriber.
    """
    recipient = find_recipient(tx, RecipientKind.MAIL, address)
    if recipient is None:
        recipient = Recipient(
            uid=new_uid(16),
            kind=RecipientKind.MAIL,
            address=address,
            lane=Lane.BULK,
            state=RecipientState.ENDED,
            end_reason=EndReason.CONTACT_ONLY,
            created_at=now(tx),
        )
        tx.add(recipient)
        tx.flush()
    return recipient


def suppress(tx: Session, recipient_id: int, reason: str) -> None:
    """Never mail this address again: its own server says that it is nobody's."""
    values = {"state": RecipientState.SUPPRESSED, "reason": reason[:500], "ended_at": now(tx)}
    tx.execute(update(Recipient).where(Recipient.id == recipient_id).values(values))


@dataclass(frozen=True)
class AlertTopic:
    """Topic of an alert, as far as subscriptions can filter by it."""

    stream_id: int
    importance: Importance
    tags: tuple[str, ...]  # slugs
    correction: bool  # an update or correction of what was told before


def eligible_recipients(
    topic: AlertTopic, *, confirmed_by: datetime | None = None, before_seq: int | None = None
) -> Select[int, Lane, int]:
    """Query for (recipient_id, lane, subscription_id) of the recipients that get an alert at once,
    one row each.

    A digest's subscription counts where the entry matters so much that it does not wait.
    ``confirmed_by`` leaves out later recipients: nobody is alerted of what was published before
    they subscribed. ``before_seq``: the site's counter at publication, which decides instead of the
    clock for subscriptions that store theirs.
    """
    return subscribers_query(topic, confirmed_by=confirmed_by, before_seq=before_seq).where(
        wants_immediately(topic)
    )


def subscribers_query(
    topic: AlertTopic, *, confirmed_by: datetime | None = None, before_seq: int | None = None
) -> Select[int, Lane, int]:
    """Query like `eligible_recipients`, with subscribers to digests, too."""
    kind = Subscription.corrections if topic.correction else Subscription.news
    return _followers(topic, confirmed_by, before_seq).where(kind)


def digest_subscribers_query(
    topic: AlertTopic, seq: int, *, confirmed_by: datetime, before_seq: int | None
) -> Select[int, Lane, int]:
    """Query like `eligible_recipients`, for recipients whose digest may have included the entry
    published at ``seq``.
    """
    return _followers(topic, confirmed_by, before_seq).where(
        or_(Subscription.cadence != Cadence.AT_ONCE, Subscription.digested_seq >= seq)
    )


def wants_immediately(topic: AlertTopic) -> ColumnElement[bool]:
    """Whether a subscription is served at once."""
    return or_(
        Subscription.cadence == Cadence.AT_ONCE,
        Subscription.at_once_from.in_(_up_to(topic.importance)),
    )


def _up_to(importance: Importance) -> list[Importance]:
    grades = list(Importance)
    return grades[: grades.index(importance) + 1]


def started_before(moment: datetime, seq: int | None) -> ColumnElement[bool]:
    """Whether a subscription began before something that came out at ``moment``, when the site's
    counter became ``seq``.

    The counter decides where both know it: it never goes back, as a clock may.
    """
    by_clock = and_(Recipient.confirmed_at <= moment, Subscription.created_at <= moment)
    if seq is None:
        return by_clock
    return or_(Subscription.started_seq < seq, and_(Subscription.started_seq.is_(None), by_clock))


def _followers(
    topic: AlertTopic, confirmed_by: datetime | None, before_seq: int | None
) -> Select[int, Lane, int]:
    """Recipients whose filters of streams, tags and importance match a topic."""
    tagged = select(SubscriptionTag.slug).where(SubscriptionTag.subscription_id == Subscription.id)
    excluded_streams = select(SubscriptionExcept.stream_id).where(
        SubscriptionExcept.subscription_id == Subscription.id,
        SubscriptionExcept.stream_id == topic.stream_id,
    )
    query = (
        select(
            Recipient.id.label("recipient_id"),
            Recipient.lane.label("lane"),
            func.min(Subscription.id).label("subscription_id"),
        )
        .join(Subscription, Subscription.recipient_id == Recipient.id)
        .where(
            Recipient.state == RecipientState.CONFIRMED,
            Subscription.ended_at.is_(None),
            or_(
                Subscription.stream_id == topic.stream_id,
                and_(Subscription.stream_id.is_(None), ~exists(excluded_streams)),
            ),
            Subscription.least_importance.in_(_up_to(topic.importance)),
            or_(~exists(tagged), exists(tagged.where(SubscriptionTag.slug.in_(topic.tags)))),
        )
        .group_by(Recipient.id, Recipient.lane)
    )
    if confirmed_by is not None:
        query = query.where(started_before(confirmed_by, before_seq))
    return query


def find_recipient(tx: Session, kind: RecipientKind, address: str) -> Recipient | None:
    """The recipient of a normalised mail address, also one of which only a hash is kept, or the
    channel of that name.
    """
    names = [address, hash_address(address)] if kind is RecipientKind.MAIL else [address]
    return tx.scalar(select(Recipient).where(Recipient.kind == kind, Recipient.address.in_(names)))


def _confirm(tx: Session, recipient: Recipient) -> None:
    recipient.state, recipient.reason, recipient.confirmed_at, recipient.ended_at = (
        RecipientState.CONFIRMED,
        "",
        now(tx),
        None,
    )
    recipient.created_at = recipient.created_at or now(tx)
    tx.add(recipient)
    tx.flush()


def _follow(tx: Session, recipient: Recipient, slug: str | None, tags: Iterable[str]) -> None:
    """Subscribe a recipient to immediate alerts, unless it follows the stream already."""
    stream_id = get_stream(tx, slug).id if slug is not None else None
    same = Subscription.stream_id.is_not_distinct_from(stream_id)
    present = (Subscription.recipient_id == recipient.id, same, Subscription.ended_at.is_(None))
    if tx.scalar(select(Subscription.id).where(*present)) is None:
        set_follow(tx, recipient, Follow(stream_id=stream_id, tags=tuple(tags)).cleaned())
