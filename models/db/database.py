"""Opening the database: SQLite with the pragmas and locks that it needs, or PostgreSQL."""

import os
import platform
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal, cast

from sqlalchemy import (
    Connection,
    CursorResult,
    Delete,
    Engine,
    ExceptionContext,
    Insert,
    Update,
    create_engine,
    event,
    make_url,
)
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import ConnectionPoolEntry

from models.db.approval_rules import NO_APPROVAL, ApprovalRules
from models.db.clock import Clock, database_clock
from models.db.connection_pool import CONNECTION_WAIT_SECONDS, MAX_IDLE_CONNECTIONS, WaitingPool
from models.db.database_file import DatabaseFile, DatabaseFileFault
from models.db.mark_file import MarkFile

_READ = "storywire_read"
# A PostgreSQL host that vanished answers nothing, not even no: then threads must not wait for good.
# The URL may say otherwise.
_TIMEOUTS: dict[str, Any] = {
    "connect_timeout": 5,
    "keepalives_idle": 30,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
_CHECKPOINT_PAGES = {"NORMAL": 1_000, "FULL": 10_000}
"""Size of the write-ahead log from which a commit runs a checkpoint: mostly a commit of the worker,
so that editors do not wait for the disk.
"""


class SendActivity:
    """A process's state of its own sending.  See `models.alerts.send_mark`."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.unmarked = False  # something was settled since the mark grew
        self.due_at = 0.0  # monotonic seconds
        self.number = 0  # the highest mark that this process wrote or read
        self.filed_at = float("-inf")  # monotonic seconds
        self.file_failed = False


class Database(sessionmaker[Session]):
    """Makes transactions: ``begin()`` for writing, ``read()`` for reading.

    On SQLite ``begin()`` takes the write lock at once (BEGIN IMMEDIATE), because a transaction that
    reads first and then writes fails when another wrote in between, however long it would wait.
    """

    def __init__(
        self,
        engine: Engine,
        clock: Clock,
        approval_rules: ApprovalRules,
        mark_file: MarkFile,
        file: DatabaseFile | None = None,
    ) -> None:
        super().__init__(
            bind=engine,
            expire_on_commit=False,
            info={"clock": clock, "approval_rules": approval_rules},
        )
        self.engine = engine
        self.clock = clock
        self.mark_file = mark_file
        self.sends = SendActivity()
        self.file = file  # None on PostgreSQL and in memory
        options: dict[str, Any] = {_READ: True}
        if engine.dialect.name != "sqlite":  # which has snapshot isolation anyway
            options["isolation_level"] = "REPEATABLE READ"
        self._reader = engine.execution_options(**options)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A read-only transaction on one snapshot of the database."""
        with self(bind=self._reader) as tx:
            yield tx

    @property
    def short_of_connections(self) -> bool:
        """Whether PostgreSQL refused a connection recently, so that no idle one should be kept."""
        pool = self.engine.pool
        return isinstance(pool, WaitingPool) and pool.short

    @property
    def embedded(self) -> bool:
        """True on SQLite."""
        return self.engine.dialect.name == "sqlite"


def open_database(
    url: str,
    *,
    synchronous: Literal["FULL", "NORMAL"] = "FULL",
    clock: Clock = database_clock,
    approval_rules: ApprovalRules = NO_APPROVAL,
    mark_path: Path | None = None,
    connections: int = 6,
    process: str = "command",
) -> Database:
    """The database at ``url``, which need not have its tables yet.

    ``approval_rules`` apply to every entry posted through it.

    ``mark_path``: where a worker keeps the send mark of a PostgreSQL database; on SQLite it is
    beside the file. ``connections``: how many PostgreSQL connections this process may have;
    ``process`` names them there.

    ``synchronous`` counts on SQLite only: FULL survives a power loss after each commit; NORMAL may
    lose the last commits then (never at a mere crash), which the worker accepts because it can only
    repeat a message. Errors leave out the values of their statement: those are addresses, hashes
    and drafts, and errors are logged.
    """
    if not url.startswith("sqlite"):
        return Database(
            _postgresql(url, connections, process), clock, approval_rules, MarkFile(mark_path)
        )
    path = sqlite_path(url)
    file = None if path is None else DatabaseFile(path)
    engine = create_engine(
        url, hide_parameters=True, connect_args={"check_same_thread": False, "timeout": 5}
    )
    if file is not None:
        make_private(file.path)
        _watch_file(engine, file)

    @event.listens_for(engine, "connect")
    def _on_connect(connection: sqlite3.Connection, record: ConnectionPoolEntry) -> None:  # noqa: ARG001
        connection.isolation_level = None  # the driver must not begin transactions of its own
        checkpoint = f"wal_autocheckpoint={_CHECKPOINT_PAGES[synchronous]}"
        for pragma in (
            "journal_mode=WAL",
            f"synchronous={synchronous}",
            checkpoint,
            "busy_timeout=5000",
            "foreign_keys=ON",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        options: dict[str, Any] = dict(connection.get_execution_options())
        connection.exec_driver_sql("BEGIN" if options.get(_READ) else "BEGIN IMMEDIATE")

    beside = None if path is None else path.with_name(f"{path.name}.send-mark")
    return Database(engine, clock, approval_rules, MarkFile(beside), file)


def _postgresql(url: str, connections: int, process: str) -> Engine:
    name = f"storywire {process} {platform.node()}:{os.getpid()}"
    usual = {**_TIMEOUTS, "application_name": name[:63]}  # PostgreSQL cuts longer ones
    query = make_url(url).query
    return create_engine(
        url,
        hide_parameters=True,
        connect_args={key: value for key, value in usual.items() if key not in query},
        poolclass=WaitingPool,
        pool_pre_ping=True,
        pool_size=min(MAX_IDLE_CONNECTIONS, connections),
        max_overflow=max(connections - MAX_IDLE_CONNECTIONS, 0),
        pool_timeout=CONNECTION_WAIT_SECONDS,
        pool_use_lifo=True,
    )


def _watch_file(engine: Engine, file: DatabaseFile) -> None:
    """Begin no connection and no transaction on a file that was deleted, replaced or damaged."""

    @event.listens_for(engine, "do_connect")
    def _on_open(
        dialect: object,  # noqa: ARG001
        record: object,  # noqa: ARG001
        args: Any,  # noqa: ARG001
        options: dict[str, Any],
    ) -> sqlite3.Connection:
        connection: sqlite3.Connection = sqlite3.connect(file.uri, uri=True, **options)
        try:
            file.note_opened()
        except DatabaseFileFault:
            connection.close()
            raise
        return connection

    @event.listens_for(engine, "begin", insert=True)
    def _on_begin(connection: Connection) -> None:  # noqa: ARG001
        file.check()

    @event.listens_for(engine, "handle_error")
    def _on_error(context: ExceptionContext) -> None:
        if fault := file.note_error(context.original_exception):
            raise fault from context.original_exception


def sqlite_path(url: str) -> Path | None:
    """The file of a SQLite database; None on PostgreSQL and for one in memory."""
    parts = make_url(url)
    if parts.get_backend_name() != "sqlite" or parts.database in {None, "", ":memory:"}:
        return None
    return Path(str(parts.database)).absolute()


def make_private(path: str | Path) -> None:
    """Make a SQLite file that only its owner reads: it holds addresses, password hashes and drafts.

    SQLite itself would let everybody on the machine read it; its -wal and -shm files get the rights
    of the file. One that is there keeps its rights, and what cannot be made is left to SQLite,
    which says why.
    """
    if str(path) not in {"", ":memory:"}:
        with suppress(OSError):
            # Never an existing file: closing any descriptor of a file ends all POSIX locks of this
            # process on it, including those of open SQLite connections, whose log another process
            # could then remove.
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def rows_changed(tx: Session, statement: Update | Delete | Insert) -> int:
    """Execute ``statement`` and return the number of changed rows, for a compare-and-set."""
    return cast("CursorResult[Any]", tx.execute(statement)).rowcount


def driver_text(connection: Connection, statement: str) -> str:
    """``statement`` with the driver's own mark in place of each ``?``."""
    return statement if connection.dialect.name == "sqlite" else statement.replace("?", "%s")


class ChangeWatch:
    """Detects commits of other connections, of any process, to this SQLite file."""

    def __init__(self, db: Database) -> None:
        self._connection: Any = db.engine.raw_connection()
        self._seen = self._version()

    def _version(self) -> int:
        cursor = self._connection.cursor()
        try:
            return int(cursor.execute("PRAGMA data_version").fetchone()[0])
        finally:
            cursor.close()

    def changed(self) -> bool:
        """True once after each change; about 5 microseconds."""
        version = self._version()
        changed = version != self._seen
        self._seen = version
        return changed

    def close(self) -> None:
        """Return the connection to the pool."""
        self._connection.close()
