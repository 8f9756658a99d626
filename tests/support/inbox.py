"""A mail server on loopback whose replies a test can choose."""

import email
import email.policy
from collections import defaultdict
from collections.abc import Callable
from email.message import EmailMessage

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

DROP = "drop"  # a reply that is none: the connection is cut


class _InboxHandler:
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
            _InboxHandler(self),
            hostname="127.0.0.1",
            port=0,
            server_hostname="inbox.example",
            **options,
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
