"""A mail server that takes everything and keeps nothing but the addresses: ``python -m
benchmarks.smtp_sink PORT [RATE [DELAY_MS]]``.

RATE is how many messages a second it takes at most, 0 for all; each is answered after DELAY_MS at
the earliest. ``VRFY`` answers with two numbers: the messages taken since it was last asked, and to
how many addresses.
"""

import asyncio
import sys


class Sink(asyncio.Protocol):
    """One session."""

    taken: list[bytes] = []  # noqa: RUF012  of all sessions
    rate, delay, free_at = 0.0, 0.0, 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.pending, self.in_data, self.recipient = transport, b"", False, b""
        transport.write(b"220 sink\r\n")

    def data_received(self, data: bytes) -> None:
        """Answer each whole line, or a whole message."""
        self.pending += data
        answers = []
        while self.in_data or b"\r\n" in self.pending:
            if not self.in_data:
                line, _, self.pending = self.pending.partition(b"\r\n")
                answers.append(self._answer(line))
            elif (end := self.pending.find(b"\r\n.\r\n")) >= 0:
                self.pending, self.in_data = self.pending[end + 5 :], False
                self.taken.append(self.recipient)
                self._took()
            else:
                break
        if answers:
            self.transport.write(b"".join(answers))

    def _took(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        if self.rate:
            Sink.free_at = max(Sink.free_at, now) + 1 / self.rate
        wait = max(self.delay, Sink.free_at - now)
        if wait > 0.0005:
            loop.call_later(wait, self.transport.write, b"250 2.0.0 taken\r\n")
        else:
            self.transport.write(b"250 2.0.0 taken\r\n")

    def _answer(self, line: bytes) -> bytes:
        word = line[:4].upper()
        if word == b"EHLO":
            return b"250-sink\r\n250 PIPELINING\r\n"
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


async def main(port: int, rate: float = 0.0, delay_ms: float = 0.0) -> None:
    """Serve until killed."""
    Sink.rate, Sink.delay = rate, delay_ms / 1000
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), *map(float, sys.argv[2:])))
