"""Rules that say what one subscription makes of one alert: what the SQL for all recipients is
checked against.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, tzinfo

from models.recipients.audience import AlertTopic
from models.recipients.digest_rules import Wanted, began_before, is_about, reaches
from models.tables.ledger import Cadence, RecipientState, SkipReason
from models.tables.stories import Importance
from notifier.ledger.quiet_hours import end_of_quiet_hours


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """A recipient.  Quiet hours are of its own time zone, and none where both ends are the same."""

    state: RecipientState = RecipientState.CONFIRMED
    confirmed_at: datetime
    timezone: tzinfo = UTC
    quiet_from: time | None = None
    quiet_until: time | None = None
    paused_until: datetime | None = None


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
    if wanted.cadence is not Cadence.AT_ONCE and not reaches(
        news.topic.importance, wanted.at_once_from
    ):
        return ForDigest(wanted.cadence)
    if news.topic.importance is Importance.BREAKING:
        return Send()
    until = end_of_quiet_hours(reader.timezone, reader.quiet_from, reader.quiet_until, now)
    return Send() if until is None else Later(until)


def most_immediate(decisions: Iterable[Decision]) -> Decision:
    """The decision that counts for a recipient with several subscriptions."""
    return min(decisions, key=lambda one: _ORDER.index(type(one)), default=Skip(SkipReason.FILTER))
