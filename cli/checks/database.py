"""Checks of the database itself."""

from collections.abc import Iterator

from cli.checks.checkup import CheckResult, Checkup


def check_database(checkup: Checkup) -> Iterator[CheckResult]:
    """It is there, answers, and has the tables of this version."""
    if checkup.unusable_database:
        yield checkup.unusable_database
