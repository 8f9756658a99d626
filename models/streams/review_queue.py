"""Alerts that wait for an editor's approval."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from models.db.approval_rules import NEEDS_SECOND_EDITOR, last_author_id
from models.tables.ledger import Alert, AlertState
from models.tables.stories import Entry, EntryState, Revision, RevisionKind, Stream


@dataclass(frozen=True)
class WaitingAlert:
    """An alert that waits for approval; ``second``: by another account than ``account_id``, the
    author of its text.
    """

    id: int
    since: datetime
    second: bool
    kind: RevisionKind
    account_id: int | None
    entry_uid: str
    title: str
    stream: str


def waiting_alerts(
    tx: Session, *, entry_id: int | None = None, limit: int = 100
) -> Sequence[WaitingAlert]:
    """Alerts that wait for approval, oldest first: all, or those of one entry."""
    query = (
        select(
            Alert.id,
            Alert.created_at,
            Alert.waits_for,
            Revision.kind,
            last_author_id(Entry.id),
            Entry.uid,
            Entry.title,
            Stream.title,
        )
        .join(Revision, Revision.id == Alert.revision_id)
        .join(Entry, Entry.id == Revision.entry_id)
        .join(Stream, Stream.id == Entry.stream_id)
        .where(
            Alert.state == AlertState.WAITING_FOR_APPROVAL,
            Entry.state == EntryState.PUBLISHED,
        )
    )
    if entry_id is not None:
        query = query.where(Entry.id == entry_id)
    rows = tx.execute(query.order_by(Alert.id).limit(limit))
    return [
        WaitingAlert(id_, since, why == NEEDS_SECOND_EDITOR, kind, account_id, uid, title, stream)
        for id_, since, why, kind, account_id, uid, title, stream in rows
    ]
