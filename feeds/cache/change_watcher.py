"""The one thread that looks for changes, so that no reader has to; it makes again what readers
asked for lately.
"""

import threading
from typing import Protocol

from feeds.cache.changes import CounterWatch
from feeds.cache.response_cache import OutageLog, ResponseCache
from models.db.database import ChangeWatch, Database

# between two looks; the first costs 5 microseconds, the second a tiny query
EMBEDDED_SECONDS, POSTGRESQL_SECONDS = 0.05, 0.1
_LAST_SECONDS = 1.0  # that closing waits for a database that does not answer
_LOOKING = "looking for changes"


class _Watch(Protocol):
    def changed(self) -> bool: ...
    def close(self) -> None: ...


class ChangeWatcher(threading.Thread):
    """Keeps a shelf fresh from `start` to `close`, through whatever befalls the database."""

    def __init__(self, db: Database, shelf: ResponseCache, troubles: OutageLog) -> None:
        super().__init__(name="shelf", daemon=True)
        self._db, self._shelf, self._troubles = db, shelf, troubles
        self._seconds = EMBEDDED_SECONDS if db.embedded else POSTGRESQL_SECONDS
        self._watch: _Watch | None = None
        self._wake = threading.Event()
        self._ended = False
        shelf.watcher = self

    def wake(self) -> None:
        """Look now: something was changed here.  Returns at once."""
        self._wake.set()

    def close(self) -> None:
        """End the thread; the shelf goes on without."""
        self._ended = True
        self._wake.set()
        self.join(_LAST_SECONDS)

    def run(self) -> None:
        """Look, make, wait."""
        while not self._ended:
            try:
                if self._looked():
                    self._make_again()
            except Exception as exc:
                # nobody would see it end, and what is on the shelf would stay there for good
                self._troubles.report("keeping feeds fresh", exc)
            self._wake.wait(self._seconds)
            self._wake.clear()
        self._close_watch()

    def _looked(self) -> bool:
        """Look where something may have changed; False where the database does not answer."""
        try:
            if self._watch is None:  # whatever happened meanwhile, the look behind it sees
                self._watch = ChangeWatch(self._db) if self._db.embedded else CounterWatch(self._db)
                self._shelf.look()
            elif self._watch.changed():
                self._shelf.look()
        except Exception as exc:
            self._troubles.report(_LOOKING, exc)
            self._close_watch()
            return False
        self._troubles.over(_LOOKING)
        return True

    def _make_again(self) -> None:
        for path in self._shelf.wanted():
            if self._ended or not self._looked():
                return
            self._shelf.renew(path)

    def _close_watch(self) -> None:
        watch, self._watch = self._watch, None
        if watch:
            try:
                watch.close()
            except Exception as exc:
                self._troubles.report("leaving the database", exc)
