"""The tables as migrations make them are the tables as the models declare them."""

import resource
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, select

from config.settings import BadSettings
from models import (
    Alert,
    AlertState,
    Delivery,
    EndReason,
    Pause,
    Recipient,
    SkipReason,
)
from models.db import migrate as migrating
from models.db.database import Database, open_database
from models.db.migrate import Upgrade, migrate
from models.db.schema_version import known_revisions, pending_migrations
from models.db.site import ensure_site
from models.tables.base import Base
from models.text import search_index
from models.text.search_index import SEARCH_TABLES
from tests.support.filled_tables import fill_every_table, rows_of

SCRIPTS = ScriptDirectory.from_config(migrating._config())
REVISIONS = [step.revision for step in SCRIPTS.walk_revisions()][::-1]


def _no_search(name: str | None, kind: str, _: object) -> bool:
    """The search's table is no model: SQLite and PostgreSQL have each their own kind."""
    return kind != "table" or name not in SEARCH_TABLES


def test_migrations_and_models_agree(db: Database) -> None:
    with db.engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={"compare_type": True, "compare_server_default": True, "include_name": _no_search},
        )
        assert compare_metadata(context, Base.metadata) == []


def test_partial_indexes_came_with_their_conditions(db: Database) -> None:
    table = "sqlite_master" if db.embedded else "pg_indexes"
    column, name = ("sql", "name") if db.embedded else ("indexdef", "indexname")
    query = f"SELECT {name}, {column} FROM {table} WHERE {column} LIKE '%% WHERE %%'"
    with db.engine.connect() as connection:
        found = {row[0] for row in connection.exec_driver_sql(query)}
    indexes = [index for table in Base.metadata.tables.values() for index in table.indexes]
    declared = {
        index.name for index in indexes if index.dialect_options["sqlite"]["where"] is not None
    }
    assert found == declared


def test_a_migrated_database_has_nothing_pending(db: Database) -> None:
    assert pending_migrations(db) == []
    assert migrate(db) == Upgrade([])


def test_an_embedded_database_is_copied_before_it_is_migrated(tmp_path) -> None:
    url = f"sqlite:///{tmp_path / 'old.sqlite3'}"
    db = open_database(url)
    migrate(db)
    ensure_site(db, id_authority="news.example.org", base_url="http://localhost")
    with db.engine.begin() as connection:
        # as if a migration had come after
        connection.exec_driver_sql("DELETE FROM alembic_version")
        connection.exec_driver_sql("DROP TABLE entry_search")
        for table in reversed(Base.metadata.sorted_tables):
            if table.name != "site":
                connection.exec_driver_sql(f"DROP TABLE {table.name}")
        connection.exec_driver_sql("ALTER TABLE site RENAME TO kept")
    copied = migrate(db).copy
    assert copied is not None
    ensure_site(db, id_authority="", base_url="http://localhost")
    copy = open_database(f"sqlite:///{copied}")
    with copy.engine.connect() as connection:
        assert (
            connection.exec_driver_sql("SELECT id_authority FROM kept").scalar_one()
            == "news.example.org"
        )
        # Only the owner reads any of them: they hold addresses, password hashes and drafts.
        files = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
        assert files.keys() >= {"old.sqlite3", "old.sqlite3-wal", copied.name}
        assert set(files.values()) == {0o600}
    copy.engine.dispose()
    db.engine.dispose()


def test_nothing_is_copied_where_there_was_nothing(tmp_path) -> None:
    db = open_database(f"sqlite:///{tmp_path / 'site.sqlite3'}")
    migrate(db)
    assert not list(tmp_path.glob("*before*"))
    db.engine.dispose()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def empty_db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database without tables."""
    url = f"sqlite:///{tmp_path / 'site.sqlite3'}"
    if request.param == "postgresql":
        url = (
            "postgresql+psycopg://"
            + request.getfixturevalue("postgres_site_url").split("://", 1)[1]
        )
    db = open_database(url)
    yield db
    db.engine.dispose()


@pytest.mark.parametrize("revision", REVISIONS[:-1])
def test_an_upgrade_keeps_every_row_of_a_filled_database(empty_db: Database, revision: str) -> None:
    migrate(empty_db, revision)
    with empty_db.engine.begin() as connection:
        fill_every_table(connection)
        before = rows_of(connection)
    assert all(before.values()), "every table has rows"
    migrate(empty_db)
    with empty_db.engine.connect() as connection:
        after = rows_of(connection)
    meant = {
        name
        for step in REVISIONS
        for name in getattr(SCRIPTS.get_revision(step).module, "changes_rows_of", ())
    }
    assert before.keys() - after.keys() <= meant
    for name in before.keys() & after.keys() - meant:
        columns = before[name][0].keys() & (after[name] or before[name])[0].keys()
        kept, found = (
            [sorted((c, repr(row[c])) for c in columns) for row in rows[name]]
            for rows in (before, after)
        )
        assert sorted(found) == sorted(kept), name


@pytest.mark.parametrize("revision", ["0001", "0017"])
def test_an_upgrade_carries_states_over(empty_db: Database, revision: str) -> None:
    migrate(empty_db, revision)
    far = "9000-01-01 00:00:00.000000" if empty_db.embedded else "9000-01-01 00:00:00+00"
    with empty_db.engine.begin() as connection:
        fill_every_table(connection)
        columns = {column["name"] for column in inspect(connection).get_columns("alert")}
        in_order = ("waits_for", "held_at", "finished_at", "folded_at", "stopped_at")
        present = [name for name in in_order if name in columns]
        for name in present:
            connection.exec_driver_sql(f"UPDATE alert SET {name} = NULL WHERE id < 3")
        for statement in (
            "UPDATE alert SET stopped_at = created_at WHERE id = 2",
            f"UPDATE delivery SET state = 'queued', due_at = '{far}' WHERE id = 1",
            "UPDATE delivery SET state = 'skipped', reason = 'cancelled',"
            " last_reply = 'The alert was stopped.' WHERE id = 2",
            "UPDATE delivery SET state = 'queued' WHERE id = 3",
            "UPDATE recipient SET state = 'ended'",
            "UPDATE recipient SET reason = 'erased' WHERE id = 1",
            "UPDATE recipient SET reason = 'no subscriber: told nothing but notices' WHERE id = 2",
            f"UPDATE pause SET until = '{far}' WHERE name LIKE '1%%'",
        ):
            connection.exec_driver_sql(statement)
    migrate(empty_db)
    with empty_db.read() as tx:
        alerts = tx.scalars(select(Alert.state).order_by(Alert.id)).all()
        third = AlertState.COMPACTED if "folded_at" in present else AlertState.STOPPED
        assert alerts == [AlertState.SENDING, AlertState.STOPPED, third]
        held, stopped, queued = tx.scalars(select(Delivery).order_by(Delivery.id))
        assert held.held_at is not None and held.due_at == held.created_at
        assert (stopped.reason, stopped.last_reply) == (SkipReason.STOPPED, None)
        assert queued.held_at is None
        reasons = tx.scalars(select(Recipient.end_reason).order_by(Recipient.id)).all()
        assert reasons == [EndReason.ERASED, EndReason.CONTACT_ONLY, EndReason.LEFT]
        endless, *others = tx.scalars(select(Pause.until).order_by(Pause.name))
        assert endless is None and None not in others


@pytest.mark.postgresql
def test_nodes_go_on_while_the_search_is_filled_anew(
    postgres_site_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    db = open_database("postgresql+psycopg://" + postgres_site_url.split("://", 1)[1])
    migrate(db, "0004")
    with db.engine.begin() as connection:
        fill_every_table(connection)
    filled = []

    def fill_while_nodes_work(connection: object) -> None:
        with db.engine.begin() as node:
            node.exec_driver_sql("SET LOCAL lock_timeout = '1s'")
            for table in (
                "alert",
                "delivery",
                "entry",
                "recipient",
                "site",
                "subscription",
                "tally",
            ):
                # as every statement that writes does
                node.exec_driver_sql(f"LOCK TABLE {table} IN ROW EXCLUSIVE MODE")
        filled.append(connection)

    monkeypatch.setattr(search_index, "index_all_entries", fill_while_nodes_work)
    migrate(db)
    assert filled and pending_migrations(db) == []
    db.engine.dispose()


@pytest.mark.postgresql
@pytest.mark.parametrize("ends", [True, False])
def test_an_upgrade_never_lets_nodes_wait_behind_it_for_another_transaction(
    postgres_site_url: str, monkeypatch: pytest.MonkeyPatch, ends: bool
) -> None:
    db = open_database("postgresql+psycopg://" + postgres_site_url.split("://", 1)[1])
    monkeypatch.setattr(migrating, "_LOCK_MILLISECONDS", 50)
    monkeypatch.setattr(migrating, "_BUSY_SECONDS", 60.0 if ends else 0.0)
    migrate(db, "0016")
    waits = threading.Semaphore(0)
    monkeypatch.setattr(migrating.log, "warning", lambda *_: waits.release())
    with ThreadPoolExecutor(1) as other, db.engine.connect() as dump:
        dump.exec_driver_sql("LOCK TABLE entry IN ACCESS SHARE MODE")
        upgrade = other.submit(migrate, db)
        if ends:
            assert waits.acquire(timeout=30), "it has given up once"
            with db.engine.begin() as node:
                node.exec_driver_sql("SET LOCAL lock_timeout = '10s'")
                node.exec_driver_sql("LOCK TABLE entry IN ROW EXCLUSIVE MODE")
            dump.rollback()
            upgrade.result(30)
        else:
            with pytest.raises(BadSettings, match="Run `storywire init` again"):
                upgrade.result(30)
    assert (pending_migrations(db) == []) is ends
    with db.engine.connect() as one, db.engine.connect() as other_one:
        assert {
            connection.exec_driver_sql("SHOW lock_timeout").scalar()
            for connection in (one, other_one)
        } == {"0"}, "none is kept with ours"
    db.engine.dispose()


def _filled(path: Path, revision: str) -> Database:
    db = open_database(f"sqlite:///{path}")
    migrate(db, revision)
    with db.engine.begin() as connection:
        fill_every_table(connection)
    return db


def test_foreign_keys_are_on_again_after_an_upgrade(tmp_path: Path) -> None:
    db = _filled(tmp_path / "site.sqlite3", "0003")
    migrate(db)
    with db.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar_one() == 1
        assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []
    db.engine.dispose()


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        ("DELETE FROM entry WHERE id = 1", "entry: 3 rows before, 2 after"),
        ("DROP TABLE throttle", "throttle: 3 rows before, 0 after"),
        ("UPDATE entry SET stream_id = 99 WHERE id = 1", "entry: 1 row refers to none"),
    ],
)
def test_an_upgrade_that_loses_rows_is_rolled_back_and_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str, complaint: str
) -> None:
    db = _filled(tmp_path / "site.sqlite3", "0003")
    with db.engine.connect() as connection:
        before = rows_of(connection)
    apply = migrating._apply

    def apply_badly(connection: object, target: str) -> list[str]:
        connection.exec_driver_sql(damage)  # type: ignore[attr-defined]
        return apply(connection, target)  # type: ignore[arg-type]

    monkeypatch.setattr(migrating, "_apply", apply_badly)
    with pytest.raises(BadSettings, match=complaint):
        migrate(db)
    assert "0004" in pending_migrations(db)
    with db.engine.connect() as connection:
        assert rows_of(connection) == before
    assert not list(tmp_path.glob("*before*")), (
        "a start that is tried again and again fills no disk"
    )
    db.engine.dispose()


def test_too_little_disk_space_for_the_copy_is_reported_and_nothing_changes(tmp_path: Path) -> None:
    path = tmp_path / "site.sqlite3"
    _filled(path, REVISIONS[-2]).engine.dispose()
    db = open_database(f"sqlite:///{path}")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size // 2, hard))
    try:
        with pytest.raises(BadSettings, match=r"was not upgraded.*Make room"):
            migrate(db)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(tmp_path.glob("*before*"))
    assert migrate(db).revisions == REVISIONS[-1:]
    db.engine.dispose()


def test_a_migration_may_name_tables_whose_rows_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    db = _filled(tmp_path / "site.sqlite3", REVISIONS[-2])
    apply = migrating._apply

    def apply_and_forget(connection: object, target: str) -> list[str]:
        connection.exec_driver_sql("DELETE FROM throttle")  # type: ignore[attr-defined]
        return apply(connection, target)  # type: ignore[arg-type]

    monkeypatch.setattr(migrating, "_apply", apply_and_forget)
    monkeypatch.setattr(migrating, "_changes_rows_of", lambda revisions: {"throttle"})
    assert migrate(db).revisions == REVISIONS[-1:]
    db.engine.dispose()


def test_the_copy_from_before_leads_back(tmp_path: Path) -> None:
    db = _filled(tmp_path / "site.sqlite3", "0003")
    with db.engine.connect() as connection:
        before = rows_of(connection)
    upgrade = migrate(db)
    db.engine.dispose()
    assert upgrade.copy is not None
    assert str(upgrade.copy) in upgrade.sentence
    # as docs/upgrading.md says
    for name in ("site.sqlite3", "site.sqlite3-wal", "site.sqlite3-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    shutil.copy(upgrade.copy, tmp_path / "site.sqlite3")
    back = open_database(f"sqlite:///{tmp_path / 'site.sqlite3'}")
    with back.engine.connect() as connection:
        assert MigrationContext.configure(connection).get_current_revision() == "0003"
        assert rows_of(connection) == before
    assert migrate(back).copy not in {None, upgrade.copy}, "an earlier copy is never written over"
    back.engine.dispose()


def test_ids_of_deleted_rows_are_never_reused(sqlite_db: Database) -> None:
    with sqlite_db.engine.connect() as connection:
        made = {
            row[0]
            for row in connection.exec_driver_sql(
                "SELECT name FROM sqlite_master WHERE sql LIKE '%%AUTOINCREMENT%%'"
            )
        }
    assert made == {
        table.name
        for table in Base.metadata.tables.values()
        if table.dialect_options["sqlite"]["autoincrement"]
    }


def test_the_revisions_that_are_known_without_alembic_are_its_own() -> None:
    assert known_revisions() == REVISIONS
