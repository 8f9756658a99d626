"""How much to claim: about as much as can be sent in a while, learned from how it went."""

import threading


class Share:
    """Rows of one claim, so that it holds about ``seconds`` of one connection's work, within
    ``least`` and ``most``.
    """

    def __init__(self, *, seconds: float, first: int, least: int, most: int) -> None:
        self._seconds = seconds
        self._least, self._most = least, most
        self._rate = first / seconds  # rows a second
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        """Rows to claim next."""
        return max(self._least, min(self._most, round(self._rate * self._seconds)))

    def learn(self, handled: int, seconds: float) -> None:
        """``handled`` rows took so long; recent ones count most."""
        if handled:
            with self._lock:
                self._rate = (self._rate + handled / max(seconds, 0.001)) / 2
