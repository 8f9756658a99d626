"""Deadlines of blocks of code. One thread watches all of them: one each would cost more than a
message.
"""

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

log = logging.getLogger(__name__)

Act = Callable[[], object]


@dataclass(slots=True)
class Deadline:
    """Deadline of a running block. ``passed``: the block took longer. ``act``: None once the block
    has ended, so that nothing is kept alive until the deadline.
    """

    act: Act | None
    passed: bool = False


class DeadlineWatch:
    """Thread that watches the deadlines of all threads of a process."""

    def __init__(self) -> None:
        # numbered because deadlines have no order themselves
        self._coming: list[tuple[float, int, Deadline]] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    @contextmanager
    def deadline(self, seconds: float, act: Act) -> Iterator[Deadline]:
        """Call ``act`` from another thread where the block takes longer; it must be quick, since
        other deadlines wait for that thread.
        """
        pending = Deadline(act)
        with self._changed:
            heapq.heappush(self._coming, (time.monotonic() + seconds, next(self._numbers), pending))
            if self._coming[0][2] is pending:
                self._changed.notify()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="deadlines", daemon=True)
                self._thread.start()
        try:
            yield pending
        finally:
            with self._changed:
                pending.act = None

    def _run(self) -> None:
        while True:
            act = self._next()
            try:
                act()
            except Exception:  # one failure must not leave other deadlines unwatched
                log.exception("what was to be done after a deadline failed")

    def _next(self) -> Act:
        with self._changed:
            while True:
                while self._coming and self._coming[0][2].act is None:
                    heapq.heappop(self._coming)
                seconds = self._coming[0][0] - time.monotonic() if self._coming else None
                if seconds is not None and seconds <= 0:
                    late = heapq.heappop(self._coming)[2]
                    late.passed = True
                    assert late.act is not None
                    return late.act
                self._changed.wait(seconds)


deadline = DeadlineWatch().deadline
