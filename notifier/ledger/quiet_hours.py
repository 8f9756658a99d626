"""Quiet hours: when a message may go that may not go now, for one row and for all that were just
owed.
"""

from datetime import datetime, time
from typing import Protocol

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from config.settings import zone
from models import Delivery, Recipient
from models.db.clock import now
from models.recipients.deciding import Reader, quiet_until
from notifier.ledger.ledger_sql import among, changed


class Quiet(Protocol):
    """A row that holds what a recipient says of its quiet hours."""

    @property
    def timezone(self) -> str: ...
    @property
    def quiet_from(self) -> time | None: ...
    @property
    def quiet_until(self) -> time | None: ...


def may_go_at(row: Quiet, moment: datetime) -> datetime:
    """``moment``, or the end of the recipient's quiet hours where it falls into them."""
    if row.quiet_from is None:
        return moment
    reader = Reader(
        confirmed_at=moment,
        timezone=zone(row.timezone),
        quiet_from=row.quiet_from,
        quiet_until=row.quiet_until,
    )
    return quiet_until(reader, moment) or moment


def put_off(tx: Session, made: ColumnElement[bool]) -> None:
    """Let the deliveries that were ``made`` now wait for the end of their recipients' quiet hours,
    so that no claim meets them before.
    """
    query = select(Delivery.id, Recipient.timezone, Recipient.quiet_from, Recipient.quiet_until)
    rows = tx.execute(
        query.join(Recipient, Recipient.id == Delivery.recipient_id).where(
            made, Recipient.quiet_from.is_not(None)
        )
    ).all()
    known: dict[tuple[str, time | None, time | None], datetime] = {}
    waiting: dict[datetime, list[int]] = {}
    for row in rows:
        hours = (row.timezone, row.quiet_from, row.quiet_until)
        if hours not in known:
            known[hours] = may_go_at(row, now(tx))
        if known[hours] > now(tx):
            waiting.setdefault(known[hours], []).append(row.id)
    for end, ids in waiting.items():
        changed(tx, update(Delivery).where(among(tx, Delivery.id, ids)).values(due_at=end))
