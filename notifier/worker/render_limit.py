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
"""Time that a failure is remembered: other messages of the claim, and of other connections, ask for
the same rendering at once."""


class RenderLimit:
    """Rendering for all threads of a lane, once for all that ask for the same at the same time."""

    def __init__(
        self, seconds: float = RENDER_SECONDS, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds = seconds
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._running: dict[Hashable, _Rendering] = {}
        self._failed: dict[Hashable, tuple[float, RenderError]] = {}

    def render(self, key: Hashable, what: str, make: Callable[[], T]) -> T:
        """Return the result of ``make``; raises RenderError where it fails or exceeds the limit.

        ``what`` names the message in the log. Calls with the same ``key`` have the same result.
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
        for key, (until, _) in list(self._failed.items()):
            if until <= now and key not in self._running:
                del self._failed[key]


def _in_words(error: BaseException) -> RenderError:
    if isinstance(error, RenderError):
        return error
    return RenderError(f"Rendering failed: {type(error).__name__}")


class _Rendering:
    """One thread that renders one thing."""

    def __init__(self, make: Callable[[], Any], on_end: Callable[[], None]) -> None:
        self._make = make
        self._on_end = on_end
        self.ended = threading.Event()
        self.result: Any = None
        self.error: BaseException | None = None

    def start(self) -> None:
        threading.Thread(target=self._run, name="rendering", daemon=True).start()

    def _run(self) -> None:
        try:
            self.result = self._make()
        except BaseException as exc:  # whatever it is, the waiting thread raises it
            self.error = exc
        finally:
            self._on_end()
            self.ended.set()
