"""Approval rules: a second editor for breaking entries, and a limit of alerts per story and hour.

A breaking entry waits as submitted; the alert of a change, or one over the limit, waits on the desk
until an editor approves it.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from config.settings import Settings
from models.db.clock import now
from models.tables.ledger import Alert
from models.tables.stories import Entry, Importance, Revision, RevisionKind, RevisionState

# why an alert waits
NEEDS_SECOND_EDITOR = "second"
OVER_HOURLY_LIMIT = "most"
HOUR = timedelta(hours=1)
_WRITING = (RevisionKind.PUBLISH, RevisionKind.SILENT, RevisionKind.UPDATE, RevisionKind.CORRECTION)


@dataclass(frozen=True)
class ApprovalRules:
    """Whether breaking entries need a second editor, and how many alerts a story may have within an
    hour; 0: any number.
    """

    second_editor: bool = False
    most_alerts: int = 0

    @classmethod
    def of(cls, settings: Settings) -> Self:
        return cls(settings.breaking_needs_second_editor, settings.max_alerts_per_hour)


NO_APPROVAL = ApprovalRules()


def rules_in_force(tx: Session) -> ApprovalRules:
    rules: ApprovalRules = tx.info["approval_rules"]
    return rules


def needs_second_editor(tx: Session, importance: Importance) -> bool:
    """Whether an entry of this importance must be approved by a second editor."""
    return importance is Importance.BREAKING and rules_in_force(tx).second_editor


def last_author_id(entry_id: int | InstrumentedAttribute[int]) -> ColumnElement[int | None]:
    """The account that wrote the current text of a published entry: someone else has to approve its
    alert.
    """
    revision = aliased(Revision)
    applied = (
        revision.entry_id == entry_id,
        revision.state == RevisionState.APPLIED,
        revision.kind.in_(_WRITING),
    )
    return (
        select(revision.account_id)
        .where(*applied)
        .order_by(revision.no.desc())
        .limit(1)
        .scalar_subquery()
    )


def approval_reason(tx: Session, revision: Revision, entry: Entry) -> str | None:
    """The reason why the alert of a revision waits; None where it is sent.  A retraction never
    waits, since it goes only to recipients of the entry.

    The entry was approved before it was published, so only later changes can need a second editor.
    """
    if revision.kind is RevisionKind.RETRACTION:
        return None
    if revision.kind is not RevisionKind.PUBLISH and needs_second_editor(tx, entry.importance):
        return NEEDS_SECOND_EDITOR
    max_alerts = rules_in_force(tx).most_alerts
    if max_alerts and alerts_in_last_hour(tx, entry.stream_id) >= max_alerts:
        return OVER_HOURLY_LIMIT
    return None


def alerts_in_last_hour(tx: Session, stream_id: int) -> int:
    """The number of alerts of a story in the last hour that do not wait for approval."""
    since = now(tx) - HOUR
    query = (
        select(func.count())
        .select_from(Alert)
        .join(Revision, Revision.id == Alert.revision_id)
        .join(Entry, Entry.id == Revision.entry_id)
    )
    # An entry with an alert has changed since then, and an index finds changed ones.
    lately = (
        Entry.stream_id == stream_id,
        Entry.changed_at > since,
        Alert.created_at > since,
        Alert.waits_for.is_(None),
    )
    return tx.execute(query.where(*lately)).scalar_one()
