"""What is done where something takes too long.  One thread watches all that wait: one each would cost more than a message."""

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

log = logging.getLogger(__name__)

Act = Callable[[], object]


@dataclass(order=True, slots=True)
class Deadline:
    """``passed``: it came while its block still ran."""

    at: float
    number: int
    act: Act = field(compare=False)
    over: bool = field(default=False, compare=False)
    passed: bool = field(default=False, compare=False)


class Watch:
    """For all threads of a process."""

    def __init__(self) -> None:
        self._coming: list[Deadline] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    @contextmanager
    def deadline(self, seconds: float, act: Act) -> Iterator[Deadline]:
        """Call ``act`` from another thread where the block takes longer; it must be quick, since others wait for that thread."""
        one = Deadline(time.monotonic() + seconds, next(self._numbers), act)
        with self._changed:
            heapq.heappush(self._coming, one)
            if self._coming[0] is one:
                self._changed.notify()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="deadlines", daemon=True)
                self._thread.start()
        try:
            yield one
        finally:
            with self._changed:
                one.over = True

    def _run(self) -> None:
        while True:
            late = self._next()
            try:
                late.act()
            except Exception:  # what fails for one must not leave the others unwatched
                log.exception("what was to be done after a deadline failed")

    def _next(self) -> Deadline:
        with self._changed:
            while True:
                while self._coming and self._coming[0].over:
                    heapq.heappop(self._coming)
                left = self._coming[0].at - time.monotonic() if self._coming else None
                if left is not None and left <= 0:
                    late = heapq.heappop(self._coming)
                    late.passed = True
                    return late
                self._changed.wait(left)


deadline = Watch().deadline
