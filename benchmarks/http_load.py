"""A load client of few system calls, for machines without wrk: connections that are kept alive, one
request in flight on each.

``python -m benchmarks.http_load PORT SECONDS STATUS PATH [FIELD...]`` prints requests a second. It
looks at the status of the first answer alone; all others must be as long, which is what it counts
by.
"""

import selectors
import socket
import sys
import time

CONNECTIONS = 16


def load(port: int, seconds: float, status: str, request: bytes) -> float:
    """Requests a second that were answered."""
    length = _length(port, status, request)
    selector = selectors.DefaultSelector()
    buffer = bytearray(1 << 20)
    missing: dict[socket.socket, int] = {}  # bytes of the answer that have not arrived
    answered = 0
    for _ in range(CONNECTIONS):
        connection = socket.create_connection(("127.0.0.1", port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(connection, selectors.EVENT_READ)
        missing[connection] = length
        connection.send(request)
    began = time.perf_counter()
    while (now := time.perf_counter()) < began + seconds:
        for key, _ in selector.select(1):
            ready = key.fileobj
            assert isinstance(ready, socket.socket)
            got = ready.recv_into(buffer)
            if not 0 < got <= missing[ready]:
                raise SystemExit("an answer broke off or was longer than the first")
            missing[ready] -= got
            if not missing[ready]:
                answered += 1
                missing[ready] = length
                ready.send(request)
    for connection in missing:
        connection.close()
    return answered / (now - began)


def _length(port: int, status: str, request: bytes) -> int:
    """Bytes of a whole answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.send(request)
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += connection.recv(65536)
    head = answer.partition(b"\r\n\r\n")[0]
    if head.split()[1].decode() != status:
        raise SystemExit(f"answered {head.split()[1].decode()}, not {status}")
    lengths = [
        line.partition(b":")[2]
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"content-length:")
    ]
    return len(head) + 4 + (int(lengths[0]) if lengths and status == "200" else 0)


def main(port: str, seconds: str, status: str, path: str, *fields: str) -> None:
    """Print the rate."""
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        "User-Agent: bench",
        "Accept: */*",
        *fields,
        "",
        "",
    ]
    print(load(int(port), float(seconds), status, "\r\n".join(lines).encode()))


if __name__ == "__main__":
    main(*sys.argv[1:])
