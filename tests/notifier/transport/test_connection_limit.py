"""A mail server that takes fewer connections than a worker would open: mail goes on by those that
it takes.
"""

import asyncio
from collections.abc import Iterator
from contextlib import suppress

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Sink
from aiosmtpd.smtp import SMTP

from config.keys import Keys
from models import DeliveryState, Pause
from notifier.ledger.pause import MAIL
from notifier.transport.connection_limit import GROW_SECONDS, ConnectionLimit
from tests.support.databases import sqlite_only
from tests.support.newsroom import Newsroom
from tests.support.running_worker import eventually, states, working

READERS = 200
TAKEN = 2


class Full(Controller):
    """Takes ``TAKEN`` connections at a time, and refuses more in one of four ways."""

    def __init__(self, way: str) -> None:
        super().__init__(Sink(), hostname="127.0.0.1", port=0)
        self.way, self.open, self.refused = way, set[SMTP](), 0

    def factory(self) -> SMTP:
        return Session(self, self.handler)

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


class Session(SMTP):
    def __init__(self, server: Full, handler: Sink) -> None:
        super().__init__(handler, hostname="full.example")
        self._full_server = server

    @property
    def refuses(self) -> bool:
        return self not in self._full_server.open

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        server = self._full_server
        if len(server.open) < TAKEN:
            server.open.add(self)
        else:
            server.refused += 1
            if server.way in ("421", "drop"):
                assert isinstance(transport, asyncio.Transport)
                if server.way == "421":
                    transport.write(b"421 4.7.0 Error: too many connections from 127.0.0.1\r\n")
                transport.close()
                return
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._full_server.open.discard(self)
        with suppress(AttributeError):  # where it was never made
            super().connection_lost(error)

    async def smtp_EHLO(self, hostname: str) -> None:
        if self.refuses and self._full_server.way == "ehlo":
            await self.push(
                "421 4.3.2 The maximum number of concurrent connections has been reached"
            )
            self.transport.close()
            return
        await super().smtp_EHLO(hostname)

    async def smtp_MAIL(self, arg: str) -> None:
        if self.refuses and self._full_server.way == "mail":
            await self.push("452 4.5.3 too many connections, try again later")
            return
        await super().smtp_MAIL(arg)


@pytest.fixture
def full(request: pytest.FixtureRequest) -> Iterator[Full]:
    server = Full(request.param)
    server.start()
    server.open.clear()
    server.refused = 0
    yield server
    server.stop()


@sqlite_only
@pytest.mark.parametrize(
    "full",
    ["421", *(pytest.param(other, marks=pytest.mark.slow) for other in ("ehlo", "mail", "drop"))],
    indirect=True,
)
def test_mail_goes_on_by_the_connections_that_a_server_takes(
    live: Newsroom, keys: Keys, full: Full
) -> None:
    live.subscribe_many(READERS)
    with working(live.db, keys, mail_url=f"smtp://127.0.0.1:{full.port}", mail_connections=6):
        live.post()
        assert eventually(lambda: states(live) == {DeliveryState.SENT: READERS})
    assert 0 < full.refused <= 12
    with live.db.read() as tx:
        assert tx.get(Pause, MAIL) is None


def test_connections_are_fewer_after_a_refusal_and_more_again_with_time() -> None:
    at = [0.0]
    limit = ConnectionLimit(3, monotonic=lambda: at[0])
    assert limit.enter()
    limit._holders.add(-1)  # another thread holds one
    assert limit.refused()
    assert limit.allowed == 1
    assert not limit.enter()
    at[0] += GROW_SECONDS
    assert limit.enter()
    assert limit.allowed == 2


def test_a_refusal_where_no_connection_is_held_means_that_the_server_is_away() -> None:
    limit = ConnectionLimit(3)
    assert limit.enter()
    assert not limit.refused()
    assert limit.allowed == 3
