"""A bounded pool of PostgreSQL connections; threads wait while the server accepts no more."""

import logging
import random
import re
import threading
import time
from typing import Any

from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool
from sqlalchemy.util.queue import Empty

log = logging.getLogger(__name__)

MAX_IDLE_CONNECTIONS = 2
"""Connections that an idle process keeps: all processes share the limit of the role."""
CONNECTION_WAIT_SECONDS = 20.0
"""Time after which a thread gives up waiting, and its work fails and is retried later."""
_SHORT_SECONDS = 30.0
"""Time after a refusal in which a process keeps one idle connection at most: others need them."""
# A refused connection (53300) has no SQLSTATE in the driver's error; PgBouncer has its own texts.
_REFUSED = re.compile(r"too many connections|too many clients|connection slots|no more connections")


class ConnectionsUsedUp(OperationalError):
    """No connection came free in time."""

    def __init__(self, sentence: str) -> None:
        super().__init__("", None, TimeoutError(sentence))


class WaitingPool(QueuePool):
    """A bounded pool. A thread waits for one of the process's own, or for the server to take one
    more.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._refused_at = float("-inf")  # monotonic seconds
        self._log_lock = threading.Lock()
        self._logged = False

    @property
    def most(self) -> int:
        """The maximum number of connections."""
        return self.size() + self._max_overflow

    @property
    def short(self) -> bool:
        """Whether the server refused a connection a short while ago."""
        return time.monotonic() - self._refused_at < _SHORT_SECONDS

    def _do_get(self) -> ConnectionPoolEntry:
        until = time.monotonic() + self._timeout
        while True:
            try:
                entry = super()._do_get()
            except PoolTimeoutError as exc:
                raise ConnectionsUsedUp(
                    f"All {self.most} connections of this process are in use."
                ) from exc
            except Exception as exc:
                if not _REFUSED.search(str(exc)):
                    raise
                self._note_refusal(exc)
                if time.monotonic() >= until:
                    raise ConnectionsUsedUp(
                        f"PostgreSQL takes no further connections: {_first_line(exc)}"
                    ) from exc
                try:  # a connection of this process may be free sooner than one of the server
                    wait = random.uniform(0.2, 1.0)  # noqa: S311  it spreads load
                    return self._pool.get(True, wait)
                except Empty:
                    continue
            self._note_success()
            return entry

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        if self.short and self._pool.qsize():
            try:
                record.close()
            finally:
                self._dec_overflow()
        else:
            super()._do_return_conn(record)

    def _note_refusal(self, exc: Exception) -> None:
        self._refused_at = time.monotonic()
        with self._log_lock:
            was_logged = self._logged
            self._logged = True
        if not was_logged:
            log.warning(
                "PostgreSQL takes no further connections, so threads wait for them (this process"
                " has %d, and may have %d). Raise the limit of the role or the server, or lower"
                " STORYWIRE_DATABASE_CONNECTIONS: %s",
                self.checkedin() + self.checkedout(),
                self.most,
                _first_line(exc),
            )

    def _note_success(self) -> None:
        if self._logged and not self.short:
            with self._log_lock:
                was_logged = self._logged
                self._logged = False
            if was_logged:
                log.warning("PostgreSQL takes connections again")


def _first_line(exc: Exception) -> str:
    return str(exc).strip().partition("\n")[0]
