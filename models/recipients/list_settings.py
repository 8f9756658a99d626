"""Subscriptions of an exported subscriber, written into one cell of a list, and read back."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import time
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session, selectinload

from models.recipients.preferences import Follow, Rhythm
from models.tables.ledger import Cadence, Subscription, SubscriptionExcept, SubscriptionTag
from models.tables.stories import Importance, Stream, StreamState
from models.text.errors import Invalid

ALL_STORIES = "*"
_IS_THERE = or_(Stream.id.is_(None), Stream.state != StreamState.DELETED)


@dataclass(frozen=True)
class FollowedStory:
    """A subscription by the story's slug; None for all stories.  ``left_out`` are slugs, too.

    ``left``: it has ended, and is kept so that no list brings it back.
    """

    story: str | None
    follow: Follow
    left_out: tuple[str, ...] = ()
    left: bool = False

    @property
    def name(self) -> str:
        """The slug, or `*` for all stories."""
        return self.story or ALL_STORIES


def followed_stories(tx: Session, recipient_ids: Sequence[int]) -> dict[int, list[FollowedStory]]:
    """Present and ended subscriptions by recipient; those to deleted streams are left out."""
    query = (
        select(Subscription)
        .outerjoin(Subscription.stream)
        .where(Subscription.recipient_id.in_(recipient_ids), _IS_THERE)
    )
    subscriptions = tx.scalars(
        query.options(selectinload(Subscription.stream)).order_by(Subscription.id)
    ).all()
    ids = [subscription.id for subscription in subscriptions]
    tags: dict[int, list[str]] = {}
    for tag in tx.scalars(
        select(SubscriptionTag)
        .where(SubscriptionTag.subscription_id.in_(ids))
        .order_by(SubscriptionTag.slug)
    ):
        tags.setdefault(tag.subscription_id, []).append(tag.slug)
    left_out: dict[int, list[str]] = {}
    excepted = select(SubscriptionExcept.subscription_id, Stream.slug).join(
        Stream, Stream.id == SubscriptionExcept.stream_id
    )
    for subscription_id, slug in tx.execute(
        excepted.where(SubscriptionExcept.subscription_id.in_(ids), _IS_THERE).order_by(Stream.slug)
    ):
        left_out.setdefault(subscription_id, []).append(slug)
    by_recipient: dict[int, list[FollowedStory]] = {}
    for subscription_row in subscriptions:
        story = subscription_row.stream.slug if subscription_row.stream else None
        if subscription_row.ended_at is not None:
            by_recipient.setdefault(subscription_row.recipient_id, []).append(
                FollowedStory(story, Follow(), left=True)
            )
            continue
        follow = Follow(
            tags=tuple(tags.get(subscription_row.id, ())),
            least_importance=subscription_row.least_importance,
            news=subscription_row.news,
            corrections=subscription_row.corrections,
            rhythm=Rhythm.of(subscription_row),
        )
        by_recipient.setdefault(subscription_row.recipient_id, []).append(
            FollowedStory(story, follow, tuple(left_out.get(subscription_row.id, ())))
        )
    for stories in by_recipient.values():
        stories.sort(key=lambda subscription_row: subscription_row.left)  # as an import adds them
    return by_recipient


def write_settings(followed: Iterable[FollowedStory]) -> str:
    """The cell `settings`: JSON, empty where every story is followed in the usual way."""
    values = {story.name: changed for story in followed if (changed := _changed(story))}
    return json.dumps(values, ensure_ascii=False) if values else ""


def _changed(followed: FollowedStory) -> dict[str, Any]:
    """Settings that differ from the defaults."""
    if followed.left:
        return {"left": True}
    follow, rhythm = followed.follow, followed.follow.rhythm
    values: dict[str, Any] = {
        "without": list(followed.left_out),
        "tags": list(follow.tags),
        "importance": follow.least_importance.value
        if follow.least_importance is not Importance.NORMAL
        else "",
        "kinds": ""
        if follow.news and follow.corrections
        else "news"
        if follow.news
        else "corrections",
        "cadence": rhythm.cadence.value if rhythm.cadence is not Cadence.AT_ONCE else "",
        "at_once_from": rhythm.at_once_from.value if rhythm.at_once_from else "",
        "minutes": rhythm.every_minutes,
        "time": rhythm.digest_time.isoformat("minutes") if rhythm.digest_time else "",
        "day": rhythm.digest_day,
    }
    return {name: value for name, value in values.items() if value not in ([], "", None)}


def read_settings(follows: str, settings: str) -> tuple[FollowedStory, ...]:
    """Read the cells `follows` and `settings`; raises Invalid."""
    try:
        values = json.loads(settings) if settings else {}
        names = dict.fromkeys(follows.split())
        left = [name for name, value in values.items() if name not in names and value.get("left")]
        return tuple(_read(name, values.get(name, {})) for name in names) + tuple(
            _left(name) for name in left
        )
    except (ValueError, TypeError, AttributeError, KeyError, OverflowError, RecursionError) as exc:
        raise Invalid(
            "settings",
            f"{settings!r:.80} cannot be read. Use the cell as it was exported, or empty it.",
        ) from exc


def _left(name: str) -> FollowedStory:
    return FollowedStory(None if name == ALL_STORIES else name, Follow(), left=True)


def _read(name: str, values: Mapping[str, Any]) -> FollowedStory:
    kinds = values.get("kinds", "")
    rhythm = Rhythm(
        cadence=Cadence(values.get("cadence", Cadence.AT_ONCE.value)),
        at_once_from=Importance(values["at_once_from"]) if "at_once_from" in values else None,
        every_minutes=int(values["minutes"]) if "minutes" in values else None,
        digest_time=time.fromisoformat(values["time"]) if "time" in values else None,
        digest_day=int(values["day"]) if "day" in values else None,
    )
    follow = Follow(
        tags=tuple(map(str, values.get("tags", ()))),
        least_importance=Importance(values.get("importance", Importance.NORMAL.value)),
        news=kinds != "corrections",
        corrections=kinds != "news",
        rhythm=rhythm,
    ).cleaned()
    return FollowedStory(
        None if name == ALL_STORIES else name, follow, tuple(map(str, values.get("without", ())))
    )
