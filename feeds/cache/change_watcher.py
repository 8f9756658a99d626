"""The one thread that checks for changes, so that no request has to, and refreshes the cache."""

import threading
from typing import Protocol

from feeds.cache.changes import SeqWatch
from feeds.cache.response_cache import OutageLog, ResponseCache
from models.db.database import ChangeWatch, Database

# Between two checks: on SQLite one costs 5 microseconds, on PostgreSQL a tiny query.
EMBEDDED_SECONDS = 0.05
POSTGRESQL_SECONDS = 0.1
_CLOSE_SECONDS = 1.0  # that closing waits for a database that does not answer
_CHECKING = "looking for changes"


class _Watch(Protocol):
    def changed(self) -> bool: ...
    def close(self) -> None: ...


class ChangeWatcher(threading.Thread):
    """Keeps a response cache fresh from `start` to `close`, through outages of the database."""

    def __init__(self, db: Database, cache: ResponseCache, outages: OutageLog) -> None:
        super().__init__(name="response-cache", daemon=True)
        self._db = db
        self._cache = cache
        self._outages = outages
        self._pause_seconds = EMBEDDED_SECONDS if db.embedded else POSTGRESQL_SECONDS
        self._watch: _Watch | None = None
        self._wake = threading.Event()
        self._ended = False
        cache.watcher = self

    def wake(self) -> None:
        """Check at once: this process changed something.  Does not wait for the check."""
        self._wake.set()

    def close(self) -> None:
        """End the thread; the cache goes on without it."""
        self._ended = True
        self._wake.set()
        self.join(_CLOSE_SECONDS)

    def run(self) -> None:
        while not self._ended:
            try:
                if self._check():
                    self._refresh()
            except Exception as exc:
                # Nobody would notice the end of this thread, and the cache would stay as it is.
                self._outages.report("keeping feeds fresh", exc)
            self._wake.wait(self._pause_seconds)
            self._wake.clear()
        self._close_watch()

    def _check(self) -> bool:
        """Check where something may have changed; False where the database does not answer."""
        try:
            if self._watch is None:
                # The watch comes first, so that no change between the two is missed.
                self._watch = ChangeWatch(self._db) if self._db.embedded else SeqWatch(self._db)
                self._cache.check_for_changes()
            elif self._watch.changed():
                self._cache.check_for_changes()
        except Exception as exc:
            self._outages.report(_CHECKING, exc)
            self._close_watch()
            return False
        self._outages.over(_CHECKING)
        return True

    def _refresh(self) -> None:
        for path in self._cache.paths_to_refresh():
            if self._ended or not self._check():
                return
            self._cache.refresh(path)

    def _close_watch(self) -> None:
        watch = self._watch
        self._watch = None
        if watch:
            try:
                watch.close()
            except Exception as exc:
                self._outages.report("leaving the database", exc)
