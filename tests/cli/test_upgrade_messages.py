"""Commands say where the copy from before an upgrade is, and what an earlier upgrade lost."""

import json
import shutil
import sqlite3
from contextlib import closing

import pytest

from models.db.database import open_database
from models.db.migrate import migrate


@pytest.fixture
def database(tmp_path):
    return tmp_path / "var" / "storywire.sqlite3"


def make_old(database):
    """Put a site of an earlier version in the place of the site."""
    for file in database.parent.glob(f"{database.name}*"):
        file.unlink()
    old = open_database(f"sqlite:///{database}")
    migrate(old, "0004")
    old.engine.dispose()


def test_init_names_the_copy_from_before(story, database):
    make_old(database)
    said = story("init")
    copies = list(database.parent.glob("*.before-*"))
    assert len(copies) == 1
    assert str(copies[0]) in said.stderr
    assert "docs/upgrading.md" in said.stderr
    assert "before-" not in story("init").stderr


def test_init_names_the_copy_for_programs(story, database):
    make_old(database)
    said = json.loads(story("init", "--json").stdout)
    assert said["migrated"][0] == "0005"
    assert said["copy"] == str(next(database.parent.glob("*.before-*")))
    assert json.loads(story("init", "--json").stdout)["copy"] is None


def test_doctor_finds_what_an_earlier_upgrade_lost(story, database):
    story("entry", "add", "floods", "--title", "River rising")
    copy = database.with_name(f"{database.name}.before-0004")
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    assert json.loads(story("doctor", "--json", code=1).stdout)["checks"]["database"] is None
    with closing(sqlite3.connect(database)) as damaged:
        damaged.execute("DELETE FROM entry")
        damaged.commit()
    found = json.loads(story("doctor", "--json", code=1).stdout)["checks"]["database"]
    assert found == f"An earlier upgrade lost 1 entry, which {copy} still has."
    shutil.move(copy, database.parent.parent)
    assert json.loads(story("doctor", "--json", code=1).stdout)["checks"]["database"] is None
