"""Channels on the desk: editing, testing and retrying them, and their last deliveries."""

from collections.abc import Sequence

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session, aliased, selectinload

from config.keys import Keys
from models.alerts.alerts import create_notice
from models.db.clock import now
from models.db.database import Database, rows_changed
from models.recipients.audience import (
    ChannelTarget,
    encrypt_target,
    excluded_streams,
    find_recipient,
    forget_failures,
)
from models.recipients.preferences import Follow, Preferences, Rhythm, set_preferences
from models.tables.ledger import (
    Delivery,
    DeliveryState,
    Lane,
    Priority,
    Recipient,
    RecipientKind,
    RecipientState,
    Subscription,
    SubscriptionTag,
)
from models.tables.people import Role
from models.text.actor import Actor
from models.text.errors import Conflict, Invalid, NotFound
from models.text.texts import MAX_NAME_CHARS, line

TEST_NOTICE = "test"
"""The notice of a test message to a channel."""


def get_channel(tx: Session, uid: str) -> Recipient:
    """The channel, unless it was removed; raises NotFound."""
    channel = tx.scalar(
        select(Recipient).where(
            Recipient.uid == uid,
            Recipient.kind == RecipientKind.CHANNEL,
            Recipient.state == RecipientState.CONFIRMED,
        )
    )
    if channel is None:
        raise NotFound("channel", uid)
    return channel


def edit_channel(
    db: Database,
    actor: Actor,
    keys: Keys,
    uid: str,
    name: str,
    target: ChannelTarget | None,
    preferences: Preferences,
) -> Recipient:
    """Change a channel's name, target (None: unchanged) and preferences."""
    actor.must_be(Role.ADMIN)
    if not preferences.follows:
        raise Invalid("stream", "choose at least one story, or remove the channel.")
    name = line("name", name, MAX_NAME_CHARS, required=True)
    preferences = preferences.cleaned()
    with db.begin() as tx:
        channel = get_channel(tx, uid)
        if name != channel.address and find_recipient(tx, RecipientKind.CHANNEL, name) is not None:
            raise Invalid("name", "another channel has or had this name. Choose a different one.")
        channel.address = name
        if target is not None:
            encrypt_target(keys, channel, target)
            forget_failures(channel)
    return set_preferences(db, uid, preferences)


def send_test_message(db: Database, actor: Actor, uid: str, values: dict[str, object]) -> None:
    """Queue a test message; ``values`` are those of `notifier.content.channel_check`."""
    actor.must_be(Role.ADMIN)
    with db.begin() as tx:
        channel = get_channel(tx, uid)
        if channel.sick_since is not None:
            channel.next_at = None
        queued = select(Delivery.id).where(
            Delivery.recipient_id == channel.id,
            Delivery.state == DeliveryState.QUEUED,
            Delivery.lane == Lane.FAST,
            Delivery.priority == Priority.IMMEDIATE,
        )
        if tx.scalar(queued.limit(1)) is not None:
            raise Conflict("A test is already queued.")
        create_notice(tx, channel, TEST_NOTICE, values)


def retry_channel(db: Database, actor: Actor, uid: str) -> int:
    """Retry a failing channel now, one message first; returns how many are queued."""
    actor.must_be(Role.ADMIN)
    with db.begin() as tx:
        channel = get_channel(tx, uid)
        channel.next_at = None
        owed = (
            Delivery.recipient_id == channel.id,
            Delivery.state == DeliveryState.QUEUED,
            Delivery.lane == Lane.FAST,
        )
        return rows_changed(
            tx, update(Delivery).where(*owed, Delivery.held_at.is_(None)).values(due_at=now(tx))
        )


def preferences_of(tx: Session, recipient: Recipient) -> Preferences:
    """The current preferences of a recipient."""
    query = select(Subscription).where(
        Subscription.recipient_id == recipient.id, Subscription.ended_at.is_(None)
    )
    subscriptions = tx.scalars(query.order_by(Subscription.id)).all()
    ids = [subscription.id for subscription in subscriptions]
    tags: dict[int, list[str]] = {}
    tag_query = select(SubscriptionTag).where(SubscriptionTag.subscription_id.in_(ids))
    for tag in tx.scalars(tag_query.order_by(SubscriptionTag.slug)):
        tags.setdefault(tag.subscription_id, []).append(tag.slug)
    return Preferences(
        follows=tuple(
            _follow(tx, subscription, tags.get(subscription.id, ()))
            for subscription in subscriptions
        ),
        language=recipient.language,
        timezone=recipient.timezone,
        quiet_from=recipient.quiet_from,
        quiet_until=recipient.quiet_until,
        paused_until=recipient.paused_until,
    )


def _follow(tx: Session, subscription: Subscription, tags: Sequence[str]) -> Follow:
    excluded: tuple[int, ...] = ()
    if subscription.stream_id is None:
        excluded = tuple(stream.id for stream in excluded_streams(tx, subscription))
    return Follow(
        stream_id=subscription.stream_id,
        tags=tuple(tags),
        left_out=excluded,
        least_importance=subscription.least_importance,
        news=subscription.news,
        corrections=subscription.corrections,
        rhythm=Rhythm.of(subscription),
    )


def list_channels(tx: Session) -> Sequence[Recipient]:
    """All channels that were not removed, by name."""
    query = select(Recipient).where(
        Recipient.kind == RecipientKind.CHANNEL, Recipient.state == RecipientState.CONFIRMED
    )
    return tx.scalars(query.order_by(func.lower(Recipient.address))).all()


def last_deliveries(tx: Session, ids: Sequence[int]) -> dict[int, Delivery]:
    """The last settled delivery of each recipient, by the recipient's id."""
    other = aliased(Delivery)
    ended = (
        select(other.id)
        .where(other.recipient_id == Recipient.id, other.settled_at.is_not(None))
        .order_by(other.id.desc())
        .limit(1)
    )
    query = select(Delivery).join(
        Recipient, Delivery.id == ended.correlate(Recipient).scalar_subquery()
    )
    deliveries = tx.scalars(query.where(Recipient.id.in_(ids)))
    return {delivery.recipient_id: delivery for delivery in deliveries}


def subscriptions_by_recipient(tx: Session, ids: Sequence[int]) -> dict[int, list[Subscription]]:
    """The running subscriptions of each recipient, with their streams."""
    if not ids:
        return {}
    running = select(Subscription).where(
        Subscription.recipient_id.in_(ids), Subscription.ended_at.is_(None)
    )
    by_recipient: dict[int, list[Subscription]] = {}
    for subscription in tx.scalars(
        running.options(selectinload(Subscription.stream)).order_by(Subscription.id)
    ):
        by_recipient.setdefault(subscription.recipient_id, []).append(subscription)
    return by_recipient
