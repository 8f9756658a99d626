"""Real servers on loopback: an inbox that answers as told, and a bare socket for what no proper
server does.
"""

import email
import email.policy
import socket
import ssl
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pytest_httpserver import HTTPServer

from config.keys import Keys
from notifier.transport import outbound_http
from notifier.transport.apprise_setup import set_up_apprise
from notifier.transport.mailer import Mailer
from notifier.transport.smtp import MailConnection
from tests.conftest import Newsroom
from tests.support.mail_sink import MailSink, mail_sink
from tests.support.office import Office, counted, tallied

DROP = "drop"  # a reply that is none: the connection is cut


class _Answers:
    """The inbox's side of the talk; apart from it, since aiosmtpd looks at each attribute of a
    handler at each connection.
    """

    def __init__(self, inbox: "Inbox") -> None:
        self._inbox = inbox

    def _reply(self, stage: str, server: SMTP) -> str | None:
        reply = self._inbox.replies[stage].pop(0) if self._inbox.replies[stage] else None
        if reply == DROP:
            server.transport.abort()
        return reply

    async def handle_EHLO(
        self,
        server: SMTP,
        session: Session,
        envelope: Envelope,
        hostname: str,
        responses: list[str],
    ) -> list[str]:
        session.host_name = hostname
        self._inbox.sessions.append(session)
        return responses

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        reply = self._reply("mail", server)
        if reply is None:
            envelope.mail_from = address
            envelope.mail_options.extend(options)
        return reply or "250 2.1.0 ok"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        reply = self._reply("rcpt", server)
        if reply is None:
            envelope.rcpt_tos.append(address)
        return reply or "250 2.1.5 ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        reply = self._reply("data", server)
        if reply is None or reply == DROP:
            self._inbox.on_data(len(self._inbox.envelopes))
            self._inbox.envelopes.append(envelope)
        return reply or "250 2.0.0 stored"


class Inbox(Controller):
    """Stores mails; ``replies[stage]`` holds answers for the next commands of that stage, else it
    takes everything.
    """

    def __init__(self, **options: object) -> None:
        # Named, since aiosmtpd else asks the resolver for each connection.
        super().__init__(
            _Answers(self), hostname="127.0.0.1", port=0, server_hostname="inbox.example", **options
        )
        self.replies: dict[str, list[str]] = defaultdict(list)
        self.envelopes: list[Envelope] = []
        self.sessions: list[Session] = []
        # called with each mail's index before it is answered
        self.on_data: Callable[[int], object] = lambda index: None

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]  # start() dials it, and 0 was asked for
        super()._trigger_server()
        self.sessions.clear()

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    @property
    def mails(self) -> list[EmailMessage]:
        return [
            email.message_from_bytes(e.content, policy=email.policy.default) for e in self.envelopes
        ]

    @property
    def addresses(self) -> list[str]:
        return [address for envelope in self.envelopes for address in envelope.rcpt_tos]


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    inbox = Inbox()
    inbox.start()
    yield inbox
    inbox.stop()


@dataclass(frozen=True)
class Certificate:
    """For localhost, signed by itself."""

    path: Path
    server: ssl.SSLContext


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    pem, no_password = serialization.Encoding.PEM, serialization.NoEncryption()
    path.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, no_password)
        + built.public_bytes(pem)
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path)
    return Certificate(path, server)


@pytest.fixture
def mailer(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailer]:
    monkeypatch.setattr(MailConnection, "_own_name", "sender.example")
    mailer = Mailer(inbox.url, "Storywire <news@example.org>", timeout=5)
    yield mailer
    mailer.close()


def receive(connection: socket.socket) -> bytes:
    """One request whose body is ``x``; empty when the client has left."""
    data = b""
    while not data.endswith(b"\r\n\r\nx"):
        more = connection.recv(65536)
        if not more:
            return b""
        data += more
    return data


class BareServer:
    """Accepts connections one at a time and hands each to ``talk``."""

    def __init__(self, talk: Callable[[socket.socket], None]) -> None:
        self._talk = talk
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            with connection:
                try:
                    self._talk(connection)
                except OSError:
                    continue  # the client went away, as it should in some tests

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)


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
