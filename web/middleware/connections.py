"""The guard of the server's connections: ends those that hold what others need.

Granian times a request's head (30 seconds, idle connections included) and nothing else: neither a
body that does not arrive, nor a client that does not read, nor how many connections one address
holds. The sockets are this process's own, so a thread looks at them once a second, as the kernel
describes them (TCP_INFO, Linux), and shuts down what goes too far.
"""

import logging
import os
import socket
import struct
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from web.middleware.proxies import client_key
from web.middleware.request_body import Read, Reads

log = logging.getLogger(__name__)

MAX_PER_ADDRESS = 64
CROWDED = 448
"""Connections from which on idle ones are ended, longest idle first: below the number that the server accepts."""
MIN_READ_BYTES = 32_768  # that a client must take of an answer ...
READ_SECONDS = 30.0  # ... in so many seconds, for as long as there is something to take
_LOOK_SECONDS = 1.0
_RETRY_SECONDS = 5.0  # until another connection is taken for that of an overdue body
# between looks while one address has too many connections, or all together have
_BUSY_SECONDS = 0.2

_DESCRIPTORS = "/proc/self/fd"
_ESTABLISHED, _CLOSE_WAIT, _LISTEN = 1, 8, 10  # linux/tcp_states.h
# struct tcp_info of linux/tcp.h, which only ever grows at its end: state, unacked, the ages of the
# last data sent and
# received in milliseconds, bytes_acked, bytes_received, notsent_bytes, data_segs_out.
_TCP_INFO = struct.Struct("=B23xI16xI4xI64xQQ8xI8xI")


@dataclass(frozen=True)
class Connection:
    """An accepted connection at one look. Ages are seconds since data last went that way, or since
    the connection began.
    """

    key: str  # the kernel's name of the socket
    descriptor: int
    address: str
    sent_age: float
    received_age: float
    acked: int  # bytes that the client has confirmed
    received: int
    answered: bool  # anything was ever sent
    pending: bool  # bytes wait to be taken by the client

    @property
    def idle(self) -> bool:
        """True where for a second nothing went either way, and the client has nothing to wait for."""
        waits = self.received and not (self.answered and self.sent_age <= self.received_age)
        return not waits and min(self.sent_age, self.received_age) >= 1.0


class ConnectionGuard:
    """Looks after all connections that this process accepts.

    It ends the input of a connection whose body is overdue, so that the thread that reads it goes
    on and answers 408; cuts a client that takes less than `MIN_READ_BYTES` of an answer in
    `READ_SECONDS`; lets an address have ``max_per_address`` connections (None: any number, as for a
    proxy), idle ones being ended first; and keeps room while there are many.
    """

    def __init__(
        self,
        reads: Reads,
        *,
        max_per_address: int | None = MAX_PER_ADDRESS,
        look_seconds: float = _LOOK_SECONDS,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        self._reads = reads
        self._max_per_address = max_per_address
        self._look_seconds = look_seconds
        self._read_seconds = read_seconds
        self._ended_inputs: set[str] = set()
        self._tried: dict[Read, float] = {}  # when an input was last ended for the sake of a body
        # when a client had taken so much of what is being sent
        self._progress: dict[str, tuple[float, int]] = {}
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="connections", daemon=True)

    def start(self) -> None:
        """Begin to look; nothing where the kernel does not tell about connections."""
        if sys.platform == "linux":
            self._thread.start()

    def close(self) -> None:
        """Stop looking."""
        self._end.set()

    def _run(self) -> None:
        pause = self._look_seconds
        while not self._end.wait(pause):
            try:
                pause = (
                    min(self._look_seconds, _BUSY_SECONDS) if self._look() else self._look_seconds
                )
            except OSError:  # out of descriptors, for one
                log.exception("connections could not be looked at")

    def _look(self) -> bool:
        """Look once; True where connections had to be ended to make room."""
        connections = list(_accepted())
        keys = {connection.key for connection in connections}
        self._ended_inputs &= keys
        self._progress = {key: value for key, value in self._progress.items() if key in keys}
        self._end_overdue(connections)
        self._cut_slow_readers(connections)
        return self._make_room(connections)

    def _end_overdue(self, connections: list[Connection]) -> None:
        """End the input of the connections whose bodies are overdue.

        The server does not say over which connection a request came. It came from the peer's
        address, nothing was sent there since, and unless the body still trickles in, the last data
        came when the reading began: the nearest by both is taken. Should that have been another,
        the body is still being read after a while, and the next one is taken.
        """
        now = time.monotonic()
        overdue = self._reads.overdue()
        self._tried = {read: at for read, at in self._tried.items() if read in overdue}
        for read in overdue:
            if now - self._tried.get(read, 0.0) < _RETRY_SECONDS:
                continue
            peer, age = client_key(read.peer), now - read.began
            waiting = [
                connection
                for connection in connections
                if connection.address == peer
                and connection.received
                and connection.key not in self._ended_inputs
            ]
            if waiting:
                nearest = min(
                    waiting,
                    key=lambda connection: (
                        round(_distance(connection, age), 2),
                        connection.received_age,
                    ),
                )
                self._tried[read] = now
                self._ended_inputs.add(nearest.key)
                _shut(nearest, socket.SHUT_RD)

    def _cut_slow_readers(self, connections: Iterable[Connection]) -> None:
        now = time.monotonic()
        for connection in connections:
            if not connection.pending:
                self._progress.pop(connection.key, None)
                continue
            since, acked = self._progress.setdefault(connection.key, (now, connection.acked))
            if connection.acked - acked >= MIN_READ_BYTES:
                self._progress[connection.key] = (now, connection.acked)
            elif now - since >= self._read_seconds:
                _shut(connection, socket.SHUT_RDWR)

    def _make_room(self, connections: list[Connection]) -> bool:
        by_address = defaultdict(list)
        for connection in connections:
            by_address[connection.address].append(connection)
        surplus = []
        if self._max_per_address is not None:
            for held in by_address.values():
                # Idle ones first: a browser opens another without a word.  Then those that have
                # waited longest.
                held.sort(key=lambda connection: (not connection.idle, -connection.received_age))
                surplus += held[: max(0, len(held) - self._max_per_address)]
        crowd = len(connections) - len(surplus) - CROWDED
        if crowd > 0:
            ended = {connection.key for connection in surplus}
            idle = [
                connection
                for connection in connections
                if connection.idle and connection.key not in ended
            ]
            idle.sort(key=lambda connection: -min(connection.sent_age, connection.received_age))
            surplus += idle[:crowd]
        for connection in surplus:
            _shut(connection, socket.SHUT_RDWR)
        return bool(surplus)


def _distance(connection: Connection, age: float) -> float:
    """How unlikely it is that a body that has been read for ``age`` seconds comes over that
    connection, in seconds.

    Granian sends 100 (Continue) when the reading begins, so what was sent then counts little
    against it.
    """
    return abs(connection.received_age - age) + max(0.0, age - connection.sent_age)


def _accepted() -> Iterator[Connection]:
    """The established connections on the ports that this process listens on."""
    ports: set[int] = set()
    found: list[tuple[int, Connection]] = []
    for name in os.listdir(_DESCRIPTORS):  # noqa: PTH208
        key = _socket_key(int(name))
        if not key:
            continue
        # no TCP socket, or one that has just ended
        with suppress(OSError, struct.error), _borrowed(int(name)) as sock:
            state, unacked, sent, received, acked, received_bytes, unsent, segments = (
                _TCP_INFO.unpack(
                    sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
                )
            )
            port = sock.getsockname()[1]
            if state == _LISTEN:
                ports.add(port)
            elif state in {_ESTABLISHED, _CLOSE_WAIT}:
                address = client_key(sock.getpeername()[0])
                connection = Connection(
                    key=key,
                    descriptor=int(name),
                    address=address,
                    sent_age=sent / 1000,
                    received_age=received / 1000,
                    acked=acked,
                    received=received_bytes,
                    answered=segments > 0,
                    pending=bool(unsent or unacked),
                )
                found.append((port, connection))
    return (connection for port, connection in found if port in ports)


def _shut(connection: Connection, how: int) -> None:
    """Shut a connection down, if its descriptor is still its own; the server sees it end, and
    closes it.
    """
    if _socket_key(connection.descriptor) == connection.key:
        # it may have ended by itself
        with suppress(OSError), _borrowed(connection.descriptor) as sock:
            sock.shutdown(how)


def _socket_key(descriptor: int) -> str:
    """The kernel's name of the socket at a descriptor, which no other bears meanwhile; empty where
    there is none.
    """
    try:
        target = os.readlink(f"{_DESCRIPTORS}/{descriptor}")  # noqa: PTH115
    except OSError:
        return ""
    return target if target.startswith("socket:") else ""


@contextmanager
def _borrowed(descriptor: int) -> Iterator[socket.socket]:
    """The server's descriptor as a socket for a moment.

    No duplicate of it: the server may close it at any time, the number may then be that of a
    database file, and closing a duplicate of that would end the locks that this process has on the
    file.
    """
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, fileno=descriptor)
    try:
        yield sock
    finally:
        sock.detach()
