"""Context of alerts as the ledger's rules need it: the revision, its entry as it stands, and the
entry's other alerts.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from models import (
    Alert,
    AlertKind,
    AlertState,
    Entry,
    EntryState,
    EntryTag,
    Importance,
    Revision,
    RevisionKind,
    RevisionState,
    Stream,
    StreamState,
)
from models.recipients.audience import AlertTopic


@dataclass(frozen=True, slots=True)
class Sibling:
    """Another alert of the same entry."""

    alert_id: int
    no: int
    kind: RevisionKind
    compacted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertContext:
    """One alert of a revision."""

    alert_id: int
    priority: int
    created_at: datetime
    public_seq: int | None  # the site's counter when it came out
    state: AlertState
    resumed_at: datetime | None
    no: int
    kind: RevisionKind
    entry_id: int
    entry_state: EntryState
    importance: Importance
    stream_id: int
    stream_state: StreamState
    retraction_at: datetime | None  # of a retraction that still waits
    siblings: tuple[Sibling, ...]

    @property
    def earlier(self) -> list[int]:
        """Alerts of the same entry's earlier revisions."""
        return [other.alert_id for other in self.siblings if other.no < self.no]

    @property
    def later(self) -> dict[int, RevisionKind]:
        """Alerts of its later revisions."""
        return {other.alert_id: other.kind for other in self.siblings if other.no > self.no}

    @property
    def told_long_ago(self) -> bool:
        """An earlier alert is so old that nobody knows any more whom it told."""
        return any(other.compacted for other in self.siblings if other.no < self.no)

    def topic(self, tx: Session) -> AlertTopic:
        """Topic by which subscriptions filter."""
        tags = tx.scalars(select(EntryTag.slug).where(EntryTag.entry_id == self.entry_id)).all()
        correction = self.kind in (RevisionKind.UPDATE, RevisionKind.CORRECTION)
        return AlertTopic(self.stream_id, self.importance, tuple(tags), correction)


@dataclass(frozen=True, slots=True, kw_only=True)
class NonRevisionAlert:
    """An alert of no revision: a digest, a story's last word, a notice."""

    alert_id: int
    kind: AlertKind
    stopped: bool
    stream_state: StreamState | None  # of the story that has ended


def load_non_revision_alerts(
    tx: Session, alert_ids: Collection[int]
) -> dict[int, NonRevisionAlert]:
    """Each of these alerts by its id."""
    if not alert_ids:
        return {}
    query = (
        select(Alert.id, Alert.kind, Alert.state, Stream.state)
        .outerjoin(Stream, Stream.id == Alert.stream_id)
        .where(Alert.id.in_(list(alert_ids)))
    )
    alerts = {}
    for alert_id, kind, state, stream_state in tx.execute(query):
        alerts[alert_id] = NonRevisionAlert(
            alert_id=alert_id,
            kind=kind,
            stopped=state is AlertState.STOPPED,
            stream_state=stream_state,
        )
    return alerts


def load_contexts(tx: Session, alert_ids: Iterable[int]) -> dict[int, AlertContext]:
    """Each alert by its id, in two statements; those that are not of a revision are left out."""
    rows = tx.execute(
        select(
            Alert,
            Revision.no,
            Revision.kind,
            Revision.entry_id,
            Entry.state,
            Entry.importance,
            Stream.id,
            Stream.state,
        )
        .join(Revision, Revision.id == Alert.revision_id)
        .join(Entry, Entry.id == Revision.entry_id)
        .join(Stream, Stream.id == Entry.stream_id)
        .where(Alert.id.in_(list(alert_ids)))
    ).all()
    siblings, retractions = _revisions(tx, {row[3] for row in rows})
    return {
        alert.id: AlertContext(
            alert_id=alert.id,
            priority=alert.priority,
            created_at=alert.created_at,
            public_seq=alert.public_seq,
            state=alert.state,
            resumed_at=alert.resumed_at,
            no=no,
            kind=kind,
            entry_id=entry_id,
            entry_state=entry_state,
            importance=importance,
            stream_id=stream_id,
            stream_state=stream_state,
            retraction_at=retractions.get(entry_id),
            siblings=tuple(
                other for other in siblings.get(entry_id, ()) if other.alert_id != alert.id
            ),
        )
        for alert, no, kind, entry_id, entry_state, importance, stream_id, stream_state in rows
    }


def _revisions(
    tx: Session, entry_ids: set[int]
) -> tuple[dict[int, list[Sibling]], dict[int, datetime]]:
    """The alerts of each entry, and when a pending retraction of it is due."""
    siblings: dict[int, list[Sibling]] = {}
    retractions: dict[int, datetime] = {}
    revisions = select(
        Revision.entry_id,
        Revision.no,
        Revision.kind,
        Revision.state,
        Revision.apply_at,
        Alert.id,
        Alert.compacted_at,
    )
    query = revisions.outerjoin(Alert, Alert.revision_id == Revision.id).where(
        Revision.entry_id.in_(entry_ids)
    )
    for entry_id, no, kind, state, apply_at, alert_id, compacted_at in tx.execute(query):
        if alert_id is not None:
            siblings.setdefault(entry_id, []).append(
                Sibling(alert_id, no, kind, compacted_at is not None)
            )
        elif state is RevisionState.PENDING and kind is RevisionKind.RETRACTION:
            retractions[entry_id] = apply_at
    return siblings, retractions
