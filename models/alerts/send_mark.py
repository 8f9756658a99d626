"""The send mark: a number that grows while messages are sent, in the database and outside of it.

A copy of the database that is put back has an older number than the file beside the database, or
than a running worker remembers, so what was sent since is noticed and all sending is held.  On
PostgreSQL the row also names the transaction that wrote it, which a restored dump cannot match.

The database is always written first: a crash between the two leaves it ahead, which holds nothing.
"""

import logging
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from sqlalchemy import select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from models.db.clock import now
from models.db.database import Database
from models.db.dialects import dialect_of
from models.tables.ledger import SendMark
from models.tables.stories import Site

log = logging.getLogger(__name__)

MARK_SECONDS = 0.25
"""While messages are sent the mark grows so often, and once more after the last of them."""
FOLLOW_SECONDS = 30.0
_PROMOTION = timedelta(minutes=10)
"""A standby that takes over is younger than this when workers find it; a restored copy is older."""

_ADVANCE = """
    INSERT INTO send_mark (id, number, transaction_id, timeline)
    VALUES (1, :least, {transaction}, {timeline})
    ON CONFLICT (id) DO UPDATE SET
        number = CASE WHEN send_mark.number >= :least THEN send_mark.number + 1 ELSE :least END,
        transaction_id = excluded.transaction_id, timeline = excluded.timeline
    RETURNING number
"""
_TIMELINE = "(SELECT timeline_id FROM pg_control_checkpoint())"
_ADVANCE_SQLITE = text(_ADVANCE.format(transaction="NULL", timeline="NULL"))
_ADVANCE_POSTGRESQL = text(_ADVANCE.format(transaction="txid_current()", timeline=_TIMELINE))
_READ_SQLITE = text("SELECT number, 0 AS restored, 0 AS promoted FROM send_mark")
# A restored row was written by the transaction that restored it, whatever it says.
_READ_POSTGRESQL = text(f"""
    SELECT number, xmin::text::bigint <> transaction_id % 4294967296 AS restored,
        timeline <> {_TIMELINE} AS promoted
    FROM send_mark
""")  # noqa: S608  fixed words


def note_sends(db: Database) -> None:
    """Called after outcomes were settled: lets the mark grow, at most every MARK_SECONDS. Never
    fails.
    """
    db.sends.unmarked = True
    if time.monotonic() >= db.sends.due_at:
        mark_sends(db)


def mark_sends(db: Database, *, durable: bool = False) -> None:
    """Let the mark grow if anything was settled since it last did. Never fails: what was settled
    stays settled.

    ``durable``: also over a power loss, as a worker ends.
    """
    if not db.sends.unmarked:
        return
    durable = durable or not db.embedded
    with db.sends.lock:
        db.sends.unmarked = False
        db.sends.due_at = time.monotonic() + MARK_SECONDS
        try:
            with durable_transaction(db) if durable else db.begin() as tx:
                site, number = tx.scalars(select(Site)).one(), advance_mark(tx)
        except SQLAlchemyError:
            db.sends.unmarked = True
            return
        record_mark(db, site, number, durable=durable)


def advance_mark(tx: Session, *, beyond: int = 0) -> int:
    """Let the mark in the database grow, to more than ``beyond``; returns it."""
    embedded = dialect_of(tx) == "sqlite"
    statement = _ADVANCE_SQLITE if embedded else _ADVANCE_POSTGRESQL
    return int(tx.execute(statement, {"least": beyond + 1}).scalar_one())


def read_mark(tx: Session) -> int:
    """The mark in the database; 0 where nothing was sent yet."""
    return tx.scalar(select(SendMark.number)) or 0


def known_mark(db: Database, site: Site) -> int:
    """The highest mark that this process and the file beside the database know.

    Called before the transaction that compares it, or it could be newer than what that sees.
    """
    return max(db.sends.number, db.mark_file.read(_name(site)))


def record_mark(db: Database, site: Site, number: int, *, durable: bool) -> None:
    """Note outside of the database how far it has come, after the commit."""
    db.sends.number = max(db.sends.number, number)
    if durable:
        db.sends.filed_at = time.monotonic()
    try:
        db.mark_file.write(_name(site), number, durable=durable)
    except OSError as exc:
        if not db.sends.file_failed:
            warning = "%s cannot be written, so a restored database may go unnoticed: %s"
            log.warning(warning, db.mark_file.path, exc.strerror)
        db.sends.file_failed = True


def follow_mark(db: Database, site: Site, number: int) -> None:
    """Note what other nodes wrote, now and then: each node keeps a file of its own."""
    if number > db.sends.number and time.monotonic() - db.sends.filed_at >= FOLLOW_SECONDS:
        record_mark(db, site, number, durable=True)


def why_restored(tx: Session, known: int, heartbeat_at: datetime | None) -> str | None:
    """Why the database seems to have been put back, as a sentence; None where it does not."""
    embedded = dialect_of(tx) == "sqlite"
    row = tx.execute(_READ_SQLITE if embedded else _READ_POSTGRESQL).one_or_none()
    number = row.number if row is not None else 0
    if number < known:
        return (
            f"The database is older than what was sent from here (mark {number}, but {known} was"
            f" reached): {_RESTORED}"
        )
    if row is None:
        return None
    long_ago = heartbeat_at is not None and now(tx) - heartbeat_at > _PROMOTION
    if row.restored or (row.promoted and long_ago):
        return f"The database was restored from a backup: {_RESTORED}"
    return None


_RESTORED = "what was sent since it was copied would be sent again."


@contextmanager
def durable_transaction(db: Database) -> Iterator[Session]:
    """A transaction that the disk has once it is committed, whatever the connection is set to."""
    if not db.embedded:
        with db.begin() as tx:
            tx.execute(text("SET LOCAL synchronous_commit = on"))
            yield tx
        return
    with db.engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        usual = driver.execute("PRAGMA synchronous").fetchone()[0]
        driver.execute("PRAGMA synchronous=FULL")
        try:
            with db(bind=connection) as tx, tx.begin():
                yield tx
        finally:
            driver.execute(f"PRAGMA synchronous={usual}")


def _name(site: Site) -> str:
    """Name of the site, which its copies share."""
    return site.created_at.isoformat()
