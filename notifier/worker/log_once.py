"""Logging of failures: each once, not at every try."""

import logging
import threading

from dramatiq.errors import BrokerConnectionError
from pika.exceptions import AMQPError  # type: ignore[import-untyped]
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from config.logging import discreet

_OUTAGES = (
    OperationalError,
    InterfaceError,
    PoolTimeoutError,
    AMQPError,
    BrokerConnectionError,
    OSError,
)
"""Errors by which a database, a broker or the network says that it is away."""


class LogOnce:
    """Logs each cause once until it has ended: an outage of the database must not fill the disk."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._lock = threading.Lock()
        self._known: set[str] = set()

    def report(self, what: str, exc: BaseException) -> None:
        """Log ``exc``, which kept us from ``what``, unless it was logged already.

        An outage takes one line, however it shows; an error that nobody foresaw has its traceback.
        """
        outage = isinstance(exc, _OUTAGES)
        cause = f"{what}: {'outage' if outage else type(exc).__name__}"
        with self._lock:
            known = cause in self._known
            self._known.add(cause)
        if not known:
            self._log.error(
                "%s failed; it is tried again, and this is said once: %s",
                what,
                reason(exc),
                exc_info=None if outage else exc,
            )

    def over(self, what: str) -> None:
        """``what`` works again."""
        with self._lock:
            gone = {cause for cause in self._known if cause.startswith(f"{what}: ")}
            self._known -= gone
        if gone:
            self._log.warning("%s works again", what)


def reason(exc: BaseException) -> str:
    """An error in a few words on one line, without addresses; pika nests errors without a text."""
    inner = getattr(exc, "exception", None) or getattr(exc, "orig", None)
    if inner is None and isinstance(exc, AMQPError | BrokerConnectionError) and exc.args:
        inner = exc.args[0]
    if isinstance(inner, BaseException):
        return reason(inner)
    text = str(getattr(exc, "strerror", None) or exc).strip().partition("\n")[0].rstrip(".")
    return discreet(text)[:300] or type(exc).__name__
