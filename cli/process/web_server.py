"""The web process: Granian serving a WSGI application, without worker processes."""

import atexit
import importlib
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from granian._granian import SocketHolder
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import MPServer

from cli.process.listener import BACKLOG, inherited, listen
from cli.process.parent_watch import on_stop
from config.settings import Settings

Application = Callable[..., Iterable[bytes]]

# Open connections, idle ones included: more than any proxy's pool, and fewer than the usual limit
# of 1,024 descriptors per process.
_MAX_CONNECTIONS = 512
# Threads beside the application's own, started when needed.  Most of them wait for a request's body
# or for their turn (`web.middleware.overload` limits how many); others answer from memory.
_WAITING_THREADS = 416
# For a request's head, or a part of its body: one for each connection must fit in memory.
_BUFFER_BYTES = 65_536


class _OneProcess(MPServer):
    """Granian whose worker is this process, on a socket that is already open.

    Granian normally starts and restarts worker processes.  The supervisor does that already, and
    a second level would leave orphans when the first is killed.  Granian's worker threads need a
    free-threaded Python, and its embedded server has no WSGI.  So the worker's function is called
    directly: it installs handlers for SIGTERM and SIGINT, serves, and returns when all running
    requests have been answered.
    """

    listener: socket.socket

    def _serve(self, spawn_target: Any, target_loader: Any) -> None:
        # Granian has checked the number before, and would warn of this many: most of them only
        # wait.
        self.blocking_threads += _WAITING_THREADS
        self._ssp = self._sso = None
        self._shd = SocketHolder(self.listener.detach(), False, BACKLOG)  # type: ignore[assignment, call-arg]
        self._spawn_worker(0, spawn_target, target_loader).inner.run()


def run(settings: Settings, target: str) -> None:
    """Serve the WSGI application ``module:name`` until SIGTERM or SIGINT, then drain and return.

    Main thread only.  Uses the supervisor's socket if there is one.  Raises CannotStart, and any
    error from importing the application.
    """
    server = _OneProcess(
        target,
        settings.host,
        settings.port,
        interface=Interfaces.WSGI,
        http=HTTPModes.http1,
        websockets=False,
        blocking_threads=settings.web_threads,
        backlog=BACKLOG,
        backpressure=_MAX_CONNECTIONS,
        http1_settings=HTTP1Settings(max_buffer_size=_BUFFER_BYTES),
        log_level=LogLevels.warning,
        # logging is already set up
        log_dictconfig={"incremental": True, "handlers": {}, "loggers": {}},
    )
    on_stop(_drain)
    server.listener = inherited() or listen(settings.host, settings.port)
    server.serve(target_loader=_load)


def end_process() -> NoReturn:
    """Exit with code 0 after `run`: run exit handlers, but do not shut the interpreter down.

    Granian's threads end a moment after it has returned, and one that asks an interpreter in
    shutdown for its lock aborts the process.
    """
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _drain() -> None:
    """Call Granian's handler, only once: several calls at a time block forever on its queue."""
    handler = signal.getsignal(signal.SIGTERM)
    if not callable(handler):
        os._exit(0)  # The application is still being imported: nothing is in flight.
    handler(signal.SIGTERM, None)


def _load(target: str) -> Application:
    """Import the application, then delete the settings from the environment.

    Granian's own loader would put the current folder first on the path, and Granian copies the
    environment, which holds secrets, into that of every request.
    """
    module, _, name = target.partition(":")
    application: Application = getattr(importlib.import_module(module), name)
    for variable in [name for name in os.environ if name.startswith("STORYWIRE_")]:
        del os.environ[variable]
    return application
