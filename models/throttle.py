"""Throttles: tries are counted in SQL, so that they hold across processes and nodes."""

from collections.abc import Iterable, Mapping
from datetime import timedelta

from sqlalchemy import delete

from models.clock import now
from models.database import Database
from models.errors import TooMany
from models.people import Throttle

WINDOW = timedelta(minutes=15)


def strike(db: Database, limits: Mapping[str, int]) -> None:
    """Count one try for each key; raises TooMany, after counting, where one has had more than its limit in this window."""
    retry_after = 0
    with db.begin() as tx:
        moment = now(tx)
        tx.execute(delete(Throttle).where(Throttle.window_at < moment - WINDOW))
        for key, limit in limits.items():
            row = tx.get(Throttle, key, with_for_update=True)
            if row is None:
                row = Throttle(key=key, window_at=moment, tries=0)
                tx.add(row)
            row.tries += 1
            if row.tries > limit:
                retry_after = max(retry_after, round((row.window_at + WINDOW - moment).total_seconds()))
    if retry_after:
        raise TooMany(retry_after)


def forgive(db: Database, keys: Iterable[str]) -> None:
    """Forget the tries under these keys."""
    with db.begin() as tx:
        tx.execute(delete(Throttle).where(Throttle.key.in_(list(keys))))
