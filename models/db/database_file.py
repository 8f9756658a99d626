"""The file of a SQLite database, checked while processes have it open.

A file that was deleted or replaced goes on existing for the processes that opened it: what they
write and send would be known to nobody after a restart.  So each transaction first asks whether the
file is still at its place (a microsecond), and none begins on a file that is known to be damaged.
"""

import os
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

from sqlalchemy.exc import OperationalError

_CORRUPT = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_STOPPED = (
    "Nothing is written or sent. Stop the service, bring the database back, and start it again."
)
_INTERRUPT_AFTER = 1_000  # of SQLite's steps, between two looks at the clock


class DatabaseFileFault(OperationalError):
    """The file cannot be trusted; the message is a sentence that says what to do."""

    def __init__(self, sentence: str) -> None:
        super().__init__("", None, sqlite3.OperationalError(sentence))
        self.sentence = sentence

    def __str__(self) -> str:
        return self.sentence


class DatabaseFile:
    """One file, for all connections of a process. Never opened by hand: closing it would drop
    SQLite's locks.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._opened: tuple[int, int] | None = None  # device and inode
        self._has_content = False
        self._damage: str | None = None
        self._looking = threading.Lock()
        self._looked_at = float("-inf")  # monotonic seconds

    @property
    def uri(self) -> str:
        """For sqlite3: a missing file is an error there, and not made."""
        return f"{self.path.as_uri()}?mode=rw"

    def note_opened(self) -> None:
        """Called for each new connection. Raises DatabaseFileFault where it led to another file
        than the first.
        """
        if self._opened is None:
            stat = self.path.stat()
            self._opened = (stat.st_dev, stat.st_ino)
        self.check()

    def note_error(self, error: BaseException | None) -> DatabaseFileFault | None:
        """Whether an error of the driver says that the file is damaged, which it then stays until a
        restart.
        """
        code = getattr(error, "sqlite_errorcode", 0) or 0
        if code & 0xFF not in _CORRUPT:
            return None
        self._damage = str(error)
        return self._fault()

    def check(self) -> None:
        """Raise DatabaseFileFault where the file is not the one that was opened, or is known to be
        damaged.
        """
        if self._damage is not None:
            raise self._fault()
        try:
            stat = os.stat(self.path)  # noqa: PTH116  a third of the time of Path.stat
        except FileNotFoundError:
            raise DatabaseFileFault(
                f"{self.path} was deleted or moved while it was open. {_STOPPED}"
            ) from None
        except OSError as exc:
            raise DatabaseFileFault(
                f"{self.path} cannot be reached: {exc.strerror}. {_STOPPED}"
            ) from exc
        if self._has_content and not stat.st_size:
            raise DatabaseFileFault(f"{self.path} was emptied while it was open. {_STOPPED}")
        self._has_content = stat.st_size > 0
        if self._opened is not None and (stat.st_dev, stat.st_ino) != self._opened:
            raise DatabaseFileFault(
                f"{self.path} was replaced by another file while it was open. {_STOPPED}"
            )

    def look_inside(self, *, seconds: float | None = None, every: float = 0.0) -> None:
        """Have SQLite check the structure of the file, for ``seconds`` at most; raises
        DatabaseFileFault.

        On a connection of its own, since others answer from what they have in memory.  ``every``:
        no sooner than so many seconds after the last time.
        """
        self.check()
        with self._looking:
            if time.monotonic() < self._looked_at + every:
                return
            self._looked_at = time.monotonic()
        try:
            damage = _quick_check(self.uri, seconds)
        except sqlite3.Error as exc:
            if fault := self.note_error(exc):
                raise fault from exc
            raise DatabaseFileFault(f"{self.path} cannot be read: {exc}. {_STOPPED}") from exc
        if damage:
            self._damage = damage
            raise self._fault()

    def _fault(self) -> DatabaseFileFault:
        return DatabaseFileFault(f"{self.path} is damaged ({self._damage}). {_STOPPED}")


def _quick_check(uri: str, seconds: float | None) -> str | None:
    """SQLite's first complaint; None where it has none, or had no time to find one."""
    with closing(sqlite3.connect(uri, uri=True, timeout=5)) as connection:
        if seconds is not None:
            until = time.monotonic() + seconds
            connection.set_progress_handler(lambda: time.monotonic() > until, _INTERRUPT_AFTER)
        try:
            result: str = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        except sqlite3.OperationalError as exc:
            if exc.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
                return None
            raise
    return None if result == "ok" else " ".join(result.split())
