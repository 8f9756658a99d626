"""Channels on the desk: change one, try one again that is sick, and what became of the last message
to each.
"""

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
"""The notice that only channels get: an entry that looks like an alert and is marked as a test."""


def get_channel(tx: Session, uid: str) -> Recipient:
    """A channel that was not removed; raises NotFound."""
    this = (
        Recipient.uid == uid,
        Recipient.kind == RecipientKind.CHANNEL,
        Recipient.state == RecipientState.CONFIRMED,
    )
    found = tx.scalar(select(Recipient).where(*this))
    if found is None:
        raise NotFound("channel", uid)
    return found


def edit_channel(
    db: Database,
    actor: Actor,
    keys: Keys,
    uid: str,
    name: str,
    target: ChannelTarget | None,
    wanted: Preferences,
) -> Recipient:
    """Give a channel another name, another place to lead to (None: the same) and what it is to be
    told.
    """
    actor.must_be(Role.ADMIN)
    if not wanted.follows:
        raise Invalid("stream", "choose at least one story, or remove the channel.")
    name, wanted = line("name", name, MAX_NAME_CHARS, required=True), wanted.cleaned()
    with db.begin() as tx:
        channel = get_channel(tx, uid)
        if name != channel.address and find_recipient(tx, RecipientKind.CHANNEL, name) is not None:
            raise Invalid("name", "another channel has or had this name. Choose a different one.")
        channel.address = name
        if target is not None:
            encrypt_target(keys, channel, target)
            forget_failures(channel)
    return set_preferences(db, uid, wanted)


def send_test_message(db: Database, actor: Actor, uid: str, values: dict[str, object]) -> None:
    """Owe a channel a test message; ``values`` are those of `notifier.content.channel_test`."""
    actor.must_be(Role.ADMIN)
    with db.begin() as tx:
        channel = get_channel(tx, uid)
        channel.next_at = channel.next_at if channel.sick_since is None else None
        waiting = select(Delivery.id).where(
            Delivery.recipient_id == channel.id, Delivery.state == DeliveryState.QUEUED
        )
        if (
            tx.scalar(
                waiting.where(
                    Delivery.lane == Lane.FAST, Delivery.priority == Priority.IMMEDIATE
                ).limit(1)
            )
            is not None
        ):
            raise Conflict("A test is already queued.")
        create_notice(tx, channel, TEST_NOTICE, values)


def retry_channel(db: Database, actor: Actor, uid: str) -> int:
    """Let what waits for a sick channel be tried now, one message first; returns how many wait."""
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
    """What a recipient wants now."""
    mine = (Subscription.recipient_id == recipient.id, Subscription.ended_at.is_(None))
    subscriptions = tx.scalars(select(Subscription).where(*mine).order_by(Subscription.id)).all()
    tags: dict[int, list[str]] = {}
    query = select(SubscriptionTag).where(
        SubscriptionTag.subscription_id.in_([one.id for one in subscriptions])
    )
    for tag in tx.scalars(query.order_by(SubscriptionTag.slug)):
        tags.setdefault(tag.subscription_id, []).append(tag.slug)
    return Preferences(
        follows=tuple(
            Follow(
                stream_id=one.stream_id,
                tags=tuple(tags.get(one.id, ())),
                left_out=tuple(stream.id for stream in excluded_streams(tx, one))
                if one.stream_id is None
                else (),
                least_importance=one.least_importance,
                news=one.news,
                corrections=one.corrections,
                rhythm=Rhythm.of(one),
            )
            for one in subscriptions
        ),
        language=recipient.language,
        timezone=recipient.timezone,
        quiet_from=recipient.quiet_from,
        quiet_until=recipient.quiet_until,
        paused_until=recipient.paused_until,
    )


def list_channels(tx: Session) -> Sequence[Recipient]:
    """All channels that are told anything, by name."""
    these = (Recipient.kind == RecipientKind.CHANNEL, Recipient.state == RecipientState.CONFIRMED)
    return tx.scalars(select(Recipient).where(*these).order_by(func.lower(Recipient.address))).all()


def last_deliveries(tx: Session, ids: Sequence[int]) -> dict[int, Delivery]:
    """Of each of these recipients the last delivery that came to an end."""
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
    return {one.recipient_id: one for one in tx.scalars(query.where(Recipient.id.in_(ids)))}


def subscriptions_by_recipient(tx: Session, ids: Sequence[int]) -> dict[int, list[Subscription]]:
    """What each of these recipients follows, with the streams."""
    if not ids:
        return {}
    running = select(Subscription).where(
        Subscription.recipient_id.in_(ids), Subscription.ended_at.is_(None)
    )
    found: dict[int, list[Subscription]] = {}
    for one in tx.scalars(
        running.options(selectinload(Subscription.stream)).order_by(Subscription.id)
    ):
        found.setdefault(one.recipient_id, []).append(one)
    return found
