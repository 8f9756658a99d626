"""The listening socket of a server process, made by its supervisor.

So a port in use is known before anything starts, and while a web process that died is replaced,
callers wait in the socket's queue instead of being refused.
"""

import errno
import os
import socket

from cli.command_errors import CannotStart

# the descriptor's number, for the child; the underscore keeps it out of the settings
VARIABLE = "_STORYWIRE_LISTENER"
BACKLOG = 1024


def listen(host: str, port: int) -> socket.socket:
    """A TCP socket that listens on ``host`` and ``port`` (0: any free one).  Raises CannotStart."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[
            0
        ][0]
        both = host == "::" and socket.has_dualstack_ipv6()
        return socket.create_server(
            (host, port), family=family, backlog=BACKLOG, dualstack_ipv6=both
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
    """The socket that a supervisor handed to this process, once; None for a process started by
    hand.
    """
    number = os.environ.pop(VARIABLE, None)
    if number is None:
        return None
    os.set_inheritable(int(number), False)
    return socket.socket(fileno=int(number))
