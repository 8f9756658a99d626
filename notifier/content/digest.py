"""Contents of digests, each for its recipient: read from the tables when they are sent, many in a
few statements.
"""

from collections import Counter
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
    """One recipient's digest; ``digest`` None: nothing is left to tell. ``scope``: the stream, or
    all, that its leave token unsubscribes from.
    """

    message: Message  # with the subscriptions that it serves
    digest: DigestContent | None
    scope: str


def read_digests(tx: Session, messages: Sequence[Message]) -> list[Written]:
    """Digests of claimed messages; equal ones in the same time zone share one object."""
    if not messages:
        return []
    followed = following(tx, {message.recipient_id for message in messages})
    by_alert: dict[int, list[Message]] = {}
    for message in messages:
        by_alert.setdefault(message.alert_id, []).append(message)
    columns = (Alert.id, Alert.seq, Alert.cadence, Alert.slot, Alert.created_at)
    written: list[Written] = []
    for alert in tx.execute(select(*columns).where(Alert.id.in_(list(by_alert)))).all():
        written += Reading(tx, alert, followed).read(by_alert[alert.id])
    return written


def skip_empty(db: Database, written: Iterable[Written], token: str) -> list[int]:
    """Settle digests that have nothing to tell, so that the next ones begin after the entries that
    these looked at; returns the ids of their deliveries.
    """
    empty = [digest.message for digest in written if digest.digest is None]
    ids = [message.id for message in empty]
    if empty:
        with db.begin() as tx:
            ours = and_(among(tx, Delivery.id, ids), Delivery.claim_token == token)
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
            add_to_tallies(
                tx, Counter((alert_id, lane, TallyKind.SKIPPED) for alert_id, lane in rows)
            )
    return ids


def following(tx: Session, recipient_ids: Collection[int]) -> dict[int, list[tuple[Any, Served]]]:
    """Subscriptions of each recipient to digests of any cadence."""
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
    by_recipient: dict[int, list[tuple[Any, Served]]] = {}
    for row in rows:
        served = Served(wanted[row.id], row.digested_seq)
        by_recipient.setdefault(row.recipient_id, []).append((row, served))
    return by_recipient


class Reading:
    """One alert's digests: changes are read once, and decided once for equal subscriptions."""

    def __init__(
        self, tx: Session, alert: Any, following: Mapping[int, Sequence[tuple[Any, Served]]]
    ) -> None:
        self._tx = tx
        self._alert = alert
        self._following = following
        self._slot = named_slot(alert.slot)
        self._hits: dict[tuple[Any, ...], bool] = {}
        self._lines: dict[object, tuple[DigestLine, ...]] = {}
        self._digests: dict[object, DigestContent] = {}

    def read(self, messages: Sequence[Message]) -> list[Written]:
        """Digests of ``messages``, all of which belong to the alert."""
        served = {message.id: self._served(message) for message in messages}
        since = self._alert.seq
        for subscriptions in served.values():
            since = min([since, *(sub.digested_seq for sub in subscriptions if sub.due)])
        news = entries_changed_since(self._tx, since, self._alert.seq)
        had = _had(self._tx, news, [message.recipient_id for message in messages])
        oldest, first = self._oldest(news)
        lines: dict[int, tuple[DigestLine, ...]] = {}
        for message in messages:
            lines[message.id] = self._lines_for(
                news,
                [_before(subscription, oldest, first) for subscription in served[message.id]],
                had.get(message.recipient_id, frozenset()),
            )
        stories = _stories(self._tx, set().union(*lines.values()))
        return [
            self._written(message, served[message.id], lines[message.id], stories)
            for message in messages
        ]

    def _oldest(self, news: Sequence[EntryChanges]) -> tuple[datetime, int | None]:
        """Time of the oldest change, and the lowest counter of one that came out."""
        oldest = now(self._tx)
        public_seqs: list[int] = []
        for entry in news:
            for change in entry.news:
                oldest = min(oldest, change.created_at)
                if change.public_seq is not None:
                    public_seqs.append(change.public_seq)
        return oldest, min(public_seqs, default=None)

    def _served(self, message: Message) -> list[Served]:
        subscriptions = self._following.get(message.recipient_id, ())
        return [self._turn(row, served, message) for row, served in subscriptions]

    def _turn(self, row: Any, served: Served, message: Message) -> Served:
        """``served``, due where the digest is made for that subscription, or at a time when it
        has one.
        """
        rhythm = (row.cadence, row.every_minutes, row.digest_time, row.digest_day, message.timezone)
        if rhythm not in self._hits:
            just_before = self._slot - timedelta(seconds=1)
            self._hits[rhythm] = (
                row.cadence is self._alert.cadence and next_slot(*rhythm, just_before) == self._slot
            )
        return replace(served, due=row.id == message.subscription_id or self._hits[rhythm])

    def _lines_for(
        self, news: Sequence[EntryChanges], served: Sequence[Served], had: frozenset[int]
    ) -> tuple[DigestLine, ...]:
        key = (*served, had)
        if key not in self._lines:
            lines: list[DigestLine] = []
            for entry in news:
                if line := line_of(entry, served, self._alert.seq, had):
                    lines.append(line)
            lines.sort(key=lambda line: line.since, reverse=True)
            self._lines[key] = tuple(lines[:MOST_STORIES])
        return self._lines[key]

    def _written(
        self,
        message: Message,
        served: Sequence[Served],
        lines: tuple[DigestLine, ...],
        stories: Mapping[DigestLine, EntryContent],
    ) -> Written:
        followed = self._following.get(message.recipient_id, ())
        due = [row for (row, _), sub in zip(followed, served, strict=True) if sub.due]
        contents = tuple(stories[line] for line in lines if line in stories)
        key = (lines, message.timezone)
        if contents and key not in self._digests:
            by_day = self._alert.cadence in (Cadence.DAILY, Cadence.WEEKLY)
            self._digests[key] = DigestContent(
                contents, self._alert.created_at, message.timezone, by_day
            )
        scope = due[0].stream_uid or ALL_STREAMS if len(due) == 1 else ALL_STREAMS
        serving = replace(message, serves=tuple(row.id for row in due), upto=self._alert.seq)
        return Written(serving, self._digests[key] if contents else None, scope)


def _before(served: Served, oldest: datetime, first: int | None) -> Served:
    """``served`` with equal dates for all subscriptions older than every change, so that equal
    ones are decided once.
    """
    wanted = served.wanted
    if wanted.created_at > oldest or not began_before(wanted, oldest, first):
        return served
    return replace(served, wanted=replace(wanted, created_at=oldest, started_seq=None))


def _had(
    tx: Session, news: Sequence[EntryChanges], recipient_ids: Sequence[int]
) -> dict[int, frozenset[int]]:
    """Alerts that each recipient got at once or will get, or did not want in its pause."""
    alert_ids = [change.alert_id for entry in news for change in entry.news]
    will = Delivery.state == DeliveryState.QUEUED
    has = or_(
        MAY_HAVE_BEEN_TOLD,
        will,
        and_(Delivery.state == DeliveryState.SKIPPED, Delivery.reason == SkipReason.QUIET),
    )
    query = select(Delivery.recipient_id, Delivery.alert_id).where(
        Delivery.alert_id.in_(alert_ids), has
    )
    by_recipient: dict[int, set[int]] = {}
    for recipient_id, alert_id in tx.execute(
        query.where(among(tx, Delivery.recipient_id, recipient_ids))
    ):
        by_recipient.setdefault(recipient_id, set()).add(alert_id)
    return {recipient_id: frozenset(alerts) for recipient_id, alerts in by_recipient.items()}


def _stories(tx: Session, lines: Collection[DigestLine]) -> dict[DigestLine, EntryContent]:
    """Entries as they stand now; a change is labelled only for recipients that knew the entry."""
    if not lines:
        return {}
    query = entries_query().where(Entry.id.in_({line.entry_id for line in lines}))
    entries = {entry.id: entry for entry in tx.scalars(query)}
    stories: dict[DigestLine, EntryContent] = {}
    for line in lines:
        entry = entries[line.entry_id]
        stories[line] = EntryContent.of(entry, line.news.kind, line.news.note).worded(
            told=line.told
        )
    return stories
