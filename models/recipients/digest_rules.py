"""Rules of what one recipient's digest tells, on plain values, without database or clock."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from models.recipients.audience import AlertTopic
from models.tables.ledger import Cadence
from models.tables.stories import Importance, RevisionKind

_GRADES = list(Importance)


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
class EntryChange:
    """One alert of an entry that stands: that it came out, or was changed. ``seq`` is the site's
    counter at that moment.
    """

    alert_id: int
    seq: int
    created_at: datetime
    kind: RevisionKind
    note: str
    topic: AlertTopic
    public_seq: int | None = None


@dataclass(frozen=True, slots=True)
class EntryChanges:
    """One entry that stands, and all that was told of it, oldest first."""

    entry_id: int
    news: tuple[EntryChange, ...]


@dataclass(frozen=True, slots=True)
class Served:
    """A subscription whose recipient reads digests.  ``due``: this digest is one of its own."""

    wanted: Wanted
    digested_seq: int
    due: bool = True


@dataclass(frozen=True, slots=True)
class DigestLine:
    """An entry that a digest tells, by the last of its news that it brings; ``told``: the recipient
    knew it before, so it is a change.

    ``since`` is the counter when what it tells came out: the entry, or the change.
    """

    entry_id: int
    news: EntryChange
    told: bool
    since: int


def is_served(served: Served, happened: Sequence[EntryChanges], upto: int) -> bool:
    """Whether there may be anything for a subscription in a digest up to there; what was told
    otherwise is not looked at.
    """
    return any(_brings(served, change, upto) for entry in happened for change in entry.news)


def line_of(
    entry: EntryChanges, served: Sequence[Served], upto: int, had: Collection[int]
) -> DigestLine | None:
    """Line of an entry in a digest up to ``upto``; None where there is nothing new.

    ``had``: alerts that the recipient gets at once. The first of the recipient's digests that
    covers the entry tells it.
    """
    brought = [
        change for change in entry.news if any(_brings(each, change, upto) for each in served)
    ]
    if not brought or _knows(brought[-1], served, had):
        return None
    last = brought[-1]
    told = any(_knows(change, served, had) for change in entry.news if change.seq < last.seq)
    return DigestLine(
        entry.entry_id, last, told=told, since=last.seq if told else entry.news[0].seq
    )


def _brings(served: Served, change: EntryChange, upto: int) -> bool:
    return (
        served.due
        and served.digested_seq < change.seq <= upto
        and is_about(served.wanted, change.topic)
    )


def _knows(change: EntryChange, served: Sequence[Served], had: Collection[int]) -> bool:
    return change.alert_id in had or any(
        each.digested_seq >= change.seq
        and began_before(each.wanted, change.created_at, change.public_seq)
        and is_about(each.wanted, change.topic)
        for each in served
    )


def began_before(wanted: Wanted, moment: datetime, seq: int | None) -> bool:
    """Whether a subscription began before something was published, as `audience.started_before`
    asks in SQL.
    """
    if wanted.started_seq is not None and seq is not None:
        return wanted.started_seq < seq
    return wanted.created_at <= moment


def is_about(wanted: Wanted, topic: AlertTopic) -> bool:
    """Whether a subscription is to alerts on this topic, be it at once or in a digest."""
    return (
        wanted.stream_id in (None, topic.stream_id)
        and topic.stream_id not in wanted.left_out
        and reaches(topic.importance, wanted.least_importance)
        and (not wanted.tags or not wanted.tags.isdisjoint(topic.tags))
        and (wanted.corrections if topic.correction else wanted.news)
    )


def reaches(importance: Importance, least: Importance | None) -> bool:
    """Whether ``importance`` is ``least`` or more; never where ``least`` is None."""
    return least is not None and _GRADES.index(least) <= _GRADES.index(importance)
