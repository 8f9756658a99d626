"""What checks share: the site that they look at, and how they say what they found."""

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
    """How bad a result is; a FAULT makes the exit code of `storywire doctor` 1."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One thing that is wrong: ``problem`` and ``advice`` are sentences, without secrets."""

    status: Status
    problem: str
    advice: str


def fault(problem: str, advice: str) -> CheckResult:
    """Readers, editors or operators lose something by it."""
    return CheckResult(Status.FAULT, problem, advice)


def warning(problem: str, advice: str) -> CheckResult:
    """Works, but is probably not meant."""
    return CheckResult(Status.WARNING, problem, advice)


@dataclass(frozen=True)
class Checkup:
    """A site that is checked; made for one run."""

    settings: Settings

    @cached_property
    def unusable_database(self) -> CheckResult | None:
        """Why the database cannot be used; None where it can."""
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
            return fault(str(exc), "Run the Storywire version that this database belongs to.")
        except DBAPIError as exc:
            reason = str(exc.orig).partition("\n")[0]
            advice = "Check STORYWIRE_DATABASE_URL and that the database server runs."
            if self._opened.embedded:
                advice = (
                    "Bring the file back from a backup, or from the copy made before an upgrade."
                )
            return fault(f"The database cannot be used: {reason}.", advice)
        if not pending:
            state = "was not set up to the end"
        elif pending == known_revisions():
            state = "has no tables yet"
        else:
            state = "is of an older version"
        return fault(f"The database {state}.", "Run `storywire init`.")

    @cached_property
    def db(self) -> Database | None:
        """The database; None where it cannot be used, which the check ``database`` reports."""
        return None if self.unusable_database else self._opened

    @cached_property
    def _opened(self) -> Database:
        return open_database(self.settings.resolved_database_url)

    def close(self) -> None:
        """Close the connections."""
        if "_opened" in self.__dict__:
            self._opened.engine.dispose()


Check = Callable[[Checkup], Iterable[CheckResult]]
