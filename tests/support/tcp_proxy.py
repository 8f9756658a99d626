"""A wire that a test can cut: TCP to a server and back, or not."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum

from tests.support.event_loop import event_loop_thread

Upstream = tuple[str, int] | str  # host and port, or the path of a socket


class Mode(Enum):
    """What becomes of connections: passed on; hung up at once; taken, and nothing is ever said."""

    THROUGH = "through"
    CUT = "cut"
    SILENT = "silent"


class TcpProxy:
    """``turn`` ends the connections that are there, except that those of a wire that goes silent
    stay, silent.
    """

    port: int

    def __init__(self, upstream: Upstream, loop: asyncio.AbstractEventLoop) -> None:
        self._upstream, self._mode, self._loop = upstream, Mode.THROUGH, loop
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._writers)

    def turn(self, mode: Mode) -> None:
        """From now on treat connections like that."""
        asyncio.run_coroutine_threadsafe(self._turn(mode), self._loop).result(10)

    async def _turn(self, mode: Mode) -> None:
        self._mode = mode
        if mode is not Mode.SILENT:
            for writer in self._writers:
                writer.transport.abort()

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            if self._mode is Mode.THROUGH:
                await self._join(reader, writer)
            elif self._mode is Mode.SILENT:
                await reader.read()
        finally:
            self._writers.discard(writer)
            writer.transport.abort()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = (
            asyncio.open_unix_connection(self._upstream)
            if isinstance(self._upstream, str)
            else asyncio.open_connection(*self._upstream)
        )
        try:
            back, forth = await there
        except OSError:
            return
        try:
            await asyncio.wait(
                {
                    asyncio.create_task(self._carry(*way))
                    for way in ((reader, forth), (back, writer))
                },
                return_when="FIRST_COMPLETED",
            )
        finally:
            forth.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                if self._mode is not Mode.SILENT:
                    writer.write(data)

    async def serve(self) -> asyncio.Server:
        """Listen."""
        server = await asyncio.start_server(self._meet, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return server


@contextmanager
def proxy(upstream: Upstream) -> Iterator[TcpProxy]:
    """A wire to ``upstream`` that lets everything through until it is told otherwise."""
    with event_loop_thread() as loop:
        wire = TcpProxy(upstream, loop)
        server = asyncio.run_coroutine_threadsafe(wire.serve(), loop).result(10)
        try:
            yield wire
        finally:
            loop.call_soon_threadsafe(server.close)
            wire.turn(Mode.CUT)
