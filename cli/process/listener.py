"""The listening socket of a server process, opened by its supervisor.

A port that is in use is thus detected before anything starts, and while a dead web process is
replaced, connections wait in the socket's backlog instead of being refused.
"""

import errno
import os
import socket

from cli.command_errors import CannotStart

# Descriptor number for the child process; the underscore keeps it out of the settings.
VARIABLE = "_STORYWIRE_LISTENER"
BACKLOG = 1024


def listen(host: str, port: int) -> socket.socket:
    """Listen on a TCP port (0: any free one).  Raises CannotStart."""
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        return socket.create_server(
            (host, port),
            family=addresses[0][0],
            backlog=BACKLOG,
            dualstack_ipv6=host == "::" and socket.has_dualstack_ipv6(),
        )
    except OSError as exc:
        if exc.errno == errno.EADDRINUSE:
            raise CannotStart(
                f"Port {port} on {host} is in use; choose another with STORYWIRE_PORT."
            ) from exc
        reason = exc.strerror if isinstance(exc, socket.gaierror) else os.strerror(exc.errno or 0)
        raise CannotStart(
            f"Cannot listen on {host} port {port} ({reason}); change STORYWIRE_HOST or"
            " STORYWIRE_PORT."
        ) from exc


def inherited() -> socket.socket | None:
    """Take over the supervisor's socket; None if there is none, or on a second call."""
    number = os.environ.pop(VARIABLE, None)
    if number is None:
        return None
    os.set_inheritable(int(number), False)
    return socket.socket(fileno=int(number))
