"""Fixtures that all tests share: a database of each kind, a clock that stands still, a newsroom to
work in.
"""

import gc
import math
import os
import shutil
import signal
import socket
import ssl
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests
import urllib3.util.connection
from argon2 import PasswordHasher
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import settings
from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.util import LRUCache

from config.keys import Keys
from models.accounts import accounts
from models.db import write_throttle
from models.db.database import Database, open_database
from models.db.migrate import migrate
from models.tables.base import Base
from tests.support.certificate import Certificate
from tests.support.clock import StandingClock
from tests.support.examples import QUICK, QUICK_SHARE
from tests.support.newsroom import Newsroom
from tests.support.postgres import named_url, postgres_server, sqlalchemy_url

# How long an example takes says more of the machine than of the code.
settings.register_profile("full", deadline=None)
settings.register_profile(QUICK, deadline=None, max_examples=100 // QUICK_SHARE)
settings.load_profile("full")

MAX_CASES_IN_CHECK = 16

_KEPT = ("STORYWIRE_TEST_", "STORYWIRE_REQUIRE_")
for _name in [
    name for name in os.environ if name.startswith("STORYWIRE_") and not name.startswith(_KEPT)
]:
    del os.environ[_name]  # what the developer's own service is set to is no matter of the tests


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Shorten tables of cases for the quicker runs; `make test-slow` leaves none out.

    PostgreSQL takes the first case of a table in `make test`, since SQLite takes all of them.
    Of a long table `make check` takes a sample, which differs with the random order of each
    run, and `make test` takes all.
    """
    tables: dict[tuple[Path, str], list[pytest.Function]] = defaultdict(list)
    for item in items:
        if isinstance(item, pytest.Function) and hasattr(item, "callspec"):
            tables[item.path, item.originalname].append(item)
    for cases in tables.values():
        on_postgresql = [case for case in cases if case.callspec.params.get("db") == "postgresql"]
        for case in on_postgresql[1:]:
            case.add_marker(pytest.mark.slow)
        on_sqlite = [case for case in cases if case not in on_postgresql]
        step = math.ceil(len(on_sqlite) / MAX_CASES_IN_CHECK)
        for number, case in enumerate(on_sqlite):
            if number % step:
                case.add_marker(pytest.mark.thorough)


# SQLAlchemy compiles a statement once for each engine and dialect object, and nearly every test has
# an engine of its own.
_COMPILED: dict[str, Any] = defaultdict(lambda: LRUCache(5_000))
DefaultDialect.__eq__ = lambda self, other: type(self) is type(other)  # type: ignore[method-assign]
DefaultDialect.__hash__ = lambda self: hash(type(self))  # type: ignore[method-assign]


@event.listens_for(Engine, "engine_connect")
def _share_compiled(connection: Connection) -> None:
    """Compiling took a third of the time of a test."""
    connection.engine._compiled_cache = _COMPILED[connection.dialect.name]


def pytest_collection_finish() -> None:
    """What was imported stays: looking at it again for garbage took a seventh of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)


@pytest.fixture(autouse=True)
def _loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing leaves this machine."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: object) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and isinstance(address, tuple):
            assert address[0] in {"127.0.0.1", "::1", "localhost"}, (
                f"a test tried to reach {address}"
            )
        connect(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(autouse=True)
def _nothing_stays_guarded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sending puts its guard into the whole process; a test beside it that plays a reader must
    reach its own service.
    """
    for module, name in (
        (requests, "request"),
        (requests.api, "request"),
        (urllib3.util.connection, "create_connection"),
    ):
        monkeypatch.setattr(module, name, getattr(module, name))  # put back after the test


@pytest.fixture(autouse=True)
def _quick_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cheap password hashes; `tests/models/accounts/test_accounts.py` checks the shipped cost."""
    monkeypatch.setattr(
        accounts, "_hasher", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    )


@pytest.fixture(autouse=True)
def _no_throttle(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test's writers need no rest for others; `tests/models/db/test_write_throttle.py` looks at
    it.
    """
    monkeypatch.setattr(write_throttle, "MAX_WRITING_SECONDS", math.inf)


@pytest.fixture(autouse=True)
def _signals_stay_open() -> Iterator[None]:
    """A test that leaves signals blocked would stop every service that a later test starts from
    hearing them.
    """
    yield
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set()


@pytest.fixture
def clock() -> StandingClock:
    return StandingClock()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "template.sqlite3"
    db = open_database(f"sqlite:///{path}")
    migrate(db)
    db.engine.dispose()
    return path


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL server, as postgresql://...: the one that STORYWIRE_TEST_POSTGRES_URL names,
    else the wheel's.
    """
    if given := os.environ.get("STORYWIRE_TEST_POSTGRES_URL"):
        yield given
        return
    with postgres_server() as server:
        yield server.get_uri()


@pytest.fixture
def postgres_site_url(postgres_url: str) -> Iterator[str]:
    """An empty database for the nodes of one site."""
    name = f"storywire_site_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")  # type: ignore[call-overload]
        yield named_url(postgres_url, name)
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[call-overload]


@pytest.fixture(scope="session")
def postgres_tables(postgres_url: str) -> Iterator[str]:
    """The address of one migrated database, which all tests of a run use in turn."""
    name = f"storywire_test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")  # type: ignore[call-overload]
        url = named_url(postgres_url, name)
        db = open_database(sqlalchemy_url(url))
        migrate(db)
        db.engine.dispose()
        yield url
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[call-overload]


@pytest.fixture
def sqlite_db(sqlite_template: Path, tmp_path: Path, clock: StandingClock) -> Iterator[Database]:
    shutil.copy(sqlite_template, tmp_path / "storywire.sqlite3")
    db = open_database(f"sqlite:///{tmp_path / 'storywire.sqlite3'}", clock=clock)
    yield db
    db.engine.dispose()


# TRUNCATE makes new files for each table and index, which takes longer than most tests; few rows
# are deleted at once.
_EMPTY_ALL_TABLES = (
    # which is no model
    "BEGIN; SET LOCAL session_replication_role = replica; DELETE FROM entry_search;"
    + "".join(f'DELETE FROM "{table.name}";' for table in Base.metadata.sorted_tables)
    + "SELECT setval(seqrelid, 1, false) FROM pg_sequence; COMMIT"
).encode()


@pytest.fixture
def postgres_db(postgres_tables: str, clock: StandingClock) -> Iterator[Database]:
    with psycopg.connect(postgres_tables, autocommit=True) as admin:
        # What an earlier test left connected must not hold this up.
        others = "datname = current_database() AND pid <> pg_backend_pid()"
        admin.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")  # type: ignore[call-overload]
        admin.execute(_EMPTY_ALL_TABLES)
    db = open_database(sqlalchemy_url(postgres_tables), clock=clock)
    yield db
    db.engine.dispose()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def db(request: pytest.FixtureRequest) -> Database:
    """An empty, migrated database; the test runs once on each kind."""
    found: Database = request.getfixturevalue(
        "sqlite_db" if request.param == "sqlite" else "postgres_db"
    )
    return found


@pytest.fixture
def keys() -> Keys:
    return Keys("a secret for tests that is long enough")


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Callable[[str, object], None]:
    """Print what a fault cost, whatever pytest captures."""

    def printed(what: str, cost: object) -> None:
        with capsys.disabled():
            print(f"\n{what}: {cost}")

    return printed


@pytest.fixture
def newsroom(db: Database) -> Newsroom:
    """A newsroom with one live stream, `floods`."""
    room = Newsroom(db)
    room.stream()
    return room


@pytest.fixture
def sqlite_newsroom(sqlite_db: Database) -> Newsroom:
    """A newsroom on SQLite, for tests of what no database does differently."""
    room = Newsroom(sqlite_db)
    room.stream()
    return room


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    pem, no_password = serialization.Encoding.PEM, serialization.NoEncryption()
    path.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, no_password)
        + built.public_bytes(pem)
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path)
    return Certificate(path, server)
