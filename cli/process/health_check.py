"""The supervisor's question to a web process, whether it still answers."""

import http.client
import threading
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class HealthCheck:
    """How to ask a process: GET ``path`` every ``interval`` seconds; its answer within ``timeout``
    seconds is an answer, whatever its status. After ``failures`` times without one in a row the
    process counts as frozen; ``start_seconds`` it may take to start.
    """

    path: str = "/healthz"
    interval: float = 10.0
    timeout: float = 10.0
    failures: int = 3
    start_seconds: float = 120.0


class HealthWatch:
    """Asks the process behind an address in a thread of its own, and calls ``frozen`` once if it no
    longer answers.
    """

    def __init__(
        self, check: HealthCheck, address: tuple[str, int], frozen: Callable[[], None]
    ) -> None:
        self._check = check
        self._address = address
        self._frozen = frozen
        self._end = threading.Event()
        threading.Thread(target=self._run, name="health", daemon=True).start()

    def end(self) -> None:
        """Ask no more: the process has ended, or shall end."""
        self._end.set()

    def _run(self) -> None:
        silences = 0
        # a starting process answers the first question once it is there
        timeout = self._check.start_seconds
        while silences < self._check.failures:
            silences = 0 if self._answers(timeout) else silences + 1
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
