"""Rows of the ledger, many in one statement."""

from typing import Any

from sqlalchemy import Select, literal, select, true
from sqlalchemy.orm import Session

from models import Delivery, DeliveryState
from models.db.clock import now
from models.db.database import rows_changed
from models.db.dialects import dialect_of, insert_into
from models.tables.base import random_uid


def enqueue_deliveries(
    tx: Session, alert_id: int, priority: int, recipients: Select[*tuple[Any, ...]]
) -> int:
    """Owe an alert to each of ``recipients`` that has no row of it yet, in the order of their ids;
    how many rows that made.

    ``recipients`` has recipient_id, lane and subscription_id, one row each.
    """
    table = Delivery.__table__
    found = recipients.subquery()
    values = {
        "uid": random_uid(),
        "alert_id": literal(alert_id, table.c.alert_id.type),
        "recipient_id": found.c.recipient_id,
        "subscription_id": found.c.subscription_id,
        "lane": found.c.lane,
        "priority": literal(priority, table.c.priority.type),
        "state": literal(DeliveryState.QUEUED, table.c.state.type),
        "attempts": literal(0, table.c.attempts.type),
        "created_at": literal(now(tx), table.c.created_at.type),
        "due_at": literal(now(tx), table.c.due_at.type),
    }
    # Without a WHERE, SQLite would read ON CONFLICT as the condition of a join.
    rows = select(*values.values()).where(true()).order_by(found.c.recipient_id)
    insert = (
        insert_into(dialect_of(tx), table).from_select(list(values), rows).on_conflict_do_nothing()
    )
    return rows_changed(tx, insert.execution_options(preserve_rowcount=True))
