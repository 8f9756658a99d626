"""Numbers by day, for plots: noted once a day, since counting them again would read every row."""

from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from models.db.clock import now
from models.db.database import Database
from models.db.dialects import dialect_of, insert_into
from models.tables.ledger import (
    DailySum,
    Recipient,
    RecipientKind,
    RecipientState,
    Tally,
    TallyKind,
)

SENT, FAILED, CONFIRMED = "sent", "failed", "confirmed"


@dataclass(frozen=True, slots=True)
class DayNumbers:
    """Deliveries of a day (UTC), and confirmed subscribers at its end, or now; None where nothing
    was noted.
    """

    day: date
    sent: int | None
    failed: int | None
    confirmed: int | None


def note_day(db: Database) -> bool:
    """Note the totals at the end of yesterday, unless that was done; True where this call did."""
    with db.read() as tx:
        yesterday = now(tx).date() - timedelta(days=1)
        if tx.get(DailySum, (yesterday, CONFIRMED)) is not None:
            return False
        standing = _standing(tx)
    with db.begin() as tx:
        insert = insert_into(dialect_of(tx), DailySum)
        rows = [
            {"day": yesterday, "name": name, "number": number} for name, number in standing.items()
        ]
        tx.execute(insert.on_conflict_do_nothing(), rows)
    return True


def last_days(tx: Session, number: int = 30) -> list[DayNumbers]:
    """The last days, today last and so far; deliveries as the difference of two evenings."""
    today = now(tx).date()
    first = today - timedelta(days=number)
    noted: dict[date, dict[str, int]] = {today: _standing(tx)}
    for row in tx.scalars(select(DailySum).where(DailySum.day >= first, DailySum.day < today)):
        noted.setdefault(row.day, {})[row.name] = row.number
    days = [first + timedelta(days=n) for n in range(number + 1)]
    return [_day(day, noted.get(day, {}), noted.get(before, {})) for before, day in pairwise(days)]


def _day(day: date, evening: dict[str, int], before: dict[str, int]) -> DayNumbers:
    # What is owed again is taken back from the tallies, so a day can even end below the one before.
    risen = {
        name: max(evening[name] - before[name], 0) if name in evening and name in before else None
        for name in (SENT, FAILED)
    }
    return DayNumbers(day, risen[SENT], risen[FAILED], evening.get(CONFIRMED))


def _standing(tx: Session) -> dict[str, int]:
    """Deliveries ever sent and failed, and confirmed subscribers."""
    sums = select(Tally.kind, func.sum(Tally.number)).group_by(Tally.kind)
    tallied = {kind: int(number) for kind, number in tx.execute(sums)}
    confirmed = select(func.count()).where(
        Recipient.kind == RecipientKind.MAIL, Recipient.state == RecipientState.CONFIRMED
    )
    return {
        SENT: tallied.get(TallyKind.SENT, 0),
        FAILED: tallied.get(TallyKind.FAILED, 0),
        CONFIRMED: int(tx.scalar(confirmed) or 0),
    }
