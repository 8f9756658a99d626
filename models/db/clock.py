"""The one clock: read once a transaction, so that all that a transaction writes happened at one
moment.
"""

from collections.abc import Callable
from datetime import UTC, datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from models.db.dialects import dialect_of

Clock = Callable[[Session], datetime]


def database_clock(tx: Session) -> datetime:
    """The database's time on PostgreSQL, where nodes may disagree; the machine's on SQLite."""
    if dialect_of(tx) == "postgresql":
        moment: datetime = tx.execute(select(func.clock_timestamp())).scalar_one()
        return moment.astimezone(UTC)
    return datetime.now(UTC)


def now(tx: Session) -> datetime:
    """This transaction's moment, in UTC."""
    if "now" not in tx.info:
        # To ask PostgreSQL is a query, before which the session would write what was added to it,
        # perhaps half filled in.
        with tx.no_autoflush:
            tx.info["now"] = tx.info["clock"](tx)
    moment: datetime = tx.info["now"]
    return moment
