"""Clocks that tests control."""

from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

from models.db.clock import database_clock


class StandingClock:
    """A clock for databases: it moves only when told."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 14, 8, 0, tzinfo=UTC)

    def __call__(self, tx: Session) -> datetime:
        return self.now

    def forward(self, **by: float) -> datetime:
        """Move on by so many seconds, minutes, hours."""
        self.now += timedelta(**by)
        return self.now


class TickingClock:
    """The product's clock on PostgreSQL, asked by the product's query, set to the day of the tests'
    clock and moved with that.
    """

    def __init__(self, standing: StandingClock) -> None:
        self._standing = standing
        self._began: datetime | None = None

    def __call__(self, tx: Session) -> datetime:
        read = database_clock(tx)
        self._began = self._began or read
        return self._standing.now + (read - self._began)
