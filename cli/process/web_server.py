"""The web process: granian around a WSGI application, all of it in this one process."""

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

# Open connections, idle ones included.  Above any proxy's pool, and below the 1,024 descriptors
# that a process commonly may open.
_CONNECTIONS = 512
# Threads beside the application's own, which begin where needed: most wait for a client's body to
# arrive or for their turn
# (`web.middleware.overload` says how many may), the others answer from memory.
_WAITING = 416
# Bytes of a request's head, or of a body on its way: half a head from each connection must fit in
# memory.
_BUFFER_BYTES = 65_536


class _OneProcess(MPServer):
    """Granian whose worker is this process, on a socket that is already open.

    Granian proper is a main process that starts workers and restarts them. The supervisor does that
    already, and a second level of it is what survives as an orphan when the first is killed. A
    free-threaded Granian runs its worker in a thread, but only on such a Python, and the embedded
    server has no WSGI. So the worker's function is called here instead of in a child: it installs
    handlers for SIGTERM and SIGINT, serves, and returns when what is in flight has been answered.
    """

    listener: socket.socket

    def _serve(self, spawn_target: Any, target_loader: Any) -> None:
        # only here, after Granian has warned of threads that would compete for cores: these wait
        self.blocking_threads += _WAITING
        self._ssp = self._sso = None
        self._shd = SocketHolder(self.listener.detach(), False, BACKLOG)  # type: ignore[assignment, call-arg]
        self._spawn_worker(0, spawn_target, target_loader).inner.run()


def run(settings: Settings, target: str) -> None:
    """Serve the WSGI application ``module:name`` until SIGTERM or SIGINT, then answer what is in
    flight and return. Main thread only.

    The socket is the supervisor's, else one of its own. Raises CannotStart, and whatever importing
    the application raises.
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
        backpressure=_CONNECTIONS,
        http1_settings=HTTP1Settings(max_buffer_size=_BUFFER_BYTES),
        log_level=LogLevels.warning,
        # the handlers are ours already
        log_dictconfig={"incremental": True, "handlers": {}, "loggers": {}},
    )
    on_stop(_drain)
    server.listener = inherited() or listen(settings.host, settings.port)
    server.serve(target_loader=_load)


def end_process() -> NoReturn:
    """End this process with code 0 after `run`, exit handlers included, without taking the
    interpreter down first.

    Granian's threads end a moment after it has returned, and one that asks a dying interpreter for
    its lock aborts the process.
    """
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _drain() -> None:
    """Call Granian's handler, and only once: it waits forever for room in a queue when signals come
    several at a time.
    """
    handler = signal.getsignal(signal.SIGTERM)
    if not callable(handler):
        os._exit(0)  # The application is still being imported: nothing is in flight.
    handler(signal.SIGTERM, None)


def _load(target: str) -> Application:
    """Import the application by name alone: Granian's own loader would put the current folder first
    on the path.

    Then forget the settings' variables, because Granian copies the environment into every request's
    and theirs are secrets.
    """
    module, _, name = target.partition(":")
    application: Application = getattr(importlib.import_module(module), name)
    for variable in [name for name in os.environ if name.startswith("STORYWIRE_")]:
        del os.environ[variable]
    return application
