"""Check of the database."""

from collections.abc import Iterator

from cli.checks.checkup import CheckResult, Checkup, fault
from config.keys import load_keys
from config.settings import BadSettings, Settings
from models.db.database import Database
from models.db.database_file import DatabaseFileFault
from models.db.site_key import check_key
from models.db.upgrade_copies import find_lost_rows


def check_database(checkup: Checkup) -> Iterator[CheckResult]:
    """Check the database's tables, key and file, and that no upgrade lost rows."""
    if checkup.unusable_database:
        yield checkup.unusable_database
    if checkup.db is not None:
        yield from _check_key(checkup.settings, checkup.db)
        yield from _check_file(checkup.db)
    if checkup.db is not None and (lost := find_lost_rows(checkup.db)):
        yield fault(
            lost.sentence,
            "Restore it as docs/upgrading.md explains. If nothing is missing, move the copy"
            " elsewhere.",
        )


def _check_key(settings: Settings, db: Database) -> Iterator[CheckResult]:
    try:
        check_key(db, load_keys(settings))
    except BadSettings as exc:
        yield fault(str(exc), "`storywire serve` does not start until this is fixed.")


def _check_file(db: Database) -> Iterator[CheckResult]:
    """Let SQLite verify the structure of its whole file."""
    if db.file is None:
        return
    try:
        db.file.look_inside()
    except DatabaseFileFault as exc:
        yield fault(
            str(exc),
            "Restore it from a backup (docs/upgrading.md explains how).",
        )
