"""The fields of the settings page: what a recipient has as a form would send it, and back."""

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
    """What the form holds before anybody changes it.

    What most subscriptions have stands once; those that differ have ``own`` fields, whose names end
    with their stream's uid.
    """
    found = {_name(one.stream): _block(tx, one) for one in subscriptions}
    usual = Counter(frozenset(block.items()) for block in found.values()).most_common(1)
    common = dict(usual[0][0]) if usual else follow_fields(Follow())
    fields: Fields = MultiDict(common)
    fields.setlist("follow", list(found))
    fields.setlist("own", [name for name, block in found.items() if block != common])
    for name, block in found.items():
        fields.update({f"{field}-{name}": value for field, value in block.items()})
    fields.setlist(
        "left_out",
        [
            stream.uid
            for one in subscriptions
            if one.stream is None
            for stream in excluded_streams(tx, one)
        ],
    )
    fields["language"], fields["timezone"] = (
        recipient.language.partition("-")[0],
        recipient.timezone,
    )
    for field in ("quiet_from", "quiet_until"):
        fields[field] = clock_value(getattr(recipient, field))
    fields["pause"] = (
        recipient.paused_until.astimezone(zone(recipient.timezone)).date().isoformat()
        if recipient.paused_until
        else ""
    )
    return fields


def preferences_from(
    fields: Fields, streams: Iterable[Stream], recipient: Recipient, present: Fields
) -> Preferences:
    """What a form says; raises Invalid, which names the field. What differs at ``present`` and had
    no place in the form stays.
    """
    ids = {stream.uid: stream.id for stream in streams}
    timezone = zone_name("time zone", fields.get("timezone", recipient.timezone))
    without = tuple(ids[uid] for uid in fields.getlist("left_out") if uid in ids)
    follows = []
    for name in fields.getlist("follow"):
        if name == ALL_STREAMS or name in ids:
            unasked = f"least-{name}" not in fields and name in present.getlist("own")
            own = unasked or name in fields.getlist("own")
            follow = read_follow(present if unasked else fields, f"-{name}" if own else "")
            follows.append(
                replace(
                    follow, stream_id=ids.get(name), left_out=without if name == ALL_STREAMS else ()
                )
            )
    language = fields.get("language", "")
    return Preferences(
        follows=tuple(follows),
        language=recipient.language if recipient.language.startswith(f"{language}-") else language,
        timezone=timezone,
        quiet_from=read_time("quiet hours", fields.get("quiet_from", "")),
        quiet_until=read_time("quiet hours", fields.get("quiet_until", "")),
        paused_until=_pause(fields.get("pause", ""), timezone),
    )


def with_unseen(wanted: Preferences, former: Preferences, shown: Collection[int]) -> Preferences:
    """The same with what had no place on the page, so that nobody changed it: stories that are
    hidden now or were left out long ago.
    """
    out = [id_ for one in former.follows for id_ in one.left_out if id_ not in shown]
    follows = [
        replace(one, left_out=(*one.left_out, *out)) if one.stream_id is None else one
        for one in wanted.follows
    ]
    return replace(
        wanted,
        follows=(*follows, *(one for one in former.follows if one.stream_id not in (None, *shown))),
    )


def _name(stream: Stream | None) -> str:
    return stream.uid if stream is not None else ALL_STREAMS


def _block(tx: Session, one: Subscription) -> dict[str, str]:
    tags = tx.scalars(
        select(SubscriptionTag.slug)
        .where(SubscriptionTag.subscription_id == one.id)
        .order_by(SubscriptionTag.slug)
    )
    follow = Follow(
        tags=tuple(tags),
        least_importance=one.least_importance,
        news=one.news,
        corrections=one.corrections,
        rhythm=Rhythm.of(one),
    )
    return follow_fields(follow)


def _pause(value: str, timezone: str) -> datetime | None:
    """The beginning of that day."""
    try:
        return (
            datetime.combine(date.fromisoformat(value), time(), zone(timezone))
            if value.strip()
            else None
        )
    except (ValueError, OverflowError) as exc:
        raise Invalid(
            "pause", "%(value)s is not a date. Enter it like 2026-12-24.", value=f"{value!r:.20}"
        ) from exc
