"""Rate limits: attempts are counted in SQL, so that they hold across processes and nodes."""

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
    """Count an attempt for each key; raises TooManyAttempts at the first key over its limit in this
    window, and does not count the later ones.

    A client over its limit is refused after a read: a flood writes nothing, so no one waits for it.
    """
    with db.read() as tx:
        time = now(tx)
        counts = select(Throttle.key, Throttle.tries, Throttle.window_at).where(
            Throttle.key.in_(list(limits))
        )
        for key, tries, window_at in tx.execute(
            counts.where(Throttle.window_at >= time - ATTEMPT_WINDOW)
        ):
            if tries >= limits[key]:
                raise _too_many(window_at, time)
    with db.begin() as tx:
        over = _first_over(tx, limits)
    if over:  # raised after the commit: counted attempts stay counted
        raise over


def _first_over(tx: Session, limits: Mapping[str, int]) -> TooManyAttempts | None:
    time = now(tx)
    for key, limit in limits.items():
        tries, window_at = _count(tx, key, time, ATTEMPT_WINDOW)
        if tries > limit:
            return _too_many(window_at, time)
    return None


def _too_many(window_at: datetime, time: datetime) -> TooManyAttempts:
    return TooManyAttempts(max(1, round((window_at + ATTEMPT_WINDOW - time).total_seconds())))


def attempts_today(tx: Session, key: str) -> int:
    """Count an attempt for ``key`` and return their number; the count restarts after a day."""
    tries, _ = _count(tx, key, now(tx), DAY)
    return tries


def _count(tx: Session, key: str, time: datetime, window: timedelta) -> tuple[int, datetime]:
    """Count in one statement, so that the first two attempts of a window may be concurrent."""
    tx.execute(delete(Throttle).where(Throttle.window_at < time - DAY))
    insert = insert_into(dialect_of(tx), Throttle)
    row = insert.values(key=key, window_at=time, tries=1)
    is_over = Throttle.window_at < time - window
    counted = row.on_conflict_do_update(
        index_elements=["key"],
        set_={
            "tries": case((is_over, 1), else_=Throttle.tries + 1),
            "window_at": case((is_over, time), else_=Throttle.window_at),
        },
    )
    tries, window_at = tx.execute(counted.returning(Throttle.tries, Throttle.window_at)).one()
    return tries, window_at


def reset_attempts(db: Database, keys: Iterable[str]) -> None:
    """Delete the counts of these keys."""
    with db.begin() as tx:
        tx.execute(delete(Throttle).where(Throttle.key.in_(list(keys))))


def network_of(client: str) -> str:
    """The network of an address, which may be stored: /24, or /64 of IPv6; empty where ``client``
    is no address.
    """
    try:
        ip = ip_address(client.partition("%")[0])
    except ValueError:
        return ""
    if ip.version == 6 and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    return str(ip_network((ip, 24 if ip.version == 4 else 64), strict=False))
