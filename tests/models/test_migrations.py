"""The tables as migrations make them are the tables as the models declare them."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from models.base import Base
from models.database import Database, open_database
from models.indexing import TABLES
from models.migrate import migrate, pending_migrations
from models.site import found_site


def _no_search(name: str | None, kind: str, _: object) -> bool:
    """The search's table is no model: SQLite and PostgreSQL have each their own kind."""
    return kind != "table" or name not in TABLES


def test_migrations_and_models_agree(db: Database) -> None:
    with db.engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True, "include_name": _no_search}
        )
        assert compare_metadata(context, Base.metadata) == []


def test_partial_indexes_came_with_their_conditions(db: Database) -> None:
    table = "sqlite_master" if db.embedded else "pg_indexes"
    column, name = ("sql", "name") if db.embedded else ("indexdef", "indexname")
    query = f"SELECT {name}, {column} FROM {table} WHERE {column} LIKE '%% WHERE %%'"
    with db.engine.connect() as connection:
        found = {row[0] for row in connection.exec_driver_sql(query)}
    indexes = [index for table in Base.metadata.tables.values() for index in table.indexes]
    declared = {index.name for index in indexes if index.dialect_options["sqlite"]["where"] is not None}
    assert found == declared


def test_a_migrated_database_has_nothing_pending(db: Database) -> None:
    assert pending_migrations(db) == []
    assert migrate(db) == []


def test_an_embedded_database_is_copied_before_it_is_migrated(tmp_path) -> None:
    url = f"sqlite:///{tmp_path / 'old.sqlite3'}"
    db = open_database(url)
    migrate(db)
    found_site(db, id_authority="news.example.org", base_url="http://localhost")
    with db.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM alembic_version")  # as if a migration had come after
        connection.exec_driver_sql("DROP TABLE entry_search")
        for table in reversed(Base.metadata.sorted_tables):
            if table.name != "site":
                connection.exec_driver_sql(f"DROP TABLE {table.name}")
        connection.exec_driver_sql("ALTER TABLE site RENAME TO kept")
    copy_name = f"old.sqlite3.before-{migrate(db)[-1]}"
    copy = open_database(f"sqlite:///{tmp_path / copy_name}")
    with copy.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT id_authority FROM kept").scalar_one() == "news.example.org"
        # Only the owner reads any of them: they hold addresses, password hashes and drafts.
        files = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
        assert files.keys() >= {"old.sqlite3", "old.sqlite3-wal", copy_name}
        assert set(files.values()) == {0o600}
    copy.engine.dispose()
    db.engine.dispose()


def test_nothing_is_copied_where_there_was_nothing(tmp_path) -> None:
    db = open_database(f"sqlite:///{tmp_path / 'site.sqlite3'}")
    migrate(db)
    assert not list(tmp_path.glob("*before*"))
    db.engine.dispose()
