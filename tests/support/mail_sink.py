"""A mail server that takes thousands of mails a second and keeps of each who got it and which it
was.
"""

import asyncio
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import cast

from tests.support.event_loop import event_loop_thread

_MESSAGE_ID = re.compile(rb"(?im)^Message-ID: <([^@>]+)@")
CUT_WITHIN_DATA, SILENT = "cut within data", "silent"


class _Session(asyncio.Protocol):
    def __init__(self, sink: "MailSink") -> None:
        self._sink, self._pending, self._in_data = sink, b"", False
        self._recipient, self._fault, self._refused = "", "", False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(b"220 sink\r\n")
        self._sink.sessions.add(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._sink.sessions.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        self._pending += data
        while self._in_data or b"\r\n" in self._pending:
            if not self._in_data:
                line, _, self._pending = self._pending.partition(b"\r\n")
                self._say(self._answer(line))
            elif self._fault == CUT_WITHIN_DATA:
                self._transport.abort()
                return
            elif (end := self._pending.find(b"\r\n.\r\n")) >= 0:
                message, self._pending, self._in_data = (
                    self._pending[:end],
                    self._pending[end + 5 :],
                    False,
                )
                if self._fault.startswith("data "):
                    self._say(self._fault.removeprefix("data ").encode() + b"\r\n")
                elif self._fault != SILENT:
                    self._sink.take(
                        self._recipient, message, lambda: self._say(b"250 2.0.0 taken\r\n")
                    )
            else:
                return

    def _say(self, answer: bytes) -> None:
        self._transport.write(answer)
        if answer.startswith(b"421"):
            self._transport.close()

    def _answer(self, line: bytes) -> bytes:
        word = line[:4].upper()
        if word == b"EHLO":
            return b"250-sink\r\n250 PIPELINING\r\n"
        if word == b"RCPT":
            self._recipient = line[8:].strip().strip(b"<>").decode()
            self._fault = self._sink.faults.pop(self._recipient, "")
            self._refused = self._fault.startswith("rcpt ")
            if self._refused:
                return self._fault.removeprefix("rcpt ").encode() + b"\r\n"
        if word == b"DATA" and self._refused:
            return b"503 5.5.1 no recipient\r\n"
        if word == b"DATA":
            self._in_data = True
            return b"354 go on\r\n"
        return b"221 bye\r\n" if word == b"QUIT" else b"250 ok\r\n"


class MailSink:
    """``arrived``: address and delivery of each mail, in the order in which they came.

    Once there are more than ``hold_after``, none is answered until `let_go`. ``on_mail`` is called
    with the index of each before it is answered. ``faults``: by address, what its next mail meets:
    ``rcpt 451 ...`` or ``data 554 ...``, an answer at that stage (421 also hangs up),
    CUT_WITHIN_DATA, or SILENT, no answer to the mail at all.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.arrived: list[tuple[str, str]] = []
        self.faults: dict[str, str] = {}
        self.on_mail: Callable[[int], object] = lambda index: None
        self.hold_after = sys.maxsize
        self.url = ""
        self.sessions: set[asyncio.Transport] = set()
        self._held: list[Callable[[], None]] = []
        self._loop = loop

    def take(self, recipient: str, message: bytes, answer: Callable[[], None]) -> None:
        """Keep a mail, and answer it now or later."""
        found = _MESSAGE_ID.search(message)
        assert found is not None
        self.arrived.append((recipient, found[1].decode()))
        self.on_mail(len(self.arrived) - 1)
        if len(self.arrived) > self.hold_after:
            self._held.append(answer)
        else:
            answer()

    def let_go(self) -> None:
        """Answer what is held and all that comes."""
        self.hold_after = sys.maxsize
        self._loop.call_soon_threadsafe(self._answer_all)

    def _answer_all(self) -> None:
        while self._held:
            self._held.pop()()

    async def serve(self) -> asyncio.Server:
        """Listen."""
        server = await self._loop.create_server(lambda: _Session(self), "127.0.0.1", 0)
        self.url = f"smtp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        return server

    def close(self, server: asyncio.Server) -> None:
        """End all sessions."""
        server.close()
        for session in self.sessions:
            session.abort()


@contextmanager
def mail_sink() -> Iterator[MailSink]:
    """A sink that runs."""
    with event_loop_thread() as loop:
        sink = MailSink(loop)
        server = asyncio.run_coroutine_threadsafe(sink.serve(), loop).result(10)
        try:
            yield sink
        finally:
            loop.call_soon_threadsafe(sink.close, server)
