"""Migrating the tables, without losing a row."""

import logging
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, func, inspect, select, table, text
from sqlalchemy.exc import OperationalError

from config.settings import BadSettings
from models.db.database import Database, make_private
from models.db.index_order import order_indexes
from models.db.schema_version import MIGRATIONS, missing_revisions, pending_migrations
from models.text.search_index import SEARCH_TABLES as SEARCH_TABLES

log = logging.getLogger(__name__)

_LOCK = 0x53544F52  # "STOR": every node asks PostgreSQL for the same advisory lock
_VERSION_TABLE = "alembic_version"
_LOCK_NOT_AVAILABLE = "55P03"  # https://www.postgresql.org/docs/current/errcodes-appendix.html
_LOCK_MILLISECONDS = 2_000
_BUSY_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Upgrade:
    """Applied migrations.  ``copy``: the SQLite database from before, None where it was empty."""

    revisions: list[str]
    copy: Path | None = None

    @property
    def sentence(self) -> str:
        """The message for the operator; empty without a copy."""
        if self.copy is None:
            return ""
        return (
            f"The database was upgraded. A copy from before is in {self.copy} (to go back:"
            " docs/upgrading.md)."
        )


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config


def migrate(db: Database, target: str = "head") -> Upgrade:
    """Apply what is pending, up to ``target``.

    On SQLite a database that holds anything is copied beside itself first, and an upgrade after
    which rows are missing is rolled back.  Raises BadSettings, with the database as it was.
    """
    if not pending_migrations(db):
        return Upgrade([])
    if db.embedded:
        return _migrate_sqlite(db, target)
    # The lock has a transaction of its own: each migration has one (see env.py), since it locks
    # every table that it changes until it ends.
    with db.engine.begin() as lock, db.engine.connect() as connection:
        lock.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        try:
            return Upgrade(_apply_between_others(connection, target))
        finally:
            connection.invalidate()  # never back into the pool with its lock_timeout


def _apply_between_others(connection: Connection, target: str) -> list[str]:
    """Apply pending migrations; one that waits for a table lock is rolled back and retried.

    Every statement of the nodes would queue behind a migration that waits for, say, a dump.
    """
    connection.execute(text(f"SET lock_timeout = {_LOCK_MILLISECONDS}"))
    connection.commit()
    pending = missing_revisions(connection)
    give_up_at = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            _apply(connection, target)
            return pending
        except OperationalError as exc:
            connection.rollback()
            if getattr(exc.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
                raise
            if time.monotonic() > give_up_at:
                raise BadSettings(
                    "The upgrade is not complete, because other transactions hold tables that it"
                    " changes, such as a dump. What is done stays. Run `storywire init` again when"
                    " they have ended (`SELECT * FROM pg_stat_activity` shows them)."
                ) from exc
            log.warning(
                "the upgrade waits for another transaction, such as a dump, that holds a table;"
                " trying again"
            )
            time.sleep(_LOCK_MILLISECONDS / 1000)


def _apply(connection: Connection, target: str) -> list[str]:
    # read again under the lock: another process may have been first
    pending = missing_revisions(connection)
    if connection.dialect.name == "postgresql":
        # the reading, or Alembic would take it for a transaction that is ours to end
        connection.commit()
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, target)
    return pending


def _migrate_sqlite(db: Database, target: str) -> Upgrade:
    with _foreign_keys_off(db) as connection, connection.begin():
        pending = missing_revisions(connection)
        copy = _copy(db, pending[-1]) if pending else None
        try:
            before = _count_rows(connection)
            broken = _broken_references(connection)
            _apply(connection, target)
            order_indexes(connection)
            if lost := _differences(connection, pending, before, broken):
                raise BadSettings(
                    f"The upgrade was taken back, because rows would have been lost ({lost}). The"
                    " database is as it was; keep using the version of before, and report this."
                )
        except BaseException:
            if copy is not None:
                copy.unlink()
            raise
        return Upgrade(pending, copy)


@contextmanager
def _foreign_keys_off(db: Database) -> Iterator[Connection]:
    """A connection on which dropping a table deletes nothing in others.

    A batch migration makes a table anew: it copies, drops and renames.  While foreign keys are on,
    SQLite's DROP TABLE deletes the rows first, and ON DELETE CASCADE takes those that refer to them
    (https://www.sqlite.org/lang_altertable.html section 7).  Inside a transaction the pragma does
    nothing.
    """
    with db.engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        driver.execute("PRAGMA foreign_keys=OFF")
        try:
            yield connection
        finally:
            connection.invalidate()  # never back into the pool with its foreign keys off


def _count_rows(connection: Connection) -> dict[str, int]:
    names = set(inspect(connection).get_table_names()) - {*SEARCH_TABLES, _VERSION_TABLE}
    counts = {}
    for name in names:
        query = select(func.count()).select_from(table(name))
        counts[name] = connection.execute(query).scalar_one()
    return counts


def _broken_references(connection: Connection) -> Counter[str]:
    """The number of dangling references by table."""
    return Counter(row[0] for row in connection.exec_driver_sql("PRAGMA foreign_key_check"))


def _differences(
    connection: Connection,
    revisions: list[str],
    before: dict[str, int],
    broken_before: Counter[str],
) -> str:
    """Rows that the migrations lost or added without declaring it; empty where there are none."""
    declared = _changes_rows_of(revisions)
    after = _count_rows(connection)
    differences = []
    for name, number in sorted(before.items()):
        if name not in declared and after.get(name, 0) != number:
            differences.append(
                f"{name}: {number} {'row' if number == 1 else 'rows'} before, {after.get(name, 0)}"
                " after"
            )
    broken = _broken_references(connection) - broken_before
    differences += [
        f"{name}: {broken[name]} {'row refers' if broken[name] == 1 else 'rows refer'} to none"
        for name in sorted(broken)
    ]
    return "; ".join(differences)


def _changes_rows_of(revisions: list[str]) -> set[str]:
    """The tables in which these migrations mean to add or delete rows: each names its own in
    ``changes_rows_of``.
    """
    script = ScriptDirectory.from_config(_config())
    modules = [script.get_revision(revision).module for revision in revisions]
    return {name for module in modules for name in getattr(module, "changes_rows_of", ())}


def _copy(db: Database, revision: str) -> Path | None:
    """Copy the database beside itself, while the caller holds its write lock; None where it is
    empty.
    """
    path = Path(db.engine.url.database or "")
    with closing(sqlite3.connect(path)) as source:
        if source.execute("SELECT 1 FROM sqlite_master").fetchone() is None:
            return None
        target = path.with_name(f"{path.name}.before-{revision}")
        unfinished = path.with_name(f"{target.name}.unfinished")
        unfinished.unlink(missing_ok=True)
        make_private(unfinished)
        try:
            with closing(sqlite3.connect(unfinished)) as copy:
                source.backup(copy)
        except sqlite3.Error as exc:
            unfinished.unlink(missing_ok=True)
            raise BadSettings(
                "The database was not upgraded, because the copy that is made before cannot be"
                f" written to {path.parent} ({exc}). Make room for"
                f" {path.stat().st_size / 1_000_000:,.0f} MB there."
            ) from exc
        return unfinished.replace(_free_name(target))


def _free_name(path: Path) -> Path:
    """``path``, with a number where it exists: an earlier copy may be the only complete one."""
    number = 1
    name = path
    while name.exists():
        number += 1
        name = path.with_name(f"{path.name}-{number}")
    return name
