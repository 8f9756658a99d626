"""What one subscription makes of one alert: the rules in full, on plain values, without database or
clock.

`models.recipients.audience.eligible_recipients` says the same for all recipients at once; a test holds the two
together.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta, tzinfo

from models.recipients.audience import AlertTopic
from models.tables.ledger import Cadence, RecipientState, SkipReason
from models.tables.stories import Importance


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """A recipient.  Quiet hours are of its own time zone, and none where both ends are the same."""

    state: RecipientState = RecipientState.CONFIRMED
    confirmed_at: datetime
    timezone: tzinfo = UTC
    quiet_from: time | None = None
    quiet_until: time | None = None
    paused_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A subscription; ``stream_id`` None: to all streams but those ``left_out``, ``tags`` empty: to
    every entry.
    """

    created_at: datetime
    stream_id: int | None = None
    least_importance: Importance = Importance.NORMAL
    left_out: frozenset[int] = frozenset()  # streams, of a subscription to all of them
    tags: frozenset[str] = frozenset()
    news: bool = True
    corrections: bool = True
    cadence: Cadence = Cadence.AT_ONCE
    at_once_from: Importance | None = None  # of a digest: what matters so much does not wait for it
    started_seq: int | None = None  # the site's counter when it began
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class News:
    """An alert of a revision that is no retraction: those go to whom the entry was told, and to
    nobody else.
    """

    topic: AlertTopic
    created_at: datetime
    public_seq: int | None = None  # the site's counter when it came out


@dataclass(frozen=True, slots=True)
class Send:
    """At once."""


@dataclass(frozen=True, slots=True)
class Later:
    """Not before ``at``, when its quiet hours end."""

    at: datetime


@dataclass(frozen=True, slots=True)
class ForDigest:
    """In the next digest."""

    cadence: Cadence


@dataclass(frozen=True, slots=True)
class Skip:
    """Not at all."""

    reason: SkipReason


Decision = Send | Later | ForDigest | Skip
_ORDER = (Send, Later, ForDigest, Skip)
_GRADES = list(Importance)


def decide(reader: Reader, wanted: Wanted, news: News, now: datetime) -> Decision:
    """What becomes of ``news`` for one subscription of ``reader``.

    Breaking news pass quiet hours, not a pause.  What comes during a pause is not told after it.
    """
    if reader.state is not RecipientState.CONFIRMED:
        return Skip(
            SkipReason.SUPPRESSED
            if reader.state is RecipientState.SUPPRESSED
            else SkipReason.CANCELLED
        )
    if wanted.ended_at is not None:
        return Skip(SkipReason.CANCELLED)
    began = replace(wanted, created_at=max(reader.confirmed_at, wanted.created_at))
    if not is_about(wanted, news.topic) or not began_before(
        began, news.created_at, news.public_seq
    ):
        return Skip(SkipReason.FILTER)
    if reader.paused_until is not None and now < reader.paused_until:
        return Skip(SkipReason.QUIET)
    if wanted.cadence is not Cadence.AT_ONCE and not _reaches(
        news.topic.importance, wanted.at_once_from
    ):
        return ForDigest(wanted.cadence)
    until = None if news.topic.importance is Importance.BREAKING else quiet_until(reader, now)
    return Send() if until is None else Later(until)


def most_immediate(decisions: Iterable[Decision]) -> Decision:
    """Of several subscriptions of one recipient the one that counts; there is one delivery at most."""
    return min(decisions, key=lambda one: _ORDER.index(type(one)), default=Skip(SkipReason.FILTER))


def quiet_until(reader: Reader, now: datetime) -> datetime | None:
    """When the quiet hours end in which ``now`` falls; None outside of them.

    A local time that is skipped by a change of the clocks counts as the moment of that length after
    the last one before; one that comes twice ends them at the next time that it comes.
    """
    start, end = reader.quiet_from, reader.quiet_until
    if start is None or end is None or start == end:
        return None
    local = now.astimezone(reader.timezone)
    clock = local.time()
    quiet = start <= clock < end if start < end else clock >= start or clock < end
    if not quiet:
        return None
    day = local.date() if clock < end else local.date() + timedelta(days=1)
    ends = datetime.combine(day, end, reader.timezone)
    return (ends if ends.timestamp() > now.timestamp() else ends.replace(fold=1)).astimezone(
        now.tzinfo
    )


def began_before(wanted: Wanted, moment: datetime, seq: int | None) -> bool:
    """Whether a subscription began before something came out, as
    `models.recipients.audience.started_before` says it.
    """
    if wanted.started_seq is not None and seq is not None:
        return wanted.started_seq < seq
    return wanted.created_at <= moment


def is_about(wanted: Wanted, topic: AlertTopic) -> bool:
    """Whether a subscription is to such news, be it at once or in a digest."""
    return (
        wanted.stream_id in (None, topic.stream_id)
        and topic.stream_id not in wanted.left_out
        and _reaches(topic.importance, wanted.least_importance)
        and (not wanted.tags or not wanted.tags.isdisjoint(topic.tags))
        and (wanted.corrections if topic.correction else wanted.news)
    )


def _reaches(importance: Importance, least: Importance | None) -> bool:
    return least is not None and _GRADES.index(least) <= _GRADES.index(importance)
