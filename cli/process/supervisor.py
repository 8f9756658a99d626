"""The parent of the service's processes: starts them, restarts one that dies or freezes, drains all
when asked to stop.
"""

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
_LONGEST_WAIT = 30.0  # seconds before a restart, however often a child has died
_STEADY_AFTER = 60.0  # seconds of life after which a child's earlier deaths no longer count
_STOP = {signal.SIGTERM, signal.SIGINT}


@dataclass(frozen=True)
class ChildSpec:
    """A process to keep running; ``env`` is added to this process's environment, ``listener`` is
    handed over open.
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    listener: socket.socket | None = None
    # asked through the listener: a process that no longer answers is killed, and starts again
    health: HealthCheck | None = None
    # others need it to drain: it is asked to stop only when they have ended
    stop_last: bool = False


def supervise(
    children: Sequence[ChildSpec], *, log: logging.Logger, drain_seconds: float = DRAIN_SECONDS
) -> int:
    """Run ``children`` until SIGTERM or SIGINT, drain them and return the exit code of the service;
    main thread only.

    0 after a clean drain, 1 if a child had to be killed: after ``drain_seconds``, or at once on
    SIGINT while draining. A child that exits with ``os.EX_CONFIG`` has said on standard error why
    it cannot start: the rest is drained and 78 returned.
    """
    return _Supervisor(children, log, drain_seconds).run()


def python_module(name: str, *arguments: str) -> list[str]:
    """The command that runs a module of ours; the current folder is kept off its path, where
    ``config`` or ``web`` could be anyone's.
    """
    return [sys.executable, "-P", "-m", name, *arguments]


def restart_delay(deaths: int) -> float:
    """Seconds to wait after ``deaths`` deaths in a row, 1 or more: 1, 2, 4 ... 30."""
    return float(min(2.0 ** min(deaths - 1, 10), _LONGEST_WAIT))


def local_address(listening: socket.socket) -> tuple[str, int]:
    """Where this machine reaches a listening socket; one that listens on all addresses is reached
    by loopback.
    """
    host, port = listening.getsockname()[:2]
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port  # noqa: S104  looked up, not listened on


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
        """Start it in a session of its own, so that Ctrl+C in a terminal reaches the supervisor
        alone and drains once.
        """
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
        """Not SIGTERM: a process that no longer answers would not drain either."""
        log.error(
            "%s did not answer %s %d times running; it is killed",
            self.spec.name,
            health.path,
            health.failures,
        )
        process.send_signal(signal.SIGKILL)

    def stop_watching(self) -> None:
        if self.watch is not None:
            self.watch.end()

    def send(self, number: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(number)  # nothing, if it has ended already

    def record_exit(self) -> tuple[int, float]:
        """Take note of its death: the exit code (a signal's number, negative, if one ended it) and
        seconds until the restart.
        """
        assert self.process is not None
        self.stop_watching()
        code, self.process = self.process.returncode, None
        now = time.monotonic()
        self.deaths = 1 if now - self.started_at >= _STEADY_AFTER else self.deaths + 1
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
        # Children hold the read end; the write end closes with this process, whatever ends it.
        self._pipe, self._write_end = os.pipe()

    def run(self) -> int:
        with _caught({*_STOP, signal.SIGCHLD}, self._signals):
            try:
                refusal = self._keep_running()
                return self._drain() or refusal
            finally:
                self._kill()
                os.close(self._pipe)
                os.close(self._write_end)

    def _keep_running(self) -> int:
        """Returns 0 when asked to stop, ``os.EX_CONFIG`` when a child cannot start."""
        received: int | None = None
        while received not in _STOP:
            for child in self._children:
                if child.process is not None and not child.alive:
                    code, delay = child.record_exit()
                    if code == os.EX_CONFIG:
                        return code
                    self._log.error(
                        "%s ended with %d; it starts again in %.0f s", child.spec.name, code, delay
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
                # A new caller is refused now instead of waiting for nobody.
                child.spec.listener.close()
        for last in (False, True):
            group = [child for child in self._children if child.spec.stop_last == last]
            for child in group:
                child.send(signal.SIGTERM)
            while any(child.alive for child in group):
                received = self._next_signal(deadline - time.monotonic())
                if received in {None, signal.SIGINT}:
                    self._log.error(
                        "killed before they had ended: %s",
                        ", ".join(c.spec.name for c in self._children if c.alive),
                    )
                    return 1
        return 0

    def _kill(self) -> None:
        for child in self._children:
            child.send(signal.SIGKILL)
        for child in self._children:
            if child.process is not None:
                child.process.wait()

    def _next_signal(self, seconds: float | None) -> int | None:
        """The next signal caught, None after ``seconds``; SIGCHLD says only that some child may
        have ended.
        """
        try:
            return self._signals.get(timeout=None if seconds is None else max(seconds, 0.0))
        except Empty:
            return None


@contextmanager
def _caught(numbers: set[signal.Signals], into: SimpleQueue[int]) -> Iterator[None]:
    before = {
        number: signal.signal(number, lambda received, _frame: into.put(received))
        for number in numbers
    }
    # Whoever started this process may have blocked them, and children inherit that: none would ever
    # end when asked to.
    mask = signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, handler in before.items():
            signal.signal(number, handler)
