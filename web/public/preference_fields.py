"""The fields of the settings page: a recipient's preferences as form fields, and back."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime, time

from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict

from config.settings import zone
from models.recipients.audience import excluded_streams
from models.recipients.preferences import Follow, Preferences, Rhythm
from models.tables.ledger import Recipient, Subscription, SubscriptionTag
from models.tables.stories import Stream
from models.text.errors import Invalid
from models.text.times import zone_name
from models.text.tokens import ALL_STREAMS
from web.follow_fields import clock_value, follow_fields, read_follow, read_time

Fields = MultiDict[str, str]


def fields_of(tx: Session, recipient: Recipient, subscriptions: Sequence[Subscription]) -> Fields:
    """The form before any change.

    The settings that most subscriptions share stand once; others have ``own`` fields, whose names
    end with their stream's uid.
    """
    blocks: dict[str, dict[str, str]] = {}
    excluded: list[str] = []
    for subscription in subscriptions:
        blocks[_name(subscription.stream)] = _block(tx, subscription)
        if subscription.stream is None:
            excluded += [stream.uid for stream in excluded_streams(tx, subscription)]
    common = _most_common(blocks.values())
    fields: Fields = MultiDict(common)
    fields.setlist("follow", list(blocks))
    fields.setlist("own", [name for name, block in blocks.items() if block != common])
    for name, block in blocks.items():
        fields.update({f"{field}-{name}": value for field, value in block.items()})
    fields.setlist("left_out", excluded)
    fields["language"] = recipient.language.partition("-")[0]
    fields["timezone"] = recipient.timezone
    for field in ("quiet_from", "quiet_until"):
        fields[field] = clock_value(getattr(recipient, field))
    fields["pause"] = ""
    if recipient.paused_until:
        local_time = recipient.paused_until.astimezone(zone(recipient.timezone))
        fields["pause"] = local_time.date().isoformat()
    return fields


def _most_common(blocks: Iterable[dict[str, str]]) -> dict[str, str]:
    counts = Counter(frozenset(block.items()) for block in blocks)
    if not counts:
        return follow_fields(Follow())
    return dict(counts.most_common(1)[0][0])


def preferences_from(
    fields: Fields, streams: Iterable[Stream], recipient: Recipient, present: Fields
) -> Preferences:
    """The preferences in a form; settings without a field in it stay as in ``present``.

    Raises Invalid, which names the field.
    """
    ids = {stream.uid: stream.id for stream in streams}
    timezone = zone_name("time zone", fields.get("timezone", recipient.timezone))
    excluded = tuple(ids[uid] for uid in fields.getlist("left_out") if uid in ids)
    follows = []
    for name in fields.getlist("follow"):
        if name == ALL_STREAMS:
            follows.append(replace(_read_block(fields, present, name), left_out=excluded))
        elif name in ids:
            follows.append(replace(_read_block(fields, present, name), stream_id=ids[name]))
    language = fields.get("language", "")
    if recipient.language.startswith(f"{language}-"):
        language = recipient.language
    return Preferences(
        follows=tuple(follows),
        language=language,
        timezone=timezone,
        quiet_from=read_time("quiet hours", fields.get("quiet_from", "")),
        quiet_until=read_time("quiet hours", fields.get("quiet_until", "")),
        paused_until=_pause(fields.get("pause", ""), timezone),
    )


def _read_block(fields: Fields, present: Fields, name: str) -> Follow:
    own = name in fields.getlist("own")
    if f"least-{name}" not in fields and name in present.getlist("own"):
        own = True
        fields = present
    return read_follow(fields, f"-{name}" if own else "")


def with_unseen(
    wanted: Preferences, former: Preferences, listed_ids: Collection[int]
) -> Preferences:
    """``wanted`` with the former settings of streams that the page didn't list.

    Such streams are hidden now or were excluded long ago.
    """
    excluded: list[int] = []
    unlisted = []
    for follow in former.follows:
        excluded += [stream_id for stream_id in follow.left_out if stream_id not in listed_ids]
        if follow.stream_id is not None and follow.stream_id not in listed_ids:
            unlisted.append(follow)
    follows = []
    for follow in wanted.follows:
        if follow.stream_id is None:
            follows.append(replace(follow, left_out=(*follow.left_out, *excluded)))
        else:
            follows.append(follow)
    return replace(wanted, follows=(*follows, *unlisted))


def _name(stream: Stream | None) -> str:
    if stream is None:
        return ALL_STREAMS
    return stream.uid


def _block(tx: Session, subscription: Subscription) -> dict[str, str]:
    tags = tx.scalars(
        select(SubscriptionTag.slug)
        .where(SubscriptionTag.subscription_id == subscription.id)
        .order_by(SubscriptionTag.slug)
    )
    follow = Follow(
        tags=tuple(tags),
        least_importance=subscription.least_importance,
        news=subscription.news,
        corrections=subscription.corrections,
        rhythm=Rhythm.of(subscription),
    )
    return follow_fields(follow)


def _pause(value: str, timezone: str) -> datetime | None:
    """The beginning of that day; None for an empty field."""
    if not value.strip():
        return None
    try:
        return datetime.combine(date.fromisoformat(value), time(), zone(timezone))
    except (ValueError, OverflowError) as exc:
        raise Invalid(
            "pause", "%(value)s is not a date. Enter it like 2026-12-24.", value=f"{value!r:.20}"
        ) from exc
