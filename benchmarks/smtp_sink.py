"""A mail server that takes everything and keeps nothing but the addresses: ``python -m benchmarks.smtp_sink PORT``.

``VRFY`` answers with two numbers: the messages taken since it was last asked, and to how many addresses.
"""

import asyncio
import sys


class Sink(asyncio.Protocol):
    """One session."""

    taken: list[bytes] = []  # noqa: RUF012  of all sessions

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.pending, self.in_data, self.recipient = transport, b"", False, b""
        transport.write(b"220 sink\r\n")

    def data_received(self, data: bytes) -> None:
        """Answer each whole line, or a whole message."""
        self.pending += data
        while self.in_data or b"\r\n" in self.pending:
            if not self.in_data:
                line, _, self.pending = self.pending.partition(b"\r\n")
                self.transport.write(self._answer(line))
            elif (end := self.pending.find(b"\r\n.\r\n")) >= 0:
                self.pending, self.in_data = self.pending[end + 5 :], False
                self.taken.append(self.recipient)
                self.transport.write(b"250 2.0.0 taken\r\n")
            else:
                return

    def _answer(self, line: bytes) -> bytes:
        word = line[:4].upper()
        if word == b"RCPT":
            self.recipient = line[8:].strip(b"<>")
        elif word == b"DATA":
            self.in_data = True
            return b"354 go on\r\n"
        elif word == b"VRFY":
            counted = f"252 {len(self.taken)} {len(set(self.taken))}\r\n"
            self.taken.clear()
            return counted.encode()
        elif word == b"QUIT":
            return b"221 bye\r\n"
        return b"250 ok\r\n"


async def main(port: int) -> None:
    """Serve until killed."""
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
