"""Throttles: tries are counted in SQL, so that they hold across processes and nodes."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network

from sqlalchemy import case, delete, select
from sqlalchemy.orm import Session

from models.db.clock import now
from models.db.database import Database
from models.db.dialects import dialect_of, insert_into
from models.tables.people import Throttle
from models.text.errors import TooManyAttempts

ATTEMPT_WINDOW = timedelta(minutes=15)
DAY = timedelta(days=1)


def count_attempt(db: Database, limits: Mapping[str, int]) -> None:
    """Count one try for each key; raises TooMany where one has had its limit in this window, and
    then counts nothing after it.

    Who is held already is told so by a read, whatever they try: a flood writes nothing, so nobody
    waits for it.
    """
    with db.read() as tx:
        moment = now(tx)
        held = select(Throttle.key, Throttle.tries, Throttle.window_at).where(
            Throttle.key.in_(list(limits))
        )
        for key, tries, window_at in tx.execute(
            held.where(Throttle.window_at >= moment - ATTEMPT_WINDOW)
        ):
            if tries >= limits[key]:
                raise _too_many(window_at, moment)
    with db.begin() as tx:
        over = _first_over(tx, limits)
    if over:  # the last of those that came at once; what was counted stays counted
        raise over


def _first_over(tx: Session, limits: Mapping[str, int]) -> TooManyAttempts | None:
    moment = now(tx)
    for key, limit in limits.items():
        tries, window_at = _count(tx, key, moment, ATTEMPT_WINDOW)
        if tries > limit:
            return _too_many(window_at, moment)
    return None


def _too_many(window_at: datetime, moment: datetime) -> TooManyAttempts:
    return TooManyAttempts(max(1, round((window_at + ATTEMPT_WINDOW - moment).total_seconds())))


def attempts_today(tx: Session, key: str) -> int:
    """Count one more try for ``key`` and return how many there were since the first, which a day
    ends.
    """
    tries, _ = _count(tx, key, now(tx), DAY)
    return tries


def _count(tx: Session, key: str, moment: datetime, window: timedelta) -> tuple[int, datetime]:
    """One more try for that key, in one statement, so that the first two of a window may come at
    once.
    """
    tx.execute(delete(Throttle).where(Throttle.window_at < moment - DAY))
    insert = insert_into(dialect_of(tx), Throttle)
    row = insert.values(key=key, window_at=moment, tries=1)
    is_over = Throttle.window_at < moment - window
    counted = row.on_conflict_do_update(
        index_elements=["key"],
        set_={
            "tries": case((is_over, 1), else_=Throttle.tries + 1),
            "window_at": case((is_over, moment), else_=Throttle.window_at),
        },
    )
    tries, window_at = tx.execute(counted.returning(Throttle.tries, Throttle.window_at)).one()
    return tries, window_at


def reset_attempts(db: Database, keys: Iterable[str]) -> None:
    """Forget the tries under these keys."""
    with db.begin() as tx:
        tx.execute(delete(Throttle).where(Throttle.key.in_(list(keys))))


def network_of(client: str) -> str:
    """The network of an address, which is as much of it as may be kept: /24, or /64 of IPv6; empty
    for what is none.
    """
    try:
        ip = ip_address(client.partition("%")[0])
    except ValueError:
        return ""
    if ip.version == 6 and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    return str(ip_network((ip, 24 if ip.version == 4 else 64), strict=False))
