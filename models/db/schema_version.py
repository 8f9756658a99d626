"""Whether a database has the tables that this version knows.

Every command asks, so this reads the names of the migrations itself: importing Alembic takes as
long as most commands do.
"""

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from config.settings import BadSettings
from models.db.database import Database

MIGRATIONS = Path(__file__).parents[1] / "migrations"


def known_revisions() -> list[str]:
    """The revisions of all migrations, oldest first: a file is called by its revision and a few
    words.
    """
    files = (MIGRATIONS / "versions").glob("[0-9]*_*.py")
    return sorted(file.name.partition("_")[0] for file in files)


def pending_migrations(db: Database) -> list[str]:
    """The revisions that the database lacks, oldest first: all of them where it has no tables.

    Raises BadSettings where the database has a revision that is not known here.
    """
    with db.engine.connect() as connection:
        return missing_revisions(connection)


def missing_revisions(connection: Connection) -> list[str]:
    """As `pending_migrations`, on a connection that is open."""
    known, current = known_revisions(), None
    if inspect(connection).has_table("alembic_version"):
        current = connection.scalar(text("SELECT version_num FROM alembic_version"))
    if current is None:
        return known
    if current not in known:
        raise BadSettings(
            f"The database was made by a newer Storywire (its tables are at {current}). Install"
            " that one."
        )
    return known[known.index(current) + 1 :]
