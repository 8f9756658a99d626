"""The guard of the server's connections: ends those that keep others out.

Granian limits the time for a request's head (30 seconds, idle connections included) and nothing
else: neither a body that does not arrive, nor a client that does not read, nor the connections of
one address.  The sockets belong to this process, so a thread reads their state from the kernel once
a second (TCP_INFO, Linux), and shuts down those that exceed a limit.
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
from operator import itemgetter
from typing import NamedTuple

from web.middleware.proxies import client_key
from web.middleware.request_body import Read, Reads

log = logging.getLogger(__name__)

MAX_PER_ADDRESS = 64
# From so many connections on idle ones are ended, longest idle first.  It is below the number that
# the server accepts.
CROWDED = 448
MIN_READ_BYTES = 32_768  # that a client must read of a pending response ...
READ_SECONDS = 30.0  # ... in so many seconds
_CHECK_SECONDS = 1.0
_CROWDED_CHECK_SECONDS = 0.2  # while there are too many connections
_RETRY_SECONDS = 5.0  # until another connection is taken for that of an overdue body

_DESCRIPTORS = "/proc/self/fd"
# linux/tcp_states.h
_ESTABLISHED = 1
_CLOSE_WAIT = 8
_LISTEN = 10
# struct tcp_info of linux/tcp.h, which only ever grows at its end: the fields of _TcpInfo.
_TCP_INFO = struct.Struct("=B23xI16xI4xI64xQQ8xI8xI")


class _TcpInfo(NamedTuple):
    state: int
    unacked: int
    last_sent_ms: int  # milliseconds since data was last sent
    last_received_ms: int
    bytes_acked: int
    bytes_received: int
    unsent_bytes: int
    data_segments_sent: int


@dataclass(frozen=True)
class Connection:
    """An accepted connection at one check.

    Ages are seconds since data last went that way, or since the connection began.
    """

    key: str  # the kernel's name of the socket
    descriptor: int
    address: str
    sent_age: float
    received_age: float
    acked: int  # bytes that the client has confirmed
    received: int
    answered: bool  # anything was ever sent
    pending: bool  # the client has not yet taken all bytes

    @property
    def idle(self) -> bool:
        """Whether for a second nothing was sent or received, and the client awaits no response."""
        is_answered = self.answered and self.sent_age <= self.received_age
        awaits_response = self.received and not is_answered
        return not awaits_response and min(self.sent_age, self.received_age) >= 1.0


class ConnectionGuard:
    """Checks all connections that this process accepts.

    - Ends the input of a connection whose body is overdue, so that its thread answers 408.
    - Ends the connection of a client that reads less than `MIN_READ_BYTES` in `READ_SECONDS`.
    - Allows an address ``max_per_address`` connections (None: any number, as for a proxy).
    - Ends idle connections while there are more than `CROWDED`.
    """

    def __init__(
        self,
        reads: Reads,
        *,
        max_per_address: int | None = MAX_PER_ADDRESS,
        check_seconds: float = _CHECK_SECONDS,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        self._reads = reads
        self._max_per_address = max_per_address
        self._check_seconds = check_seconds
        self._read_seconds = read_seconds
        self._ended_inputs: set[str] = set()
        self._tried: dict[Read, float] = {}  # when an input was last ended because of that body
        self._progress: dict[str, tuple[float, int]] = {}  # when a client had taken so many bytes
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="connections", daemon=True)

    def start(self) -> None:
        """Begin to check; only Linux tells the state of connections."""
        if sys.platform == "linux":
            self._thread.start()

    def close(self) -> None:
        self._closed.set()

    def _run(self) -> None:
        pause = self._check_seconds
        while not self._closed.wait(pause):
            pause = self._check_seconds
            try:
                if self._check():
                    pause = min(pause, _CROWDED_CHECK_SECONDS)
            except OSError:  # such as too many open files
                log.exception("connections could not be checked")

    def _check(self) -> bool:
        """Check once; True if connections had to be ended to make room."""
        connections = list(_accepted())
        keys = {connection.key for connection in connections}
        self._ended_inputs &= keys
        self._progress = {key: value for key, value in self._progress.items() if key in keys}
        self._end_overdue(connections)
        self._cut_slow_readers(connections)
        return self._make_room(connections)

    def _end_overdue(self, connections: list[Connection]) -> None:
        """End the input of the connections whose bodies are overdue.

        The server does not tell the connection of a request.  It is one of the peer's address,
        nothing was sent to it since, and unless the body still trickles in, its last data came when
        the reading began: the nearest by both is taken.  If that was another one, the body is still
        being read after `_RETRY_SECONDS`, and the next one is taken.
        """
        now = time.monotonic()
        overdue = self._reads.overdue()
        self._tried = {read: at for read, at in self._tried.items() if read in overdue}
        for read in overdue:
            if now - self._tried.get(read, 0.0) < _RETRY_SECONDS:
                continue
            nearest = self._nearest(connections, client_key(read.peer), now - read.began)
            if nearest:
                self._tried[read] = now
                self._ended_inputs.add(nearest.key)
                _shut(nearest, socket.SHUT_RD)

    def _nearest(
        self, connections: Iterable[Connection], peer: str, age: float
    ) -> Connection | None:
        """The likeliest connection of a body from that peer, read for ``age`` seconds."""
        candidates = []
        for connection in connections:
            if connection.address != peer or not connection.received:
                continue
            if connection.key not in self._ended_inputs:
                distance = round(_distance(connection, age), 2)
                candidates.append((distance, connection.received_age, connection))
        if not candidates:
            return None
        return min(candidates, key=itemgetter(0, 1))[2]

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
        surplus = self._over_address_limit(connections)
        crowd = len(connections) - len(surplus) - CROWDED
        if crowd > 0:
            keys = {connection.key for connection in surplus}
            idle = [each for each in connections if each.idle and each.key not in keys]
            idle.sort(key=lambda connection: -min(connection.sent_age, connection.received_age))
            surplus += idle[:crowd]
        for connection in surplus:
            _shut(connection, socket.SHUT_RDWR)
        return bool(surplus)

    def _over_address_limit(self, connections: Iterable[Connection]) -> list[Connection]:
        if self._max_per_address is None:
            return []
        by_address = defaultdict(list)
        for connection in connections:
            by_address[connection.address].append(connection)
        surplus = []
        for group in by_address.values():
            # Idle ones first, because a browser reopens these silently; then the longest waiting.
            group.sort(key=lambda connection: (not connection.idle, -connection.received_age))
            surplus += group[: max(0, len(group) - self._max_per_address)]
        return surplus


def _distance(connection: Connection, age: float) -> float:
    """How far the connection is from one whose body has been read for ``age`` seconds.

    Granian sends 100 (Continue) when the reading begins, so data sent then adds little.
    """
    return abs(connection.received_age - age) + max(0.0, age - connection.sent_age)


def _accepted() -> Iterator[Connection]:
    """The established connections on the ports that this process listens on."""
    listening_ports: set[int] = set()
    connections: list[tuple[int, Connection]] = []
    for name in os.listdir(_DESCRIPTORS):  # noqa: PTH208
        key = _socket_key(int(name))
        if not key:
            continue
        # Not every socket is TCP, and one may have just ended.
        with suppress(OSError, struct.error), _borrowed(int(name)) as sock:
            data = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
            info = _TcpInfo(*_TCP_INFO.unpack(data))
            port = sock.getsockname()[1]
            if info.state == _LISTEN:
                listening_ports.add(port)
            elif info.state in {_ESTABLISHED, _CLOSE_WAIT}:
                connection = Connection(
                    key=key,
                    descriptor=int(name),
                    address=client_key(sock.getpeername()[0]),
                    sent_age=info.last_sent_ms / 1000,
                    received_age=info.last_received_ms / 1000,
                    acked=info.bytes_acked,
                    received=info.bytes_received,
                    answered=info.data_segments_sent > 0,
                    pending=bool(info.unsent_bytes or info.unacked),
                )
                connections.append((port, connection))
    return (connection for port, connection in connections if port in listening_ports)


def _shut(connection: Connection, how: int) -> None:
    """Shut the connection down, if its descriptor is still its own; the server then closes it."""
    if _socket_key(connection.descriptor) == connection.key:
        # It may have ended by itself.
        with suppress(OSError), _borrowed(connection.descriptor) as sock:
            sock.shutdown(how)


def _socket_key(descriptor: int) -> str:
    """The kernel's unique name of the socket at a descriptor; empty if there is none."""
    try:
        target = os.readlink(f"{_DESCRIPTORS}/{descriptor}")  # noqa: PTH115
    except OSError:
        return ""
    if target.startswith("socket:"):
        return target
    return ""


@contextmanager
def _borrowed(descriptor: int) -> Iterator[socket.socket]:
    """The server's descriptor as a socket, without duplicating it.

    The server may close it at any time, and its number may then be that of a database file: closing
    a duplicate would release the locks that this process has on that file.
    """
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, fileno=descriptor)
    try:
        yield sock
    finally:
        sock.detach()
