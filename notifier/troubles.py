"""Saying what goes wrong once, not at every try."""

import logging
import threading


class Troubles:
    """Logs each cause once until all is well again, so that a database that is away fills no disk."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._lock = threading.Lock()
        self._known: set[str] = set()

    def report(self, what: str, exc: Exception) -> None:
        """Log ``exc``, which kept us from ``what``, with its traceback, unless it was logged already."""
        cause = f"{what}: {type(exc).__name__}"
        with self._lock:
            known = cause in self._known
            self._known.add(cause)
        if not known:
            self._log.error("%s failed; it is tried again, and this is said once", what, exc_info=exc)

    def over(self, what: str) -> None:
        """``what`` works again."""
        with self._lock:
            gone = {cause for cause in self._known if cause.startswith(f"{what}: ")}
            self._known -= gone
        if gone:
            self._log.warning("%s works again", what)


class OncePerText(logging.Filter):
    """Lets each text of a logger through once: for libraries that repeat themselves every three seconds."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        """True the first time."""
        text = record.getMessage()
        new = text not in self._seen
        self._seen.add(text)
        return new
