"""Gates: what a newsroom has agreed must not go out by one hand, or too often.

A breaking entry waits as submitted, the alert of a change or one too many waits on the desk: until
an editor lets it go.
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

NEEDS_SECOND_EDITOR, OVER_HOURLY_LIMIT = "second", "most"  # why an alert waits
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
        """As the site is set up."""
        return cls(settings.breaking_needs_second_editor, settings.max_alerts_per_hour)


NO_APPROVAL = ApprovalRules()


def rules_in_force(tx: Session) -> ApprovalRules:
    """What holds here."""
    found: ApprovalRules = tx.info["gates"]
    return found


def needs_second_editor(tx: Session, importance: Importance) -> bool:
    """Whether an entry that matters so much goes out only when two have seen it."""
    return importance is Importance.BREAKING and rules_in_force(tx).second_editor


def last_author_id(entry_id: int | InstrumentedAttribute[int]) -> ColumnElement[int | None]:
    """The account that wrote what a published entry says now: an alert tells it as it stands, so
    somebody else lets that go.
    """
    wrote = aliased(Revision)
    applied = (
        wrote.entry_id == entry_id,
        wrote.state == RevisionState.APPLIED,
        wrote.kind.in_(_WRITING),
    )
    return (
        select(wrote.account_id)
        .where(*applied)
        .order_by(wrote.no.desc())
        .limit(1)
        .scalar_subquery()
    )


def approval_reason(tx: Session, revision: Revision, entry: Entry) -> str | None:
    """What the alert of a revision waits for; None where it goes out. A withdrawal never waits: it
    tells only those who were told.

    Its entry was approved before it came out, so only what was changed since can still need a
    second editor.
    """
    if revision.kind is RevisionKind.RETRACTION:
        return None
    if revision.kind is not RevisionKind.PUBLISH and needs_second_editor(tx, entry.importance):
        return NEEDS_SECOND_EDITOR
    most = rules_in_force(tx).most_alerts
    return OVER_HOURLY_LIMIT if most and alerts_in_last_hour(tx, entry.stream_id) >= most else None


def alerts_in_last_hour(tx: Session, stream_id: int) -> int:
    """How many alerts of a story were let out within the last hour."""
    since = now(tx) - HOUR
    query = (
        select(func.count())
        .select_from(Alert)
        .join(Revision, Revision.id == Alert.revision_id)
        .join(Entry, Entry.id == Revision.entry_id)
    )
    # An entry of which something was told has changed since then, and those an index finds.
    lately = (
        Entry.stream_id == stream_id,
        Entry.changed_at > since,
        Alert.created_at > since,
        Alert.waits_for.is_(None),
    )
    return tx.execute(query.where(*lately)).scalar_one()
