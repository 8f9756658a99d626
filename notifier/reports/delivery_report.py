"""Alerts and deliveries as the desk and the command line show them. The number of queries does not
depend on the number of rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from models import (
    Alert,
    AlertState,
    Delivery,
    DeliveryState,
    Entry,
    Fanout,
    Pause,
    Recipient,
    RecipientKind,
    Revision,
    Site,
    SkipReason,
    Stream,
    TallyKind,
)
from models.db.clock import now
from models.db.tallies import ENDS, pending_deliveries, tally_totals

NOTICE_TITLES = {
    "alert-failed": "An alert could not be prepared",
    "confirm": "Please confirm",
    "fresh-link": "A fresh link",
    "held": "All sending is held",
    "healed": "A channel takes messages again",
    "invitation": "Invitation to the desk",
    "late-entries": "Entries are late",
    "password": "Your password was changed",
    "preferences": "Link to the settings",
    "reset": "Link for a new password",
    "sick": "A channel is failing",
    "test": "Test message",
}
"""What lists call a notice, by its name."""

ENDED = (DeliveryState.SENT, DeliveryState.FAILED, DeliveryState.UNKNOWN, DeliveryState.SKIPPED)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryLine:
    """One delivery as people see it; ``shown`` is a mail address, or a channel's name and masked
    URL.
    """

    uid: str
    shown: str
    kind: RecipientKind
    service: str
    revision_no: int
    state: DeliveryState
    reason: SkipReason | None
    attempts: int
    last_reply: str
    created_at: datetime
    due_at: datetime
    settled_at: datetime | None


def alert_sums(
    tx: Session, limit: int, *, alert_id: int | None = None, before: int | None = None
) -> list[dict[str, Any]]:
    """The latest alerts, newest first, those older than the id ``before``, or that one.

    ``kind`` is the revision's, or else the alert's; ``owed`` counts every delivery, also those
    skipped; ``queued`` those not settled yet; ``expanded`` is False while recipients are still
    being found.
    """
    latest = (
        select(Alert, Revision.kind, Entry.title, Entry.uid, Stream.title.label("ended"))
        .outerjoin(Revision, Revision.id == Alert.revision_id)
        .outerjoin(Entry, Entry.id == Revision.entry_id)
        .outerjoin(Stream, Stream.id == Alert.stream_id)
        .order_by(Alert.id.desc())
        .limit(limit)
    )
    if alert_id is not None:
        latest = latest.where(Alert.id == alert_id)
    if before is not None:
        latest = latest.where(Alert.id < before)
    rows = tx.execute(latest).all()
    ids = [alert.id for alert, *_ in rows]
    sums = tally_totals(tx, ids)
    undone = set(
        tx.scalars(
            select(Fanout.alert_id).where(Fanout.alert_id.in_(ids), Fanout.done_at.is_(None))
        )
    )
    return [
        {
            "id": alert.id,
            "kind": kind.value if kind else alert.kind.value,
            "title": title
            or ended
            or alert.slot
            or notice_title((alert.notice or {}).get("name", "")),
            "entry_uid": uid or "",
            "created_at": alert.created_at,
            "stopped_at": alert.stopped_at,
            "held_at": alert.held_at,
            "waits_for": alert.waits_for,
            "expanded": alert.id not in undone,
            **numbers(sums.get(alert.id, {})),
        }
        for alert, kind, title, uid, ended in rows
    ]


def notice_title(name: str) -> str:
    """Title of a notice in lists; an unknown name stays as it is."""
    return NOTICE_TITLES.get(name, name)


def why_waiting(tx: Session, *, alerts: bool = True) -> list[str]:
    """Sentences that say why due messages are not sent now; empty where nothing stops them.

    ``alerts``: also that single alerts are held.
    """
    reasons: list[str] = []
    site = tx.execute(select(Site.sending_paused, Site.held_reason)).one_or_none()
    if site and site.sending_paused:
        reasons.append("Sending is paused for the whole site.")
    if site and site.held_reason:
        reasons.append(f"Sending is held: {site.held_reason} `storywire resume` lets it go on.")
    late = tx.scalar(select(func.count()).select_from(Alert).where(Alert.state == AlertState.HELD))
    if late and alerts:
        reasons.append(f"Alerts are held that would come hours late: {late}. Resume or stop them.")
    failing = (
        select(Recipient.address, Recipient.reason)
        .where(Recipient.failing)
        .order_by(Recipient.sick_since)
    )
    reasons += [
        f"The channel {name} is failing: {reason}" for name, reason in tx.execute(failing.limit(5))
    ]
    pauses = tx.scalars(
        select(Pause.reason).where(Pause.is_on(now(tx)), Pause.reason != "").order_by(Pause.name)
    )
    return [*reasons, *pauses]


def numbers(sums: Mapping[TallyKind, int]) -> dict[str, int]:
    """Sums of tallies by name; ``queued`` counts the deliveries that have not ended yet."""
    return {
        "owed": sums.get(TallyKind.OWED, 0),
        **{kind.value: sums.get(kind, 0) for kind in ENDS},
        "queued": pending_deliveries(sums),
    }


def delivery_line(
    delivery: Delivery, kind: RecipientKind, address: str, service: str, masked_url: str, no: int
) -> DeliveryLine:
    """A delivery as people see it."""
    return DeliveryLine(
        uid=delivery.uid,
        shown=address if kind is RecipientKind.MAIL else f"{address} ({masked_url})",
        kind=kind,
        service=service,
        revision_no=no,
        state=delivery.state,
        reason=delivery.reason,
        attempts=delivery.attempts,
        last_reply=delivery.last_reply or "",
        created_at=delivery.created_at,
        due_at=delivery.due_at,
        settled_at=delivery.settled_at,
    )
