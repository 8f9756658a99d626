"""A webhook's receiver that answers at once: ``python -m benchmarks.http_sink PORT [CERTIFICATE]``;
with one it speaks TLS.

Whoever posts to a path below ``/silent`` is never answered. GET answers with two numbers: the
deliveries taken since it was last asked, and how many different ones.
"""

import asyncio
import re
import ssl
import sys

_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
_DELIVERY = re.compile(rb"(?i)\r\nstorywire-delivery: *(\S+)")


class Sink(asyncio.Protocol):
    """One connection, which is kept."""

    taken: list[bytes] = []  # noqa: RUF012  of all connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.pending = transport, b""

    def data_received(self, data: bytes) -> None:
        """Answer each whole request."""
        self.pending += data
        while (end := self.pending.find(b"\r\n\r\n")) >= 0:
            head = self.pending[:end]
            length = _LENGTH.search(head)
            whole = end + 4 + (int(length[1]) if length else 0)
            if len(self.pending) < whole:
                return
            self.pending = self.pending[whole:]
            self._answer(head)

    def _answer(self, head: bytes) -> None:
        body = b"ok"
        if head.startswith(b"GET"):
            body = b"%d %d" % (len(self.taken), len(set(self.taken)))
            self.taken.clear()
        elif head.startswith(b"POST /silent"):
            return
        elif delivery := _DELIVERY.search(head):
            self.taken.append(delivery[1])
        self.transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s"
            % (len(body), body)
        )


async def main(port: int, certificate: str = "") -> None:
    """Serve until killed."""
    tls = None
    if certificate:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate)
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", port, ssl=tls)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), *sys.argv[2:]))
