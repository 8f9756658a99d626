"""The site that is checked, and the results of checks."""

import enum
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

from sqlalchemy.exc import DBAPIError

from config.settings import BadSettings, Settings
from models.db.database import Database, open_database
from models.db.schema_version import known_revisions, pending_migrations
from models.db.site import site_exists


class Status(enum.Enum):
    """Severity of a result; a FAULT makes `storywire doctor` exit with 1."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One problem; ``problem`` and ``advice`` are sentences without secrets."""

    status: Status
    problem: str
    advice: str


def fault(problem: str, advice: str) -> CheckResult:
    """Make a result for a problem that affects readers, editors or operators."""
    return CheckResult(Status.FAULT, problem, advice)


def warning(problem: str, advice: str) -> CheckResult:
    """Make a result for something that works, but is probably not intended."""
    return CheckResult(Status.WARNING, problem, advice)


@dataclass(frozen=True)
class Checkup:
    """A site during one run of all checks."""

    settings: Settings

    @cached_property
    def unusable_database(self) -> CheckResult | None:
        """The problem that prevents using the database, if any."""
        if self.settings.lacks_database:
            return fault(
                f"There is no database in {self.settings.data_dir.absolute()} yet.",
                "Run `storywire init`, or set STORYWIRE_DATA_DIR to the folder of your site.",
            )
        try:
            pending = pending_migrations(self._opened)
            if not pending and site_exists(self._opened):
                return None
        except BadSettings as exc:
            return fault(str(exc), "Use the Storywire version that this database belongs to.")
        except DBAPIError as exc:
            reason = str(exc.orig).partition("\n")[0]
            advice = "Check STORYWIRE_DATABASE_URL, and that the database server is running."
            if self._opened.embedded:
                advice = "Restore the file from a backup, or from the copy made before an upgrade."
            return fault(f"The database cannot be used: {reason}.", advice)
        if not pending:
            state = "is incomplete"
        elif pending == known_revisions():
            state = "has no tables yet"
        else:
            state = "needs an upgrade"
        return fault(f"The database {state}.", "Run `storywire init`.")

    @cached_property
    def db(self) -> Database | None:
        """The database, or None if it cannot be used, which the check ``database`` reports."""
        return None if self.unusable_database else self._opened

    @cached_property
    def _opened(self) -> Database:
        return open_database(self.settings.resolved_database_url)

    def close(self) -> None:
        if "_opened" in self.__dict__:
            self._opened.engine.dispose()


Check = Callable[[Checkup], Iterable[CheckResult]]
