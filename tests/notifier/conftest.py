"""Real servers on loopback: an inbox that answers as told, and a bare socket for what no proper
server does.
"""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest
from pytest_httpserver import HTTPServer

from config.keys import Keys
from models.db.database import Database, open_database
from notifier.transport import outbound_http
from notifier.transport.apprise_setup import set_up_apprise
from notifier.transport.mailer import Mailer
from notifier.transport.smtp import MailConnection
from tests.support.bare_server import BareServer
from tests.support.chat_services import (
    LocalHostAdapter,
)
from tests.support.inbox import Inbox
from tests.support.mail_sink import MailSink, mail_sink
from tests.support.newsroom import Newsroom
from tests.support.office import Office, counted, tallied


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    inbox = Inbox()
    inbox.start()
    yield inbox
    inbox.stop()


@pytest.fixture
def mailer(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailer]:
    monkeypatch.setattr(MailConnection, "_own_name", "sender.example")
    mailer = Mailer(inbox.url, "Storywire <news@example.org>", timeout=5)
    yield mailer
    mailer.close()


@pytest.fixture
def bare_server() -> Iterator[Callable[[Callable[[socket.socket], None]], BareServer]]:
    servers: list[BareServer] = []

    def start(talk: Callable[[socket.socket], None]) -> BareServer:
        servers.append(BareServer(talk))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def allow() -> Iterator[Callable[..., None]]:
    """Set Apprise up with these hosts allowed; without a call, none is."""

    def set_up(*hosts: str) -> None:
        set_up_apprise(frozenset(hosts))

    set_up()
    yield set_up
    outbound_http.close_session()
    set_up()


@pytest.fixture
def hook(httpserver: HTTPServer, allow: Callable[..., None]) -> str:
    """URL of a webhook on the local server, which is allowed."""
    allow(f"{httpserver.host}:{httpserver.port}")
    return f"json://{httpserver.host}:{httpserver.port}/hook"


@pytest.fixture
def sink(monkeypatch: pytest.MonkeyPatch) -> Iterator[MailSink]:
    monkeypatch.setattr(MailConnection, "_own_name", "sender.example")
    with mail_sink() as sink:
        yield sink


@pytest.fixture
def new_office(newsroom: Newsroom, keys: Keys, sink: MailSink) -> Iterator[Callable[..., Office]]:
    """Opens offices that send to ``sink`` or to another mail server, each a worker of its own."""
    with ExitStack() as at_end:
        yield lambda mail_url=sink.url: at_end.enter_context(
            closing(Office(newsroom.db, keys, mail_url))
        )
    assert tallied(newsroom.db) == counted(newsroom.db)


@pytest.fixture
def office(
    newsroom: Newsroom, keys: Keys, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Office]:
    """A worker that is stepped by hand, sending to ``inbox``; whatever a test did, its tallies must
    be what a count would find.
    """
    monkeypatch.setattr(MailConnection, "_own_name", "sender.example")
    office = Office(newsroom.db, keys, inbox.url)
    yield office
    office.close()
    assert tallied(office.db) == counted(office.db)


@pytest.fixture
def everywhere(httpserver: HTTPServer, allow: Callable[..., None]) -> Iterator[HTTPServer]:
    """Every host is the local server, which takes what it gets."""
    allow(f"{httpserver.host}:{httpserver.port}")
    outbound_http.session().mount("https://", LocalHostAdapter(httpserver.url_for("")))
    yield httpserver
    outbound_http.close_session()


@pytest.fixture
def live(db: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Newsroom]:
    """A newsroom whose clock runs."""
    monkeypatch.setattr(MailConnection, "_own_name", "sender.example")
    real = open_database(db.engine.url.render_as_string(hide_password=False))
    room = Newsroom(real)
    room.stream()
    yield room
    real.engine.dispose()
