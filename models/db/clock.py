"""The clock: read once a transaction, so that all rows of a transaction have the same time."""

from collections.abc import Callable
from datetime import UTC, datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from models.db.dialects import dialect_of

Clock = Callable[[Session], datetime]


def database_clock(tx: Session) -> datetime:
    """The database's time on PostgreSQL, where nodes may disagree; the machine's on SQLite."""
    if dialect_of(tx) == "postgresql":
        server_time: datetime = tx.execute(select(func.clock_timestamp())).scalar_one()
        return server_time.astimezone(UTC)
    return datetime.now(UTC)


def now(tx: Session) -> datetime:
    """The time of this transaction, in UTC."""
    if "now" not in tx.info:
        # On PostgreSQL this is a query, before which the session would flush objects that may be
        # incomplete.
        with tx.no_autoflush:
            tx.info["now"] = tx.info["clock"](tx)
    time: datetime = tx.info["now"]
    return time
