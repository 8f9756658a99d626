"""Where PostgreSQL takes few connections, threads wait for them and nothing fails."""

import logging
import threading
import uuid
from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy import text

from models.db import connection_pool
from models.db.connection_pool import ConnectionsUsedUp
from models.db.database import Database, open_database

pytestmark = pytest.mark.postgresql
LIMIT, NODES, THREADS, TRANSACTIONS = 8, 4, 8, 15


@pytest.fixture
def limited_url(postgres_site_url: str) -> Iterator[str]:
    """A database as a role sees it that may have LIMIT connections."""
    role = f"storywire_few_{uuid.uuid4().hex[:8]}"
    name = postgres_site_url.partition("?")[0].rpartition("/")[2]
    with psycopg.connect(postgres_site_url, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'few' CONNECTION LIMIT {LIMIT}")  # type: ignore[call-overload]
        admin.execute("CREATE TABLE counter (number integer NOT NULL)")
        admin.execute("INSERT INTO counter VALUES (0)")
        admin.execute(f"GRANT ALL ON counter TO {role}")  # type: ignore[call-overload]
        parts = psycopg.conninfo.conninfo_to_dict(postgres_site_url)
        host = str(parts.get("host", "127.0.0.1"))
        port = f":{parts['port']}" if "port" in parts else ""
        where = f"{host}{port}/{name}" if not host.startswith("/") else f"{port}/{name}?host={host}"
        yield f"postgresql+psycopg://{role}:few@{where}"
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", [role]
        )
        admin.execute(f"DROP OWNED BY {role}")  # type: ignore[call-overload]
        admin.execute(f"DROP ROLE {role}")  # type: ignore[call-overload]


@pytest.fixture
def nodes(limited_url: str) -> Iterator[list[Database]]:
    nodes = [open_database(limited_url, process="worker") for _ in range(NODES)]
    yield nodes
    for node in nodes:
        node.engine.dispose()


def count(node: Database, failed: list[BaseException]) -> None:
    try:
        for _ in range(TRANSACTIONS):
            with node.begin() as tx:
                tx.execute(text("UPDATE counter SET number = number + 1"))
    except Exception as exc:
        failed.append(exc)


def run(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def counted(node: Database) -> int:
    with node.read() as tx:
        return int(tx.execute(text("SELECT number FROM counter")).scalar_one())


def test_four_nodes_of_a_role_that_may_have_eight_connections_do_all_their_work(
    nodes: list[Database], caplog: pytest.LogCaptureFixture
) -> None:
    failed: list[BaseException] = []
    with caplog.at_level(logging.WARNING):
        run(
            [
                threading.Thread(target=count, args=(node, failed))
                for node in nodes
                for _ in range(THREADS)
            ]
        )
    assert failed == []
    assert counted(nodes[0]) == NODES * THREADS * TRANSACTIONS
    said = [
        record.getMessage()
        for record in caplog.records
        if "takes no further connections" in record.getMessage()
    ]
    assert 1 <= len(said) <= NODES, "each process says once what is short"
    assert "STORYWIRE_DATABASE_CONNECTIONS" in said[0]
    assert not any(record.exc_info for record in caplog.records)


def test_a_process_that_was_refused_keeps_one_idle_connection_and_says_when_it_is_over(
    nodes: list[Database], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed: list[BaseException] = []
    run(
        [
            threading.Thread(target=count, args=(node, failed))
            for node in nodes
            for _ in range(THREADS)
        ]
    )
    short = [node for node in nodes if node.short_of_connections]
    assert short
    for node in short:
        assert node.engine.pool.checkedin() <= 1  # type: ignore[attr-defined]
    monkeypatch.setattr(connection_pool, "_SHORT_SECONDS", 0.0)
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        counted(short[0])
        counted(short[0])
    assert [record.getMessage() for record in caplog.records] == [
        "PostgreSQL takes connections again"
    ]
    assert not short[0].short_of_connections


def test_a_thread_waits_for_its_own_process_and_at_last_fails_as_if_the_database_were_away(
    limited_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.db.database.CONNECTION_WAIT_SECONDS", 0.01)
    node = open_database(limited_url, connections=3)
    taken = [node.engine.connect() for _ in range(3)]
    with pytest.raises(ConnectionsUsedUp, match="All 3 connections"):
        node.engine.connect()
    for connection in taken:
        connection.close()
    node.engine.dispose()


def test_exhausted_connections_are_reported(
    limited_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.db.database.CONNECTION_WAIT_SECONDS", 0.01)
    others = [psycopg.connect(limited_url.replace("+psycopg", "")) for _ in range(LIMIT)]
    node = open_database(limited_url)
    with pytest.raises(ConnectionsUsedUp, match="takes no further connections"):
        node.engine.connect()
    for other in others:
        other.close()
    node.engine.dispose()


def test_a_server_that_is_away_fails_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    node = open_database("postgresql+psycopg://nobody@127.0.0.1:1/none")
    with pytest.raises(Exception, match="refused") as raised:
        node.engine.connect()
    assert not isinstance(raised.value, ConnectionsUsedUp)
    node.engine.dispose()


def test_connections_are_named_for_their_process(limited_url: str) -> None:
    with open_database(limited_url, process="worker").engine.connect() as connection:
        name = connection.execute(
            text("SELECT application_name FROM pg_stat_activity WHERE pid = pg_backend_pid()")
        ).scalar_one()
        connection.invalidate()
    assert name.startswith("storywire worker ")
    given = open_database(f"{limited_url}{'&' if '?' in limited_url else '?'}application_name=mine")
    with given.engine.connect() as connection:
        assert connection.execute(text("SHOW application_name")).scalar_one() == "mine"
    given.engine.dispose()
