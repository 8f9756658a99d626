"""What a digest tells one recipient: the rule, on plain values, without database or clock."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from models.recipients.audience import AlertTopic
from models.recipients.deciding import Wanted, began_before, is_about
from models.tables.stories import RevisionKind


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
    return any(_brings(served, one, upto) for entry in happened for one in entry.news)


def line_of(
    entry: EntryChanges, served: Sequence[Served], upto: int, had: Collection[int]
) -> DigestLine | None:
    """What a digest up to ``upto`` tells of an entry; None: nothing, or nothing new.

    ``had``: the alerts that the recipient got at once, or will. Another subscription of the same
    recipient may have told it in a digest: the first that comes does.
    """
    brought = [one for one in entry.news if any(_brings(each, one, upto) for each in served)]
    if not brought or _knows(brought[-1], served, had):
        return None
    last = brought[-1]
    told = any(_knows(one, served, had) for one in entry.news if one.seq < last.seq)
    return DigestLine(
        entry.entry_id, last, told=told, since=last.seq if told else entry.news[0].seq
    )


def _brings(served: Served, one: EntryChange, upto: int) -> bool:
    return (
        served.due and served.digested_seq < one.seq <= upto and is_about(served.wanted, one.topic)
    )


def _knows(one: EntryChange, served: Sequence[Served], had: Collection[int]) -> bool:
    return one.alert_id in had or any(
        each.digested_seq >= one.seq
        and began_before(each.wanted, one.created_at, one.public_seq)
        and is_about(each.wanted, one.topic)
        for each in served
    )
