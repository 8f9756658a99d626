"""What a damaged upgrade of an earlier version lost is found in the copy from before."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy import text

from models.db.database import Database
from models.db.upgrade_copies import find_lost_rows
from tests.support.newsroom import Newsroom


def _readers(db: Database) -> Newsroom:
    room = Newsroom(db)
    room.stream()
    room.post(title="River rising")
    room.post(title="Dyke holds")
    room.subscribe_many(3)
    return room


def test_a_site_that_lost_nothing_is_not_reported(sqlite_db: Database) -> None:
    room = _readers(sqlite_db)
    _backup(sqlite_db, "before-0004")
    room.post(title="River falling")
    assert find_lost_rows(sqlite_db) is None


def test_lost_entries_and_subscriptions_are_found_in_the_copy_that_has_most(
    sqlite_db: Database,
) -> None:
    room = _readers(sqlite_db)
    _backup(sqlite_db, "before-0003")
    room.post(title="Bridge closed")
    copy = _backup(sqlite_db, "before-0004")
    with sqlite_db.begin() as tx:
        tx.execute(text("DELETE FROM entry"))
        tx.execute(text("DELETE FROM subscription"))
    room.post(title="River falling")
    found = find_lost_rows(sqlite_db)
    assert found is not None
    assert (found.path, found.lost_entries, found.lost_subscriptions, found.new_entries) == (
        copy,
        3,
        3,
        1,
    )
    assert (
        found.sentence
        == f"An earlier upgrade lost 3 entries and 3 subscriptions, which {copy} still has. The"
        " site has 1 entry that the copy lacks."
    )


def test_recipients_erased_since_do_not_count_as_lost(sqlite_db: Database) -> None:
    _readers(sqlite_db)
    _backup(sqlite_db, "before-0004")
    with sqlite_db.begin() as tx:
        tx.execute(text("DELETE FROM recipient WHERE address = 'reader1@example.org'"))
    assert find_lost_rows(sqlite_db) is None


def test_files_that_are_no_copies_are_passed_over(sqlite_db: Database) -> None:
    path = Path(sqlite_db.engine.url.database or "")
    path.with_name(f"{path.name}.before-0004").write_text("no database")
    shutil.copy(path, path.with_name(f"{path.name}.before-0001.unfinished"))
    assert find_lost_rows(sqlite_db) is None


def test_on_postgresql_there_are_no_copies(db: Database) -> None:
    assert find_lost_rows(db) is None


def _backup(db: Database, name: str) -> Path:
    path = Path(db.engine.url.database or "")
    copy = path.with_name(f"{path.name}.{name}")
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    return copy
