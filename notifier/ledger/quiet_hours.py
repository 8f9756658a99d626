"""Quiet hours: when a message may go out that must not go out now."""

from datetime import datetime, time, timedelta, tzinfo
from typing import Protocol

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from config.settings import zone
from models import Delivery, Recipient
from models.db.clock import now
from notifier.ledger.ledger_sql import among, changed


class HasQuietHours(Protocol):
    """Row of a query that holds a recipient's quiet hours."""

    @property
    def timezone(self) -> str: ...
    @property
    def quiet_from(self) -> time | None: ...
    @property
    def quiet_until(self) -> time | None: ...


def may_go_at(row: HasQuietHours, at: datetime) -> datetime:
    """``at``, or the end of the recipient's quiet hours where it falls into them."""
    if row.quiet_from is None:
        return at
    end = end_of_quiet_hours(zone(row.timezone), row.quiet_from, row.quiet_until, at)
    return end or at


def end_of_quiet_hours(
    timezone: tzinfo, start: time | None, end: time | None, now: datetime
) -> datetime | None:
    """When the quiet hours end in which ``now`` falls; None outside of them, or where both ends are
    equal.

    A local time that a change of clocks skips counts as the moment of that length after the last
    one before; one that comes twice ends the quiet hours at its next occurrence.
    """
    if start is None or end is None or start == end:
        return None
    local = now.astimezone(timezone)
    clock = local.time()
    within_a_day = start < end
    if within_a_day and not start <= clock < end:
        return None
    if not within_a_day and end <= clock < start:
        return None
    day = local.date() if clock < end else local.date() + timedelta(days=1)
    ends = datetime.combine(day, end, timezone)
    if ends.timestamp() <= now.timestamp():
        ends = ends.replace(fold=1)
    return ends.astimezone(now.tzinfo)


def put_off(tx: Session, new: ColumnElement[bool]) -> None:
    """Let the ``new`` deliveries wait for the end of their recipients' quiet hours, so that no
    claim meets them before.
    """
    query = (
        select(Delivery.id, Recipient.timezone, Recipient.quiet_from, Recipient.quiet_until)
        .join(Recipient, Recipient.id == Delivery.recipient_id)
        .where(new, Recipient.quiet_from.is_not(None))
    )
    may_go: dict[tuple[str, time | None, time | None], datetime] = {}
    ids_by_time: dict[datetime, list[int]] = {}
    for row in tx.execute(query).all():
        hours = (row.timezone, row.quiet_from, row.quiet_until)
        if hours not in may_go:
            may_go[hours] = may_go_at(row, now(tx))
        if may_go[hours] > now(tx):
            ids_by_time.setdefault(may_go[hours], []).append(row.id)
    for due_at, ids in ids_by_time.items():
        changed(tx, update(Delivery).where(among(tx, Delivery.id, ids)).values(due_at=due_at))
