"""A load client of few system calls: connections that are kept alive, one request in flight on each.

``python -m benchmarks.http_load PORT SECONDS PATH [ETAG]`` prints requests a second.  It looks at the status of the first
answer alone; all others must be as long, which is what it counts by.
"""

import selectors
import socket
import sys
import time

CONNECTIONS = 16


def load(port: int, seconds: float, request: bytes) -> float:
    """Requests a second that were answered."""
    length = _length(port, request)
    selector, buffer, missing, answered = selectors.DefaultSelector(), bytearray(1 << 20), {}, 0
    for _ in range(CONNECTIONS):
        connection = socket.create_connection(("127.0.0.1", port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(connection, selectors.EVENT_READ)
        missing[connection] = length
        connection.send(request)
    began = time.perf_counter()
    while (now := time.perf_counter()) < began + seconds:
        for key, _ in selector.select(1):
            connection = key.fileobj
            got = connection.recv_into(buffer)
            if not 0 < got <= missing[connection]:
                raise SystemExit("an answer broke off or was longer than the first")
            missing[connection] -= got
            if not missing[connection]:
                answered += 1
                missing[connection] = length
                connection.send(request)
    for connection in missing:
        connection.close()
    return answered / (now - began)


def _length(port: int, request: bytes) -> int:
    """Bytes of a whole answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.send(request)
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += connection.recv(65536)
    head = answer.partition(b"\r\n\r\n")[0]
    wanted = b"304" if b"If-None-Match" in request else b"200"
    if head.split()[1] != wanted:
        raise SystemExit(f"answered {head.split()[1].decode()}, not {wanted.decode()}")
    lengths = [line.partition(b":")[2] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    return len(head) + 4 + (int(lengths[0]) if lengths and wanted == b"200" else 0)


def main(port: str, seconds: str, path: str, etag: str = "") -> None:
    """Print the rate."""
    condition = f"If-None-Match: {etag}\r\n" if etag else ""
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUser-Agent: bench\r\nAccept: */*\r\n{condition}\r\n"
    print(load(int(port), float(seconds), request.encode()))


if __name__ == "__main__":
    main(*sys.argv[1:])
