"""A database that was put back is noticed and held, and nothing else is."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from models.alerts.send_hold import resume_sending, watch
from models.alerts.send_mark import mark_sends, note_sends
from models.db import mark_file
from models.db.database import Database, open_database
from models.db.mark_file import MarkFile
from models.db.site import ensure_site
from models.text.actor import SYSTEM
from tests.support.clock import StandingClock

BASE_URL = "https://news.example.org"
PUT_BACK = "would be sent again"


class MarkedWorker:
    """A worker process on a SQLite file, as far as marks know of it."""

    def __init__(self, path: Path, clock: StandingClock) -> None:
        self.path, self.clock = path, clock
        self.db = open_database(f"sqlite:///{path}", synchronous="NORMAL", clock=clock)

    def start(self) -> str:
        """Why sending is held, empty where it is not."""
        return watch(self.db, BASE_URL, starting=True) or ""

    def send(self, *, ticks: bool = True) -> None:
        """Settle something; ``ticks``: the ticker runs a moment later."""
        note_sends(self.db)
        if ticks:
            mark_sends(self.db)

    def beat(self) -> str:
        self.clock.forward(seconds=31)
        return watch(self.db, BASE_URL) or ""

    def stop(self) -> None:
        mark_sends(self.db, durable=True)
        self.db.engine.dispose()

    def restart(self) -> str:
        """A new process on the same file."""
        self.db.engine.dispose()
        self.db = open_database(f"sqlite:///{self.path}", synchronous="NORMAL", clock=self.clock)
        return self.start()

    def copy(self) -> Path:
        """A copy as `sqlite3 .backup` makes it."""
        copy = self.path.with_name("backup.sqlite3")
        copy.unlink(missing_ok=True)
        with (
            closing(sqlite3.connect(self.path)) as source,
            closing(sqlite3.connect(copy)) as target,
        ):
            source.backup(target)
        return copy


@pytest.fixture
def worker(sqlite_db: Database, clock: StandingClock):
    ensure_site(sqlite_db, id_authority="", base_url=BASE_URL)
    sqlite_db.engine.dispose()  # what is put in the place of a file must find nobody on it
    worker = MarkedWorker(Path(str(sqlite_db.engine.url.database)), clock)
    assert worker.start() == ""
    yield worker
    worker.db.engine.dispose()


def put_in_place(worker: MarkedWorker, copy: Path) -> None:
    """As `cp` does: the same file with other content."""
    for name in ("-wal", "-shm"):
        worker.path.with_name(worker.path.name + name).unlink(missing_ok=True)
    shutil.copyfile(copy, worker.path)


RESTORES = pytest.mark.parametrize("minutes", [0, 1, 45])


@RESTORES
@pytest.mark.parametrize("end", ["stopped", "killed"])
def test_a_copy_from_before_a_send_is_held_when_it_is_put_back(
    worker: MarkedWorker, minutes: int, end: str
) -> None:
    worker.send()
    copy = worker.copy()
    worker.clock.forward(minutes=minutes)
    if minutes:
        worker.beat()
    worker.send()
    worker.stop() if end == "stopped" else worker.db.engine.dispose()
    inode = worker.path.stat().st_ino
    put_in_place(worker, copy)
    assert worker.path.stat().st_ino == inode
    assert PUT_BACK in worker.restart()


@pytest.mark.parametrize("sends_before", [1, 2, 3])
def test_a_copy_taken_while_messages_are_sent_is_held(
    worker: MarkedWorker, sends_before: int
) -> None:
    for _ in range(sends_before):
        worker.send(ticks=False)
    copy = worker.copy()
    worker.send(ticks=False)
    worker.stop()
    put_in_place(worker, copy)
    assert PUT_BACK in worker.restart()


def test_a_copy_from_before_there_were_marks_is_held(worker: MarkedWorker) -> None:
    with worker.db.begin() as tx:
        tx.execute(text("DELETE FROM send_mark"))
    copy = worker.copy()
    worker.send()
    worker.stop()
    put_in_place(worker, copy)
    assert PUT_BACK in worker.restart()


def test_a_copy_that_is_put_back_while_the_worker_runs_is_noticed_at_its_next_look(
    worker: MarkedWorker,
) -> None:
    copy = worker.copy()
    worker.send()
    with closing(sqlite3.connect(copy)) as old, worker.db.begin() as tx:
        number = old.execute("SELECT number FROM send_mark").fetchone()[0]
        tx.execute(text("UPDATE send_mark SET number = :number"), {"number": number})
    assert PUT_BACK in (watch(worker.db, BASE_URL) or "")


def test_once_resumed_it_is_not_held_again_and_the_same_copy_put_back_again_is(
    worker: MarkedWorker,
) -> None:
    copy = worker.copy()
    worker.send()
    worker.stop()
    put_in_place(worker, copy)
    assert PUT_BACK in worker.restart()
    resume_sending(worker.db, SYSTEM)
    assert worker.beat() == ""
    assert worker.restart() == ""
    worker.send()
    assert worker.restart() == ""
    worker.stop()
    put_in_place(worker, copy)
    assert PUT_BACK in worker.restart()


# What happens in a normal life, after a beat and some sends that were noted in the file.


def _lose_file(worker: MarkedWorker) -> None:
    _file(worker).unlink()


def _empty_file(worker: MarkedWorker) -> None:
    _file(worker).write_bytes(b"")


def _tear_file(worker: MarkedWorker) -> None:
    _file(worker).write_bytes(_file(worker).read_bytes()[:100] + b"\0" * 900)


def _older_file(worker: MarkedWorker) -> None:
    """The database was committed, and the process killed before it wrote the file."""
    before = _file(worker).read_bytes()
    worker.send()
    worker.send()
    _file(worker).write_bytes(before)


def _other_site(worker: MarkedWorker) -> None:
    MarkFile(_file(worker)).write("2020-01-01T00:00:00+00:00", 1_000_000, durable=True)


def _unreadable_file(worker: MarkedWorker) -> None:
    _file(worker).unlink()
    _file(worker).mkdir()


def _file(worker: MarkedWorker) -> Path:
    return worker.path.with_name(f"{worker.path.name}.send-mark")


NORMAL_LIFE = [
    lambda worker: None,
    _lose_file,
    _empty_file,
    _tear_file,
    _older_file,
    _other_site,
    _unreadable_file,
]


@pytest.mark.parametrize("happens", NORMAL_LIFE)
@pytest.mark.parametrize("end", ["stopped", "killed"])
def test_restarts_crashes_and_lost_files_hold_nothing(
    worker: MarkedWorker, happens: Callable[[MarkedWorker], None], end: str
) -> None:
    worker.send()
    worker.beat()
    worker.send()
    happens(worker)
    worker.stop() if end == "stopped" else worker.db.engine.dispose()
    assert worker.restart() == ""
    assert worker.beat() == ""


def test_commits_that_a_power_loss_took_hold_nothing(
    worker: MarkedWorker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    worker.beat()
    survived = worker.copy()  # what the disk had of the database
    worker.send()
    worker.db.engine.dispose()
    put_in_place(worker, survived)
    (tmp_path / "boot_id").write_text("the machine started anew")
    monkeypatch.setattr(mark_file, "_BOOT_ID", tmp_path / "boot_id")
    assert worker.restart() == ""


def test_the_disk_has_the_commit_before_the_file_counts_over_a_power_loss(
    worker: MarkedWorker,
) -> None:
    with worker.db.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 1, (
            "NORMAL, as workers have it"
        )
    seen = []
    write = worker.db.mark_file.write
    worker.db.mark_file.write = lambda site, number, *, durable: (
        seen.append(durable) or write(site, number, durable=durable)
    )  # type: ignore[method-assign]
    statements = []
    with worker.db.engine.connect() as connection:
        connection.connection.driver_connection.set_trace_callback(statements.append)  # type: ignore[union-attr]
    worker.beat()
    assert seen == [True]
    at = statements.index("PRAGMA synchronous=FULL")
    assert "COMMIT" in statements[at : statements.index("PRAGMA synchronous=1")]


def test_an_old_file_from_before_the_machine_started_still_counts_for_beats(
    worker: MarkedWorker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    copy = worker.copy()
    worker.send()
    worker.beat()
    worker.stop()
    put_in_place(worker, copy)
    (tmp_path / "boot_id").write_text("the machine started anew")
    monkeypatch.setattr(mark_file, "_BOOT_ID", tmp_path / "boot_id")
    assert PUT_BACK in worker.restart()


def test_many_sends_cost_few_marks(worker: MarkedWorker) -> None:
    with worker.db.read() as tx:
        before = tx.execute(text("SELECT number FROM send_mark")).scalar_one()
    worker.db.sends.due_at = float("inf")  # within MARK_SECONDS of the last one
    for _ in range(1_000):
        note_sends(worker.db)
    with worker.db.read() as tx:
        assert tx.execute(text("SELECT number FROM send_mark")).scalar_one() == before
    mark_sends(worker.db)
    mark_sends(worker.db)
    with worker.db.read() as tx:
        assert tx.execute(text("SELECT number FROM send_mark")).scalar_one() == before + 1


def test_what_was_settled_stays_so_where_no_mark_can_be_written(worker: MarkedWorker) -> None:
    with worker.db.begin() as tx:
        tx.execute(text("ALTER TABLE send_mark RENAME TO gone"))
    note_sends(worker.db)
    assert worker.db.sends.unmarked


# PostgreSQL: nodes with files of their own, dumps, physical copies.


class Node:
    """A worker node on PostgreSQL with a DATA_DIR of its own, if it keeps one."""

    def __init__(self, url: str, clock: StandingClock, data_dir: Path | None) -> None:
        self.url, self.clock, self.data_dir = url, clock, data_dir
        self.db = self._open()

    def _open(self) -> Database:
        path = None if self.data_dir is None else self.data_dir / "send-mark"
        return open_database(self.url, clock=self.clock, mark_path=path)

    def restart(self) -> str:
        self.db.engine.dispose()
        self.db = self._open()
        return watch(self.db, BASE_URL, starting=True) or ""

    def send(self) -> None:
        note_sends(self.db)
        mark_sends(self.db)

    def look(self) -> str:
        return watch(self.db, BASE_URL) or ""


@pytest.fixture
def nodes(postgres_db: Database, clock: StandingClock, tmp_path: Path):
    ensure_site(postgres_db, id_authority="", base_url=BASE_URL)
    url = postgres_db.engine.url.render_as_string(hide_password=False)
    nodes = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        nodes.append(Node(url, clock, tmp_path / name))
    nodes.append(Node(url, clock, None))
    assert [node.restart() for node in nodes] == ["", "", ""]
    yield nodes
    for node in nodes:
        node.db.engine.dispose()


def as_it_was(node: Node, mark: tuple[int, int, int]) -> None:
    """Put the row back as a physical copy of the cluster holds it."""
    with node.db.begin() as tx:
        values = {"number": mark[0], "timeline": mark[2]}
        tx.execute(
            text(
                "UPDATE send_mark SET number = :number, timeline = :timeline, transaction_id ="
                " txid_current()"
            ),
            values,
        )


def mark_of(node: Node) -> tuple[int, int, int]:
    with node.db.read() as tx:
        row = tx.execute(text("SELECT number, transaction_id, timeline FROM send_mark")).one()
    return row[0], row[1], row[2]


def restore_dump(node: Node) -> None:
    """As pg_restore does in the same database: rows are deleted, and written by a transaction of
    its own.
    """
    number, transaction_id, timeline = mark_of(node)
    with node.db.begin() as tx:
        tx.execute(text("TRUNCATE send_mark"))
    with node.db.begin() as tx:
        values = {"number": number, "transaction_id": transaction_id, "timeline": timeline}
        tx.execute(
            text("INSERT INTO send_mark VALUES (1, :number, :transaction_id, :timeline)"), values
        )


postgresql = pytest.mark.postgresql


@postgresql
@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_restored_dump_is_held_by_whichever_node_comes_first(
    nodes: list[Node], which: int
) -> None:
    nodes[0].send()
    restore_dump(nodes[0])
    assert PUT_BACK in nodes[which].restart()
    assert [PUT_BACK in node.restart() for node in nodes] == [
        True,
        True,
        True,
    ], "held until an operator resumes"
    resume_sending(nodes[0].db, SYSTEM)
    assert [node.restart() for node in nodes] == ["", "", ""]


@postgresql
def test_an_older_physical_copy_is_held_by_a_node_with_its_send_mark(nodes: list[Node]) -> None:
    before = mark_of(nodes[0])
    nodes[0].send()
    as_it_was(nodes[0], before)
    assert PUT_BACK in nodes[0].restart()


@postgresql
def test_a_node_keeps_the_marks_of_others_too(nodes: list[Node], clock: StandingClock) -> None:
    before = mark_of(nodes[0])
    nodes[0].send()
    nodes[1].db.sends.filed_at = float("-inf")
    assert nodes[1].look() == ""
    as_it_was(nodes[0], before)
    assert PUT_BACK in nodes[1].restart()


@postgresql
@pytest.mark.parametrize(
    ("silence", "held"), [(timedelta(minutes=2), False), (timedelta(minutes=30), True)]
)
def test_another_timeline_is_a_standby_that_took_over_or_after_a_while_a_restored_copy(
    nodes: list[Node], clock: StandingClock, silence: timedelta, held: bool
) -> None:
    number, _, timeline = mark_of(nodes[2])
    as_it_was(nodes[2], (number, 0, timeline + 1))
    clock.now += silence
    assert (PUT_BACK in nodes[2].restart()) is held


@postgresql
def test_nodes_that_send_side_by_side_hold_nothing(nodes: list[Node], clock: StandingClock) -> None:
    for _ in range(3):
        for node in nodes:
            node.send()
            assert node.look() == ""
        clock.forward(seconds=31)
    with nodes[0].db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM (FREEZE, FULL) send_mark")
    assert [node.restart() for node in nodes] == ["", "", ""]
