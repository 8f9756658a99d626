"""Number of connections that the mail server takes from this process, learned from refusals."""

import threading
import time
from collections.abc import Callable

GROW_SECONDS = 60.0
"""Time without a refusal after which one more connection is tried: a refusal costs a round trip."""


class ConnectionLimit:
    """Threads that hold a connection, or open one; at most ``most``, and fewer where the server
    refuses some.

    A server that refuses one while another is held is not away but full, so mail goes on by those
    that are held.
    """

    def __init__(self, most: int, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._most = self._allowed = most
        self._monotonic = monotonic
        self._grow_at = 0.0
        self._holders: set[int] = set()
        self._lock = threading.Lock()

    @property
    def allowed(self) -> int:
        """Connections that are tried at present."""
        return self._allowed

    def enter(self) -> bool:
        """Whether the calling thread may send now, by the connection that it holds or a new one."""
        with self._lock:
            if self._allowed < self._most and self._monotonic() >= self._grow_at:
                self._allowed += 1
                self._grow_at = self._monotonic() + GROW_SECONDS
            if len(self._holders) < self._allowed:
                self._holders.add(threading.get_ident())
            return threading.get_ident() in self._holders

    def leave(self) -> None:
        """The calling thread holds no connection any more."""
        with self._lock:
            self._holders.discard(threading.get_ident())

    def refused(self) -> bool:
        """The server refused the calling thread a connection; True where others are held, else it
        is away.
        """
        with self._lock:
            self._holders.discard(threading.get_ident())
            full = bool(self._holders)
            self._allowed = len(self._holders) if full else self._most
            self._grow_at = self._monotonic() + GROW_SECONDS
            return full
