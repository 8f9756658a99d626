"""Readers at a fixed rate: ``python -m benchmarks.steady_load PORT RATE SECONDS PATH``.

Prints p99 in ms and the number of errors.  The time of a request counts from when it was due, so
requests delayed by a slow server count in full.
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
    head = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "User-Agent: bench", "Accept: */*"]
    request = "\r\n".join([*head, "", ""]).encode()
    selector = selectors.DefaultSelector()
    idle: deque[socket.socket] = deque()
    took: list[float] = []
    errors = 0
    for _ in range(CONNECTIONS):
        connection = socket.create_connection(("127.0.0.1", port), timeout=10)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(connection, selectors.EVENT_READ)
        idle.append(connection)
    began = time.perf_counter()
    number = 0
    asked_at: dict[socket.socket, float] = {}
    answers: dict[socket.socket, bytes] = {}
    while len(took) + errors < rate * seconds:
        due = began + number / rate
        while idle and number < rate * seconds and time.perf_counter() >= due:
            connection = idle.popleft()
            asked_at[connection] = due
            answers[connection] = b""
            connection.sendall(request)
            number += 1
            due = began + number / rate
        wait = 1.0 if not idle or number >= rate * seconds else max(0.0, due - time.perf_counter())
        for key, _ in selector.select(wait):
            ready = key.fileobj
            assert isinstance(ready, socket.socket)
            answers[ready] += ready.recv(1 << 20)
            if not answers[ready]:
                raise SystemExit("the server hung up")
            succeeded = _succeeded(answers[ready])
            if succeeded is not None:
                took.append((time.perf_counter() - asked_at[ready]) * 1000)
                errors += not succeeded
                idle.append(ready)
        if time.perf_counter() > began + seconds + 30:
            raise SystemExit("the server does not keep up")
    return heapq.nlargest(max(1, len(took) // 100), took)[-1], errors


def _succeeded(answer: bytes) -> bool | None:
    """Whether the answer is a 200; None while it is incomplete."""
    head, end_of_head, body = answer.partition(b"\r\n\r\n")
    if not end_of_head:
        return None
    length = next(
        int(line.split(b":")[1])
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"content-length:")
    )
    return head.split()[1] == b"200" if len(body) >= length else None


if __name__ == "__main__":
    print(*load(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]), sys.argv[4]))
