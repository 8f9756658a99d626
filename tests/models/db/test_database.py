"""Opening the database."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from models.db.database import Database, open_database
from models.db.site import ensure_site
from models.tables.stories import Site

WRITE = (
    "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('UPDATE site SET seq = seq +"
    " 1'); c.commit(); c.close()"
)


@pytest.fixture
def founded(sqlite_db: Database) -> Site:
    return ensure_site(sqlite_db, id_authority="", base_url="http://localhost")


def test_opening_it_again_takes_no_lock_from_those_who_have_it_open(
    sqlite_db: Database, founded: Site
) -> None:
    path = sqlite_db.engine.url.database
    for _ in range(3):
        with sqlite_db.read() as tx:
            before = tx.execute(text("SELECT seq FROM site")).scalar_one()
        open_database(str(sqlite_db.engine.url)).engine.dispose()
        subprocess.run([sys.executable, "-c", WRITE, path], check=True)
        assert Path(f"{path}-wal").exists()
        with sqlite_db.read() as tx:
            assert tx.execute(text("SELECT seq FROM site")).scalar_one() == before + 1


def test_a_new_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    open_database(f"sqlite:///{tmp_path / 'new.sqlite3'}").engine.dispose()
    assert stat.S_IMODE((tmp_path / "new.sqlite3").stat().st_mode) == 0o600
