"""Readers who come at a fixed rate: ``python -m benchmarks.steady_load PORT RATE SECONDS PATH``
prints p99 in ms and the errors.

The time of a request counts from the moment when it should have left, so a server that stalls is
not asked less.
"""

import heapq
import selectors
import socket
import sys
import time
from collections import deque

CONNECTIONS = 16


def load(port: int, rate: float, seconds: float, path: str) -> tuple[float, int]:
    """The 99th percentile in milliseconds, and how many requests failed."""
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n".encode()
    selector, idle, took, errors = selectors.DefaultSelector(), deque(), [], 0
    for _ in range(CONNECTIONS):
        connection = socket.create_connection(("127.0.0.1", port), timeout=10)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(connection, selectors.EVENT_READ)
        idle.append(connection)
    began, number, asked_at, got = time.perf_counter(), 0, {}, {}
    while len(took) + errors < rate * seconds:
        due = began + number / rate
        while idle and number < rate * seconds and time.perf_counter() >= due:
            connection = idle.popleft()
            asked_at[connection], got[connection] = due, b""
            connection.sendall(request)
            number += 1
            due = began + number / rate
        wait = 1.0 if not idle or number >= rate * seconds else max(0.0, due - time.perf_counter())
        for key, _ in selector.select(wait):
            connection = key.fileobj
            got[connection] += connection.recv(1 << 20)
            if not got[connection]:
                raise SystemExit("the server hung up")
            if (whole := _whole(got[connection])) is not None:
                took.append((time.perf_counter() - asked_at[connection]) * 1000)
                errors += not whole
                idle.append(connection)
        if time.perf_counter() > began + seconds + 30:
            raise SystemExit("the server does not keep up")
    return heapq.nlargest(max(1, len(took) // 100), took)[-1], errors


def _whole(answer: bytes) -> bool | None:
    """Whether it is a 200; None while something of it is missing."""
    head, found, body = answer.partition(b"\r\n\r\n")
    if not found:
        return None
    length = next(
        int(line.split(b":")[1])
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"content-length:")
    )
    return head.split()[1] == b"200" if len(body) >= length else None


if __name__ == "__main__":
    print(*load(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]), sys.argv[4]))
