"""A SQLite file that is deleted, replaced or damaged while it is open is noticed, and nothing more
goes into it.
"""

import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from models.db.database import Database, open_database
from models.db.database_file import DatabaseFileFault
from models.db.site import current_seq, ensure_site


@pytest.fixture
def site(sqlite_db: Database) -> Database:
    ensure_site(sqlite_db, id_authority="", base_url="http://localhost")
    return sqlite_db


def path_of(db: Database) -> Path:
    assert db.file is not None
    return db.file.path


def delete(path: Path) -> None:
    path.unlink()


def delete_all(path: Path) -> None:
    for file in path.parent.glob(f"{path.name}*"):
        file.unlink()


def move(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))


def replace(path: Path) -> None:
    shutil.copy(path, path.with_name("new"))
    path.with_name("new").replace(path)


def replace_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def take_folder(path: Path) -> None:
    path.parent.rename(path.parent.with_name("moved away"))


LOSSES = [delete, delete_all, move, replace, replace_by_folder, take_folder]


def everything_is_refused(db: Database) -> None:
    with pytest.raises(OperationalError, match="Stop the service"), db.begin() as tx:
        current_seq(tx)
    with pytest.raises(OperationalError, match="Stop the service"), db.read() as tx:
        current_seq(tx)
    with (
        pytest.raises(OperationalError, match="Stop the service"),
        db.engine.connect() as connection,
    ):
        connection.execute(text("SELECT 1"))


@pytest.mark.parametrize("lose", LOSSES)
def test_no_transaction_begins_on_a_file_that_is_not_at_its_place(
    site: Database, lose: Callable[[Path], None]
) -> None:
    lose(path_of(site))
    everything_is_refused(site)
    assert lose is replace or lose is replace_by_folder or not path_of(site).exists(), (
        "and no empty one is made"
    )


def test_a_new_connection_to_another_file_is_refused_too(site: Database) -> None:
    replace(path_of(site))
    failed: list[BaseException] = []

    def use() -> None:  # a thread more than there are connections, so it opens one
        try:
            with site.begin() as tx:
                current_seq(tx)
        except OperationalError as exc:
            failed.append(exc)

    with site.engine.connect():
        thread = threading.Thread(target=use)
        thread.start()
        thread.join()
    assert isinstance(failed[0], DatabaseFileFault)


def test_a_file_that_comes_back_is_used_again(site: Database) -> None:
    path = path_of(site)
    move(path)
    everything_is_refused(site)
    path.with_name("elsewhere").rename(path)
    with site.begin() as tx:
        assert current_seq(tx) == 0


def overwrite(path: Path, first: int, last: int) -> None:
    """Write nonsense over some pages, in the file that is open."""
    with path.open("r+b") as file:
        file.seek(first * 4096)
        file.write(b"\xa5" * 4096 * (last - first))


@pytest.fixture
def large(site: Database) -> Database:
    """A site whose file is not all in memory, carried from the log into the file."""
    with site.begin() as tx:
        rows = [{"key": f"{number:06}" + "x" * 90, "number": number} for number in range(3_000)]
        tx.execute(
            text(
                "INSERT INTO throttle (key, window_at, tries) VALUES (:key, '2026-03-14 08:00:00',"
                " :number)"
            ),
            rows,
        )
    with site.engine.connect() as connection:
        connection.commit()
        connection.connection.driver_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # type: ignore[union-attr]
    return site


def test_an_intact_file_is_not_changed(large: Database) -> None:
    assert large.file is not None
    large.file.look_inside()
    large.file.look_inside(seconds=0.25)


@pytest.mark.parametrize("pages", [(0, 1), (1, 10), (40, 60), (0, 60)])
def test_a_damaged_file_is_found_by_a_look_inside_and_then_refused(
    large: Database, pages: tuple[int, int]
) -> None:
    assert large.file is not None
    overwrite(large.file.path, *pages)
    with pytest.raises(DatabaseFileFault, match="is damaged"):
        large.file.look_inside()
    everything_is_refused(large)


@pytest.mark.parametrize("size", [0, 4096, 40_960])
def test_a_file_that_is_cut_off_is_found(large: Database, size: int) -> None:
    assert large.file is not None
    os.truncate(large.file.path, size)
    with pytest.raises(DatabaseFileFault):
        large.file.look_inside()
    everything_is_refused(large)


def test_what_a_statement_finds_damaged_stops_all_that_follow(large: Database) -> None:
    overwrite(path_of(large), 30, 400)
    large.engine.dispose()
    with pytest.raises(DatabaseFileFault, match="is damaged"), large.read() as tx:
        tx.execute(text("SELECT sum(length(key)) FROM throttle NOT INDEXED")).all()
    everything_is_refused(large)


def test_an_integrity_check_is_bounded_and_claims_nothing_about_unchecked_pages(
    large: Database,
) -> None:
    assert large.file is not None
    large.file.look_inside(seconds=-1.0)
    with large.begin() as tx:
        current_seq(tx)


def test_a_look_is_taken_no_more_often_than_it_may(large: Database) -> None:
    assert large.file is not None
    large.file.look_inside()
    overwrite(large.file.path, 0, 60)
    large.file.look_inside(every=3600.0)
    with pytest.raises(DatabaseFileFault):
        large.file.look_inside()


def test_other_errors_of_the_driver_stay_what_they_are(site: Database) -> None:
    with pytest.raises(OperationalError, match="no such table"), site.begin() as tx:
        tx.execute(text("SELECT 1 FROM no_such"))
    with site.begin() as tx:
        current_seq(tx)


def test_a_database_that_is_not_there_yet_can_be_made(tmp_path: Path) -> None:
    db = open_database(f"sqlite:///{tmp_path / 'a folder' / 'new.sqlite3'}")
    with pytest.raises(OperationalError), db.begin() as tx:
        tx.execute(text("SELECT 1"))
    (tmp_path / "a folder").mkdir()
    db = open_database(f"sqlite:///{tmp_path / 'new %20 one.sqlite3'}")
    with db.begin() as tx:
        tx.execute(text("SELECT 1"))
    db.engine.dispose()
