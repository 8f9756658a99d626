"""Rendering within a time limit, so that one text that takes minutes holds up neither its claim nor
its neighbours.

A thread cannot be ended from outside. One that takes too long is left alone, its result is not
waited for any more, and until it has ended nobody renders the same thing again.
"""

import logging
import threading
import time
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from notifier.message.send_errors import RenderError

log = logging.getLogger(__name__)

T = TypeVar("T")

RENDER_SECONDS = 20.0
"""Less than half a lease (`notifier.ledger.lease`), so that it can be renewed before and after."""
FAILED_SECONDS = 10.0
"""How long a failure is remembered: the rest of a claim, and those of other connections, ask for the same at once."""


class RenderLimit:
    """For all threads of a lane.  What several ask for at once is rendered once."""

    def __init__(
        self, seconds: float = RENDER_SECONDS, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds, self._monotonic = seconds, monotonic
        self._lock = threading.Lock()
        self._running: dict[Hashable, _Rendering] = {}
        self._failed: dict[Hashable, tuple[float, RenderError]] = {}

    def render(self, key: Hashable, what: str, make: Callable[[], T]) -> T:
        """What ``make`` returns; raises RenderError where it fails or takes longer than the limit.

        ``what`` names the thing in the log; it is rendered alike by all who give the same ``key``.
        """
        with self._lock:
            self._forget_old_failures()
            if key in self._failed:
                raise self._failed[key][1]
            rendering = self._running.get(key)
            if rendering is None:
                rendering = self._running[key] = _Rendering(make, lambda: self._end(key))
                rendering.start()
        if not rendering.ended.wait(self._seconds):
            log.error("%s takes longer than %g s to render and is given up", what, self._seconds)
            raise self._remember(
                key, RenderError(f"Rendering took longer than {self._seconds:g} seconds.")
            )
        if rendering.error is not None:
            log.error("%s cannot be rendered", what, exc_info=rendering.error)
            raise self._remember(key, _in_words(rendering.error)) from rendering.error
        result: T = rendering.result
        return result

    def _end(self, key: Hashable) -> None:
        with self._lock:
            del self._running[key]

    def _remember(self, key: Hashable, error: RenderError) -> RenderError:
        with self._lock:
            self._failed.setdefault(key, (self._monotonic() + FAILED_SECONDS, error))
        return error

    def _forget_old_failures(self) -> None:
        now = self._monotonic()
        for key in [
            key
            for key, (until, _) in self._failed.items()
            if until <= now and key not in self._running
        ]:
            del self._failed[key]


def _in_words(error: BaseException) -> RenderError:
    return (
        error
        if isinstance(error, RenderError)
        else RenderError(f"Rendering failed: {type(error).__name__}")
    )


class _Rendering:
    """One thread that renders one thing."""

    def __init__(self, make: Callable[[], Any], on_end: Callable[[], None]) -> None:
        self._make, self._on_end = make, on_end
        self.ended = threading.Event()
        self.result: Any = None
        self.error: BaseException | None = None

    def start(self) -> None:
        threading.Thread(target=self._run, name="rendering", daemon=True).start()

    def _run(self) -> None:
        try:
            self.result = self._make()
        except BaseException as exc:  # whatever it is, the one who waits is told
            self.error = exc
        finally:
            self._on_end()
            self.ended.set()
