"""SQL that differs between SQLite and PostgreSQL."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ARRAY, BigInteger, ColumnElement, Select, Update, any_, func, literal, text
from sqlalchemy.orm import InstrumentedAttribute, Session

from models.db.database import rows_changed
from models.db.dialects import dialect_of

# Word for word as in the index that holds them: SQLite uses one only where it sees its condition.
IN_TROUBLE = text("delivery.state IN ('failed', 'unknown')")


def on_postgresql(tx: Session) -> bool:
    return dialect_of(tx) == "postgresql"


def among(
    tx: Session,
    column: InstrumentedAttribute[int] | InstrumentedAttribute[int | None] | ColumnElement[int],
    ids: Sequence[int],
) -> ColumnElement[bool]:
    """``column`` is one of ``ids``: as one array on PostgreSQL, where a parameter for each costs
    more than the update.
    """
    if on_postgresql(tx):
        return column == any_(literal(list(ids), ARRAY(BigInteger)))
    return column.in_(ids)


def taken(
    tx: Session, column: InstrumentedAttribute[int], query: Select[*tuple[Any, ...]]
) -> ColumnElement[bool]:
    """``column`` is one of those that ``query`` selects, which are locked; rows that another
    transaction holds are skipped.

    PostgreSQL plans IN (SELECT ... FOR UPDATE) badly. SQLite has one writer at a time and no row
    locks: SQLAlchemy leaves FOR UPDATE out there.
    """
    query = query.with_for_update(skip_locked=True)
    if on_postgresql(tx):
        return column == any_(func.array(query.scalar_subquery()))
    return column.in_(query)


def changed(tx: Session, statement: Update) -> int:
    """Rows that ``statement`` changed; the session's objects are not synchronized, since ledger
    rows are none of them.
    """
    return rows_changed(tx, statement.execution_options(synchronize_session=False))
