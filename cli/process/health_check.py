"""Health checks of the web process by the supervisor."""

import http.client
import threading
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class HealthCheck:
    """Interval and limits, in seconds, of GET requests to ``path``.

    Any status counts as an answer.  The process counts as frozen after ``failures`` requests in a
    row without an answer.
    """

    path: str = "/healthz"
    interval: float = 10.0
    timeout: float = 10.0
    failures: int = 3
    start_seconds: float = 120.0  # limit for the first answer


class HealthWatch:
    """Thread that checks a process and calls ``frozen`` once if it no longer answers."""

    def __init__(
        self, check: HealthCheck, address: tuple[str, int], frozen: Callable[[], None]
    ) -> None:
        self._check = check
        self._address = address
        self._frozen = frozen
        self._end = threading.Event()
        threading.Thread(target=self._run, name="health", daemon=True).start()

    def end(self) -> None:
        """Stop checking, because the process has ended or is about to."""
        self._end.set()

    def _run(self) -> None:
        failures = 0
        timeout = self._check.start_seconds
        while failures < self._check.failures:
            failures = 0 if self._answers(timeout) else failures + 1
            timeout = self._check.timeout
            if self._end.wait(self._check.interval):
                return
        self._frozen()

    def _answers(self, timeout: float) -> bool:
        connection = http.client.HTTPConnection(*self._address, timeout=timeout)
        try:
            connection.request(
                "GET", self._check.path, headers={"Host": "localhost", "Connection": "close"}
            )
            connection.getresponse()
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        return True
