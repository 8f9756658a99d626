"""Preferences of recipients: one rule for subscribers who choose themselves and for channels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time
from typing import Self

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from models.db.clock import now
from models.db.database import Database
from models.db.site import current_seq
from models.recipients.digest_times import MORNING, next_slot
from models.tables.ledger import (
    Cadence,
    EndReason,
    Recipient,
    RecipientState,
    Subscription,
    SubscriptionExcept,
    SubscriptionTag,
)
from models.tables.stories import Importance
from models.text.errors import Invalid, NotFound
from models.text.texts import (
    MAX_TAG_CHARS,
    MAX_TAG_SLUG_CHARS,
    MAX_TAGS,
    language_tag,
    line,
    tag_slug,
)
from models.text.times import zone_name

LEFT = "left"
"""Why a recipient is ended that asked for nothing more."""

LEAST_MINUTES, MOST_MINUTES = 5, 1440
_DAYS = 7


@dataclass(frozen=True, kw_only=True)
class Rhythm:
    """Cadence of a subscription: at once, or in digests, from which entries of ``at_once_from`` or
    more may be excepted.
    """

    cadence: Cadence = Cadence.AT_ONCE
    at_once_from: Importance | None = None
    every_minutes: int | None = None
    digest_time: time | None = None
    digest_day: int | None = None

    def cleaned(self) -> Self:
        """Rhythm without what its cadence does not use; raises Invalid with the field and what to
        do.
        """
        digest, by_day = (
            self.cadence is not Cadence.AT_ONCE,
            self.cadence in (Cadence.DAILY, Cadence.WEEKLY),
        )
        return type(self)(
            cadence=self.cadence,
            at_once_from=self.at_once_from if digest else None,
            every_minutes=_number("minutes", self.every_minutes, LEAST_MINUTES, MOST_MINUTES)
            if self.cadence is Cadence.INTERVAL
            else None,
            digest_time=(self.digest_time or MORNING).replace(second=0, microsecond=0)
            if by_day
            else None,
            digest_day=_number("day", self.digest_day, 0, _DAYS - 1)
            if self.cadence is Cadence.WEEKLY
            else None,
        )

    @classmethod
    def of(cls, subscription: Subscription) -> Self:
        """That of a subscription."""
        return cls(**{name: getattr(subscription, name) for name in cls.__dataclass_fields__})

    def next_slot(self, timezone: str, after: datetime) -> datetime | None:
        """When its next digest is due; None where all comes at once."""
        if self.cadence is Cadence.AT_ONCE:
            return None
        return next_slot(
            self.cadence, self.every_minutes, self.digest_time, self.digest_day, timezone, after
        )


CHOICES: Mapping[str, Rhythm] = {
    "split": Rhythm(cadence=Cadence.DAILY, at_once_from=Importance.KEY, digest_time=MORNING),
    "all": Rhythm(),
    "daily": Rhythm(cadence=Cadence.DAILY, digest_time=MORNING),
}
"""What the one question of a sign-up offers, the one that is chosen beforehand first."""


@dataclass(frozen=True, kw_only=True)
class Follow:
    """Settings of a subscription to one stream, or to all (``stream_id`` None).  ``tags`` are
    labels in any spelling; empty means all.
    """

    stream_id: int | None = None
    left_out: tuple[int, ...] = ()  # ids of streams, where all others are followed
    tags: tuple[str, ...] = ()
    least_importance: Importance = Importance.NORMAL
    news: bool = True
    corrections: bool = True
    rhythm: Rhythm = Rhythm()

    def cleaned(self) -> Self:
        """Subscription with tags as slugs; raises Invalid."""
        tags = tuple(dict.fromkeys(_tag(tag) for tag in self.tags))
        if len(tags) > MAX_TAGS:
            raise Invalid("tags", "enter at most %(most)s tags.", most=str(MAX_TAGS))
        if not (self.news or self.corrections):
            raise Invalid("kinds", "choose at least one. To stop all e-mail, unsubscribe.")
        left_out = () if self.stream_id is not None else tuple(dict.fromkeys(self.left_out))
        return replace(self, tags=tags, left_out=left_out, rhythm=self.rhythm.cleaned())


@dataclass(frozen=True, kw_only=True)
class Preferences:
    """Everything that a recipient chooses. Quiet hours are local time in ``timezone``; breaking
    entries pass them.
    """

    follows: tuple[Follow, ...]
    language: str
    timezone: str
    quiet_from: time | None = None
    quiet_until: time | None = None
    paused_until: datetime | None = None

    def cleaned(self) -> Self:
        """Preferences fit to be stored; raises Invalid with the field and what to do."""
        quiet = (self.quiet_from, self.quiet_until)
        if (quiet[0] is None) != (quiet[1] is None):
            raise Invalid("quiet hours", "enter both a start and an end time.")
        same = quiet[0] == quiet[1]
        return replace(
            self,
            follows=tuple({follow.stream_id: follow.cleaned() for follow in self.follows}.values()),
            language=language_tag("language", self.language),
            timezone=zone_name("time zone", self.timezone),
            quiet_from=None if same else quiet[0],
            quiet_until=None if same else quiet[1],
        )


def set_preferences(db: Database, recipient_uid: str, preferences: Preferences) -> Recipient:
    """Make these the preferences of a recipient; who follows nothing any more has left.

    A digest that is due and not made yet stays due; what waits for one that is given up is not
    told. NotFound for an unknown recipient, Invalid for what cannot be.
    """
    preferences = preferences.cleaned()
    with db.begin() as tx:
        recipient = tx.scalar(
            select(Recipient).where(Recipient.uid == recipient_uid).with_for_update()
        )
        if recipient is None:
            raise NotFound("recipient", recipient_uid)
        if preferences.paused_until is not None and preferences.paused_until <= now(tx):
            raise Invalid("pause", "choose a future date.")
        moved = recipient.timezone != preferences.timezone
        recipient.language, recipient.timezone = preferences.language, preferences.timezone
        recipient.quiet_from, recipient.quiet_until = (
            preferences.quiet_from,
            preferences.quiet_until,
        )
        recipient.paused_until = preferences.paused_until
        present = tx.scalars(
            select(Subscription).where(Subscription.recipient_id == recipient.id)
        ).all()
        _end_others(tx, recipient, present, preferences.follows)
        for follow in preferences.follows:
            set_follow(tx, recipient, follow, moved=moved)
        return recipient


def set_follow(
    tx: Session, recipient: Recipient, follow: Follow, *, moved: bool = False
) -> Subscription:
    """Let a recipient follow like that, be it new, changed or back; ``follow`` is cleaned.

    ``moved``: its time zone has changed.
    """
    same = Subscription.stream_id.is_not_distinct_from(follow.stream_id)
    subscription = tx.scalar(
        select(Subscription).where(Subscription.recipient_id == recipient.id, same)
    )
    if subscription is None:
        subscription = Subscription(
            recipient_id=recipient.id, stream_id=follow.stream_id, cadence=Cadence.AT_ONCE
        )
        subscription.created_at, subscription.started_seq = now(tx), current_seq(tx)
        tx.add(subscription)
    elif subscription.ended_at is not None:
        subscription.ended_at, subscription.next_digest_at = None, None
        subscription.created_at, subscription.started_seq = now(tx), current_seq(tx)
    subscription.least_importance = follow.least_importance
    subscription.news, subscription.corrections = follow.news, follow.corrections
    _set_rhythm(tx, subscription, follow.rhythm, recipient.timezone, moved=moved)
    tx.flush()
    _set_slugs(tx, subscription, follow.tags)
    _set_left_out(tx, subscription, follow.left_out)
    return subscription


def _set_rhythm(
    tx: Session, subscription: Subscription, rhythm: Rhythm, timezone: str, *, moved: bool
) -> None:
    if subscription.next_digest_at is None and rhythm.cadence is not Cadence.AT_ONCE:
        # digests begin: what is out was told at once, or came before
        subscription.digested_seq = current_seq(tx)
    due = subscription.next_digest_at
    if moved or due is None or rhythm != Rhythm.of(subscription):
        later = rhythm.next_slot(timezone, now(tx))
        subscription.next_digest_at = (
            due if due is not None and due <= now(tx) and later is not None else later
        )
    for name in Rhythm.__dataclass_fields__:
        setattr(subscription, name, getattr(rhythm, name))


def _set_slugs(tx: Session, subscription: Subscription, tags: Sequence[str]) -> None:
    tx.execute(delete(SubscriptionTag).where(SubscriptionTag.subscription_id == subscription.id))
    tx.add_all(SubscriptionTag(subscription_id=subscription.id, slug=slug) for slug in tags)


def _set_left_out(tx: Session, subscription: Subscription, streams: Sequence[int]) -> None:
    tx.execute(
        delete(SubscriptionExcept).where(SubscriptionExcept.subscription_id == subscription.id)
    )
    tx.add_all(
        SubscriptionExcept(subscription_id=subscription.id, stream_id=stream_id)
        for stream_id in streams
    )


def _end_others(
    tx: Session, recipient: Recipient, present: Sequence[Subscription], wanted: Sequence[Follow]
) -> None:
    wanted_ids = {follow.stream_id for follow in wanted}
    for subscription in present:
        if subscription.ended_at is None and subscription.stream_id not in wanted_ids:
            subscription.ended_at, subscription.next_digest_at = now(tx), None
    if not wanted and recipient.state is RecipientState.CONFIRMED:
        recipient.end(now(tx), EndReason.LEFT, LEFT)


def _tag(label: str) -> str:
    """The slug of a tag that a filter names. A filter is never emptied: without a tag it would let
    everything pass.
    """
    slug = tag_slug(line("tags", label, MAX_TAG_CHARS))
    if not slug or len(slug) > MAX_TAG_SLUG_CHARS:
        raise Invalid(
            "tags",
            "%(tag)s has no letter or digit. Enter a word, or remove it.",
            tag=f"{label!r:.60}",
        )
    return slug


def _number(field: str, value: int | None, least: int, most: int) -> int:
    if value is None or not least <= value <= most:
        raise Invalid(
            field, "choose a number from %(least)s to %(most)s.", least=str(least), most=f"{most:,}"
        )
    return value
