"""Bringing the tables up to date."""

import sqlite3
from contextlib import closing
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from config.settings import BadSettings
from models.database import Database, make_private

_LOCK = 0x53544F52  # "STOR": every node asks PostgreSQL for the same advisory lock


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    return config


def pending_migrations(db: Database) -> list[str]:
    """The revisions that the database lacks, oldest first.  Raises BadSettings where it has one that is not known here."""
    script = ScriptDirectory.from_config(_config())
    with db.engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    known = [step.revision for step in script.walk_revisions()]
    if current is None:
        return known[::-1]
    if current not in known:
        raise BadSettings(f"The database was made by a newer Storywire (its tables are at {current}). Install that one.")
    return known[: known.index(current)][::-1]


def migrate(db: Database) -> list[str]:
    """Apply what is pending and return it; on SQLite a database that holds anything is copied beside itself first."""
    pending = pending_migrations(db)
    if not pending:
        return []
    if db.embedded:
        _keep_copy(db, pending[-1])
    config = _config()
    with db.engine.begin() as connection:
        if not db.embedded:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return pending


def _keep_copy(db: Database, revision: str) -> None:
    path = Path(db.engine.url.database or "")
    if not path.is_file():
        return
    with closing(sqlite3.connect(path)) as source:
        if source.execute("SELECT 1 FROM sqlite_master").fetchone() is None:
            return
        kept = path.with_name(f"{path.name}.before-{revision}")
        make_private(kept)
        with closing(sqlite3.connect(kept)) as copy:
            source.backup(copy)
