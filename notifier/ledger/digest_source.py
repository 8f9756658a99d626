"""Entries that were published or changed between two values of the site's counter, and the
subscriptions that digests serve.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import and_, exists, false, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from models import (
    Alert,
    AlertKind,
    Entry,
    EntryState,
    EntryTag,
    Revision,
    RevisionKind,
    RevisionState,
    Stream,
    Subscription,
    SubscriptionExcept,
    SubscriptionTag,
)
from models.db.approval_rules import NEEDS_SECOND_EDITOR
from models.recipients.audience import AlertTopic
from models.recipients.digest_rules import EntryChange, EntryChanges, Wanted
from models.tables.stories import CLOSED
from notifier.ledger.ledger_sql import among

MAX_ENTRIES = 500
"""Entries that one digest looks at, the latest: others are read on the pages."""
_TOLD = (RevisionKind.PUBLISH, RevisionKind.UPDATE, RevisionKind.CORRECTION)


def entries_changed_since(
    tx: Session, since: int, upto: int, *, hidden: bool = False
) -> list[EntryChanges]:
    """Entries that stand and have an alert after ``since`` and up to ``upto``, the latest first.

    An alert that was stopped, or waits for a second editor, is sent to nobody, so no digest tells
    it either. ``hidden``: also entries whose retraction may still be undone.
    """
    undoable = (
        exists()
        .where(Revision.entry_id == Entry.id, Revision.state == RevisionState.PENDING)
        .correlate(Entry)
    )
    stands = or_(
        Entry.state == EntryState.PUBLISHED,
        and_(Entry.state == EntryState.RETRACTED, undoable) if hidden else false(),
    )
    alerts = (
        select(
            Alert.id,
            Alert.seq,
            Alert.created_at,
            Alert.public_seq,
            Revision.kind,
            Revision.note,
            Entry.id.label("entry_id"),
            Entry.importance,
            Entry.stream_id,
        )
        .join(Revision, Revision.id == Alert.revision_id)
        .join(Entry, Entry.id == Revision.entry_id)
        .where(
            Revision.kind.in_(_TOLD),
            stands,
            Alert.stopped_at.is_(None),
            Alert.waits_for.is_distinct_from(NEEDS_SECOND_EDITOR),
        )
    )
    window = (
        Alert.kind == AlertKind.REVISION,
        Alert.seq > since,
        Alert.seq <= upto,
        Stream.state.not_in(CLOSED),
    )
    latest = (
        alerts.join(Stream, Stream.id == Entry.stream_id)
        .where(*window)
        .order_by(Alert.seq.desc())
        .limit(MAX_ENTRIES)
    )
    ids = list(dict.fromkeys(row.entry_id for row in tx.execute(latest)))
    if not ids:
        return []
    tags = _tags(tx, ids)
    entries: dict[int, list[EntryChange]] = {id_: [] for id_ in ids}
    for row in tx.execute(alerts.where(Entry.id.in_(ids)).order_by(Revision.no)):
        topic = AlertTopic(
            row.stream_id,
            row.importance,
            tuple(tags.get(row.entry_id, ())),
            row.kind is not RevisionKind.PUBLISH,
        )
        entries[row.entry_id].append(
            EntryChange(
                row.id, row.seq or 0, row.created_at, row.kind, row.note, topic, row.public_seq
            )
        )
    return [EntryChanges(id_, tuple(news)) for id_, news in entries.items()]


def _tags(tx: Session, entry_ids: Collection[int]) -> dict[int, list[str]]:
    slugs: dict[int, list[str]] = {}
    for entry_id, slug in tx.execute(
        select(EntryTag.entry_id, EntryTag.slug).where(EntryTag.entry_id.in_(entry_ids))
    ):
        slugs.setdefault(entry_id, []).append(slug)
    return slugs


SUBSCRIPTION_COLUMNS: tuple[InstrumentedAttribute[Any], ...] = (
    Subscription.id,
    Subscription.recipient_id,
    Subscription.stream_id,
    Subscription.least_importance,
    Subscription.news,
    Subscription.corrections,
    Subscription.cadence,
    Subscription.at_once_from,
    Subscription.every_minutes,
    Subscription.digest_time,
    Subscription.digest_day,
    Subscription.next_digest_at,
    Subscription.digested_seq,
    Subscription.created_at,
    Subscription.started_seq,
)


def read_wanted(tx: Session, subscriptions: Sequence[Any]) -> dict[int, Wanted]:
    """Filters of subscriptions by id; ``subscriptions`` are rows with `SUBSCRIPTION_COLUMNS`."""
    ids = [subscription.id for subscription in subscriptions]
    tagged = select(SubscriptionTag.subscription_id, SubscriptionTag.slug).where(
        among(tx, SubscriptionTag.subscription_id, ids)
    )
    tags = _sets(tx.execute(tagged))
    to_all = [row.id for row in subscriptions if row.stream_id is None]
    excluded: dict[int, set[Any]] = {}
    if to_all:
        query = select(SubscriptionExcept.subscription_id, SubscriptionExcept.stream_id)
        excluded = _sets(
            tx.execute(query.where(among(tx, SubscriptionExcept.subscription_id, to_all)))
        )
    return {
        row.id: Wanted(
            created_at=row.created_at,
            started_seq=row.started_seq,
            stream_id=row.stream_id,
            least_importance=row.least_importance,
            left_out=frozenset(excluded.get(row.id, ())),
            tags=frozenset(tags.get(row.id, ())),
            news=row.news,
            corrections=row.corrections,
            cadence=row.cadence,
            at_once_from=row.at_once_from,
        )
        for row in subscriptions
    }


def _sets(rows: Iterable[Any]) -> dict[int, set[Any]]:
    sets: dict[int, set[Any]] = {}
    for id_, value in rows:
        sets.setdefault(id_, set()).add(value)
    return sets
