"""What digests tell, each to its recipient: read from the tables at the moment of sending, many in
a few statements.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, or_, select, update
from sqlalchemy.orm import Session

from models import (
    Alert,
    Cadence,
    Delivery,
    DeliveryState,
    Entry,
    RevisionKind,
    SkipReason,
    Stream,
    Subscription,
    TallyKind,
)
from models.db.clock import now
from models.db.database import Database
from models.db.tallies import add_to_tallies
from models.recipients.digest_rules import DigestLine, EntryChanges, Served, began_before, line_of
from models.recipients.digest_times import named_slot, next_slot
from models.streams.entries import entries_query
from models.tables.ledger import MAY_HAVE_BEEN_TOLD
from models.text.tokens import ALL_STREAMS
from notifier.content.entry import DigestContent, EntryContent
from notifier.ledger.claim import Message
from notifier.ledger.digest_source import (
    SUBSCRIPTION_COLUMNS,
    entries_changed_since,
    read_wanted,
)
from notifier.ledger.lease import skipped
from notifier.ledger.ledger_sql import among

MOST_STORIES = 60
"""Entries in one digest, the latest: a mail of more is cut by those that show it."""


@dataclass(frozen=True, slots=True)
class Written:
    """One recipient's digest; ``digest`` None: nothing is left to tell. ``scope``: what its leave
    token leaves.
    """

    message: Message  # it knows whom it serves
    digest: DigestContent | None
    scope: str


def read_digests(tx: Session, messages: Sequence[Message]) -> list[Written]:
    """What each of these tells.  Those that tell the same in the same time zone share one object."""
    if not messages:
        return []
    followed = following(tx, {message.recipient_id for message in messages})
    found = tx.execute(
        select(Alert.id, Alert.seq, Alert.cadence, Alert.slot, Alert.created_at).where(
            Alert.id.in_({m.alert_id for m in messages})
        )
    )
    return [
        one
        for alert in found.all()
        for one in Reading(tx, alert, followed).read(
            [message for message in messages if message.alert_id == alert.id]
        )
    ]


def skip_empty(db: Database, written: Iterable[Written], token: str) -> list[int]:
    """Settle those that have nothing to tell, so that the next ones begin behind what they looked
    at; the ids of all of them.
    """
    empty = [one.message for one in written if one.digest is None]
    if empty:
        with db.begin() as tx:
            ours = and_(
                among(tx, Delivery.id, [one.id for one in empty]), Delivery.claim_token == token
            )
            skip = skipped(SkipReason.DIGEST, now(tx), "Nothing was left to tell.") | {
                "attempts": Delivery.attempts - 1
            }
            ended = (
                update(Delivery)
                .where(ours)
                .values(skip)
                .returning(Delivery.alert_id, Delivery.lane)
            )
            rows = tx.execute(ended.execution_options(synchronize_session=False)).all()
            for message in empty:
                served = (
                    Subscription.id.in_(message.serves),
                    Subscription.digested_seq < message.upto,
                )
                tx.execute(
                    update(Subscription)
                    .where(*served)
                    .values(digested_seq=message.upto)
                    .execution_options(synchronize_session=False)
                )
            changes = [(alert_id, lane, TallyKind.SKIPPED) for alert_id, lane in rows]
            add_to_tallies(tx, {change: changes.count(change) for change in set(changes)})
    return [one.id for one in empty]


def following(tx: Session, recipient_ids: Collection[int]) -> dict[int, list[tuple[Any, Served]]]:
    """What each recipient follows in digests of whatever cadence."""
    reading = (Subscription.ended_at.is_(None), Subscription.cadence != Cadence.AT_ONCE)
    query = select(*SUBSCRIPTION_COLUMNS, Stream.uid.label("stream_uid")).outerjoin(
        Stream, Stream.id == Subscription.stream_id
    )
    rows = tx.execute(
        query.where(among(tx, Subscription.recipient_id, sorted(recipient_ids)), *reading).order_by(
            Subscription.id
        )
    ).all()
    wanted = read_wanted(tx, rows)
    found: dict[int, list[tuple[Any, Served]]] = {}
    for row in rows:
        found.setdefault(row.recipient_id, []).append(
            (row, Served(wanted[row.id], row.digested_seq))
        )
    return found


class Reading:
    """One alert's digests: what happened is read once, and what the same subscriptions make of it
    is decided once.
    """

    def __init__(
        self, tx: Session, alert: Any, following: Mapping[int, Sequence[tuple[Any, Served]]]
    ) -> None:
        self._tx, self._alert, self._following = tx, alert, following
        self._slot = named_slot(alert.slot)
        self._hits: dict[tuple[Any, ...], bool] = {}
        self._lines: dict[object, tuple[DigestLine, ...]] = {}
        self._digests: dict[object, DigestContent] = {}

    def read(self, messages: Sequence[Message]) -> list[Written]:
        """What each of these, all of that alert, tells."""
        upto = self._alert.seq
        served = {
            message.id: [
                self._turn(row, one, message)
                for row, one in self._following.get(message.recipient_id, ())
            ]
            for message in messages
        }
        since = min(
            (one.digested_seq for all_ in served.values() for one in all_ if one.due), default=upto
        )
        news = entries_changed_since(self._tx, since, upto)
        had = _had(self._tx, news, [message.recipient_id for message in messages])
        told = [one for entry in news for one in entry.news]
        oldest = min((one.created_at for one in told), default=now(self._tx))
        first = min((one.public_seq for one in told if one.public_seq is not None), default=None)
        lines = {
            message.id: self._told(
                news,
                [_before(one, oldest, first) for one in served[message.id]],
                had.get(message.recipient_id, frozenset()),
            )
            for message in messages
        }
        stories = _stories(self._tx, {line for each in lines.values() for line in each})
        return [
            self._written(message, served[message.id], lines[message.id], stories)
            for message in messages
        ]

    def _turn(self, row: Any, served: Served, message: Message) -> Served:
        """Whether this digest is one of that subscription's own: made for it, or at a moment when
        it has one.
        """
        rhythm = (row.cadence, row.every_minutes, row.digest_time, row.digest_day, message.timezone)
        if rhythm not in self._hits:
            just_before = self._slot - timedelta(seconds=1)
            self._hits[rhythm] = (
                row.cadence is self._alert.cadence and next_slot(*rhythm, just_before) == self._slot
            )
        return replace(served, due=row.id == message.subscription_id or self._hits[rhythm])

    def _told(
        self, news: Sequence[EntryChanges], served: Sequence[Served], had: frozenset[int]
    ) -> tuple[DigestLine, ...]:
        key = (*served, had)
        if key not in self._lines:
            found = (line_of(entry, served, self._alert.seq, had) for entry in news)
            self._lines[key] = tuple(
                sorted((line for line in found if line), key=lambda line: line.since, reverse=True)[
                    :MOST_STORIES
                ]
            )
        return self._lines[key]

    def _written(
        self,
        message: Message,
        served: Sequence[Served],
        lines: tuple[DigestLine, ...],
        stories: Mapping[DigestLine, EntryContent],
    ) -> Written:
        due = [
            row
            for (row, _), one in zip(
                self._following.get(message.recipient_id, ()), served, strict=True
            )
            if one.due
        ]
        told = tuple(stories[line] for line in lines if line in stories)
        key = (lines, message.timezone)
        if told and key not in self._digests:
            by_day = self._alert.cadence in (Cadence.DAILY, Cadence.WEEKLY)
            self._digests[key] = DigestContent(
                told, self._alert.created_at, message.timezone, by_day
            )
        scope = due[0].stream_uid or ALL_STREAMS if len(due) == 1 else ALL_STREAMS
        serving = replace(message, serves=tuple(row.id for row in due), upto=self._alert.seq)
        return Written(serving, self._digests[key] if told else None, scope)


def _before(served: Served, oldest: datetime, first: int | None) -> Served:
    """The same for all who followed before any of it, so that what one makes of it need not be
    decided for the next.
    """
    wanted = served.wanted
    if wanted.created_at > oldest or not began_before(wanted, oldest, first):
        return served
    return replace(served, wanted=replace(wanted, created_at=oldest, started_seq=None))


def _had(
    tx: Session, news: Sequence[EntryChanges], recipient_ids: Sequence[int]
) -> dict[int, frozenset[int]]:
    """Which of these alerts each recipient got at once or will, or did not want in its pause."""
    alert_ids = [one.alert_id for entry in news for one in entry.news]
    will = Delivery.state == DeliveryState.QUEUED
    has = or_(
        MAY_HAVE_BEEN_TOLD,
        will,
        and_(Delivery.state == DeliveryState.SKIPPED, Delivery.reason == SkipReason.QUIET),
    )
    query = select(Delivery.recipient_id, Delivery.alert_id).where(
        Delivery.alert_id.in_(alert_ids), has
    )
    found: dict[int, set[int]] = {}
    for recipient_id, alert_id in tx.execute(
        query.where(among(tx, Delivery.recipient_id, recipient_ids))
    ):
        found.setdefault(recipient_id, set()).add(alert_id)
    return {recipient_id: frozenset(alerts) for recipient_id, alerts in found.items()}


def _stories(tx: Session, lines: Collection[DigestLine]) -> dict[DigestLine, EntryContent]:
    """Each as it stands now; a change is told as one only to who knew the entry."""
    if not lines:
        return {}
    found = {
        entry.id: entry
        for entry in tx.scalars(
            entries_query().where(Entry.id.in_({line.entry_id for line in lines}))
        )
    }
    return {
        line: EntryContent.of(
            found[line.entry_id],
            line.news.kind if line.told else RevisionKind.PUBLISH,
            line.news.note if line.told else "",
        )
        for line in lines
    }
