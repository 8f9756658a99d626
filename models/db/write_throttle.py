"""Pauses between writes: SQLite's write lock has no queue, so a process that writes without a pause
starves all others.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from models.db.database import Database

MAX_WRITING_SECONDS = 0.010
_PAUSE_SECONDS = 0.002


class WriteThrottle:
    """For one loop in one thread: 2 ms of rest after every 10 ms of writing; on PostgreSQL nothing.

    ``half``: as much rest as writing, for long transactions: a waiting process tries less often the
    longer it waits.
    """

    def __init__(self, db: Database, *, half: bool = False) -> None:
        self._needed = db.embedded
        self._half = half
        self._written = 0.0

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Wraps each write transaction."""
        began = time.monotonic()
        yield
        took = time.monotonic() - began
        self._written += took
        if self._needed and self._written >= MAX_WRITING_SECONDS:
            self._written = 0.0
            time.sleep(took if self._half else _PAUSE_SECONDS)
