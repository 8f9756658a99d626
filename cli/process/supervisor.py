"""Supervisor: starts the site's processes, restarts those that die or freeze, and drains them."""

import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from queue import Empty, SimpleQueue

from cli.process import listener, parent_watch
from cli.process.health_check import HealthCheck, HealthWatch

DRAIN_SECONDS = 30.0
_MAX_RESTART_DELAY_SECONDS = 30.0
_STABLE_SECONDS = 60.0  # uptime after which a child's earlier deaths no longer count
_STOP_SIGNALS = {signal.SIGTERM, signal.SIGINT}


@dataclass(frozen=True)
class ChildSpec:
    """A process to keep running.

    It inherits the environment with ``env`` added, and ``listener`` as an open socket.
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    listener: socket.socket | None = None
    # sent to the listener; a process that fails it is killed and restarted
    health: HealthCheck | None = None
    # stopped only after the others, because they need it to drain
    stop_last: bool = False


def supervise(
    children: Sequence[ChildSpec], *, log: logging.Logger, drain_seconds: float = DRAIN_SECONDS
) -> int:
    """Run ``children`` until SIGTERM or SIGINT, drain them and return the exit code.

    Main thread only.  Returns 0 after a clean drain, 1 if a child had to be killed: after
    ``drain_seconds``, or immediately on SIGINT while draining.  If a child exits with
    ``os.EX_CONFIG``, having printed why it cannot start, the others are drained and 78 is returned.
    """
    return _Supervisor(children, log, drain_seconds).run()


def python_module(name: str, *arguments: str) -> list[str]:
    """Make the command that runs a module of Storywire.

    Leaves the current folder out of the path, because it may hold another ``config`` or ``web``.
    """
    return [sys.executable, "-P", "-m", name, *arguments]


def restart_delay(deaths: int) -> float:
    """Seconds to wait after ``deaths`` (1 or more) in a row: 1, 2, 4 ... 30."""
    return float(min(2.0 ** min(deaths - 1, 10), _MAX_RESTART_DELAY_SECONDS))


def local_address(listening: socket.socket) -> tuple[str, int]:
    """Address of a listening socket for this machine: loopback if it listens on all addresses."""
    host, port = listening.getsockname()[:2]
    loopback = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  looked up, not listened on
    return loopback.get(host, host), port


class _Child:
    def __init__(self, spec: ChildSpec) -> None:
        self.spec = spec
        self.process: subprocess.Popen[bytes] | None = None
        self.started_at = 0.0
        self.deaths = 0
        self.restart_at = 0.0
        self.watch: HealthWatch | None = None

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self, pipe: int, log: logging.Logger) -> None:
        """Start the process in its own session, so that Ctrl+C only reaches the supervisor."""
        env = {**os.environ, **self.spec.env, parent_watch.VARIABLE: str(pipe)}
        descriptors = [pipe]
        if self.spec.listener is not None:
            descriptors.append(self.spec.listener.fileno())
            env[listener.VARIABLE] = str(self.spec.listener.fileno())
        self.process = subprocess.Popen(
            self.spec.argv,
            env=env,
            pass_fds=descriptors,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.started_at = time.monotonic()
        if self.spec.health is not None and self.spec.listener is not None:
            address = local_address(self.spec.listener)
            self.watch = HealthWatch(
                self.spec.health,
                address,
                partial(self._kill_frozen, self.process, self.spec.health, log),
            )

    def _kill_frozen(
        self, process: subprocess.Popen[bytes], health: HealthCheck, log: logging.Logger
    ) -> None:
        log.error(
            "%s did not answer %s %d times in a row; it is killed",
            self.spec.name,
            health.path,
            health.failures,
        )
        # Not SIGTERM: a frozen process would not drain either.
        process.send_signal(signal.SIGKILL)

    def stop_watching(self) -> None:
        if self.watch is not None:
            self.watch.end()

    def send(self, number: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(number)  # does nothing if the process has ended

    def record_exit(self) -> tuple[int, float]:
        """Record the end of the process.

        Returns its exit code (negative: the signal that ended it) and seconds until the restart.
        """
        assert self.process is not None
        self.stop_watching()
        code = self.process.returncode
        self.process = None
        now = time.monotonic()
        self.deaths = 1 if now - self.started_at >= _STABLE_SECONDS else self.deaths + 1
        self.restart_at = now + restart_delay(self.deaths)
        return code, restart_delay(self.deaths)


class _Supervisor:
    def __init__(
        self, specs: Sequence[ChildSpec], log: logging.Logger, drain_seconds: float
    ) -> None:
        self._children = [_Child(spec) for spec in specs]
        self._log = log
        self._drain_seconds = drain_seconds
        self._signals: SimpleQueue[int] = SimpleQueue()
        # Children hold the read end; the kernel closes the write end when this process ends.
        self._pipe, self._write_end = os.pipe()

    def run(self) -> int:
        with _queue_signals({*_STOP_SIGNALS, signal.SIGCHLD}, self._signals):
            try:
                code = self._keep_running()
                return self._drain() or code
            finally:
                self._kill()
                os.close(self._pipe)
                os.close(self._write_end)

    def _keep_running(self) -> int:
        """Return 0 when asked to stop, ``os.EX_CONFIG`` when a child cannot start."""
        received: int | None = None
        while received not in _STOP_SIGNALS:
            for child in self._children:
                if child.process is not None and not child.alive:
                    code, delay = child.record_exit()
                    if code == os.EX_CONFIG:
                        return code
                    self._log.error(
                        "%s ended with %d; it restarts in %.0f s", child.spec.name, code, delay
                    )
                if child.process is None and child.restart_at <= time.monotonic():
                    child.start(self._pipe, self._log)
            waiting = [child.restart_at for child in self._children if child.process is None]
            received = self._next_signal(min(waiting) - time.monotonic() if waiting else None)
        return 0

    def _drain(self) -> int:
        deadline = time.monotonic() + self._drain_seconds
        for child in self._children:
            child.stop_watching()
            if child.spec.listener is not None:
                # Refuse new connections now instead of letting them wait in vain.
                child.spec.listener.close()
        for last in (False, True):
            group = [child for child in self._children if child.spec.stop_last == last]
            for child in group:
                child.send(signal.SIGTERM)
            while any(child.alive for child in group):
                received = self._next_signal(deadline - time.monotonic())
                if received in {None, signal.SIGINT}:
                    alive = [child.spec.name for child in self._children if child.alive]
                    self._log.error("killed while draining: %s", ", ".join(alive))
                    return 1
        return 0

    def _kill(self) -> None:
        for child in self._children:
            child.send(signal.SIGKILL)
        for child in self._children:
            if child.process is not None:
                child.process.wait()

    def _next_signal(self, seconds: float | None) -> int | None:
        """Wait for the next signal; None after ``seconds``."""
        timeout = None if seconds is None else max(seconds, 0.0)
        try:
            return self._signals.get(timeout=timeout)
        except Empty:
            return None


@contextmanager
def _queue_signals(numbers: set[signal.Signals], queue: SimpleQueue[int]) -> Iterator[None]:
    def handle(number: int, _frame: object) -> None:
        queue.put(number)

    earlier_handlers = {number: signal.signal(number, handle) for number in numbers}
    # The parent process may have blocked these signals.  Children would inherit that, and never end
    # when asked to.
    mask = signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, handler in earlier_handlers.items():
            signal.signal(number, handler)
