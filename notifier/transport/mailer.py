"""Mail through Apprise: one plugin that keeps its connection and is fed batches of rows."""

import warnings
from collections.abc import Callable, Iterable
from typing import Any

from config.mail import parse_mail_url, sender_of
from notifier.message.send_errors import Refused, SendError, Sent
from notifier.transport.apprise_setup import ASSET, keep_secrets, with_apprise
from notifier.transport.mime import BadJob, MailBatch, MailForm, MailJob, render, wire_address
from notifier.transport.smtp import TIMEOUT_SECONDS, MailConnection, NoServer

with warnings.catch_warnings():
    # Its PGP part, which is not used, imports a module that Python 3.11 and 3.12 call deprecated.
    warnings.simplefilter("ignore", DeprecationWarning)
    from apprise.plugins.email.base import NotifyEmail

Settle = Callable[[MailJob, Sent | SendError], None]
MaySend = Callable[[MailJob], bool]

LOST_IN_A_ROW = 2
"""Connections lost by successive messages after which a batch stops: the server is in trouble, not
the message."""


class StoryMail(NotifyEmail):  # type: ignore[no-untyped-call]
    """Sends the batch that it holds. Its scheme is in no registry, so that no channel's URL can
    reach it.
    """

    enabled = True
    service_name = "Storywire mail"
    protocol = "storymail"
    secure_protocol = "storymails"
    request_rate_per_sec = 0

    form: MailForm
    jobs: Iterable[MailJob]
    settle: Settle
    may_send: MaySend
    crash: Exception | None

    def __init__(self, connection: MailConnection, sender: str) -> None:
        super().__init__(
            schema=self.protocol,
            host="localhost",
            smtp_host="localhost",
            from_addr=sender,
            asset=ASSET,
        )  # type: ignore[no-untyped-call]
        self.connection = connection
        self.sender = sender

    def send(self, *args: Any, **kwargs: Any) -> bool:  # noqa: ARG002  the form is rendered already
        """Send each job in turn; True if all were sent. Apprise would swallow an exception, so it
        is kept for the Mailer.
        """
        try:
            return self._send_all()
        except Exception as exc:
            self.crash = exc
            return False

    def _send_all(self) -> bool:
        all_sent = True
        lost = 0
        for job in self.jobs:
            if not self.may_send(job):
                return False
            try:
                outcome = self._send_one(job)
            except NoServer as exc:
                self.settle(job, exc.outcome)
                return False
            lost = lost + 1 if self.connection.lost and not isinstance(outcome, Sent) else 0
            self.settle(job, outcome)
            all_sent = all_sent and isinstance(outcome, Sent)
            if lost >= LOST_IN_A_ROW:
                return False
        return all_sent

    def _send_one(self, job: MailJob) -> Sent | SendError:
        try:
            address = wire_address(job.address)
            message = self.form.fill(job, address)
        except BadJob as exc:
            return Refused(str(exc))
        return self.connection.deliver(self.sender, address, message)


class Mailer:
    """One connection to the mail server, for one thread. ValueError for a MAIL_URL or MAIL_FROM
    that cannot be used.
    """

    def __init__(self, mail_url: str, mail_from: str, *, timeout: float = TIMEOUT_SECONDS) -> None:
        keep_secrets()
        self._mail_from = mail_from
        self._connection = MailConnection(parse_mail_url(mail_url), timeout=timeout)
        self._plugin = StoryMail(self._connection, sender_of(mail_from)[1])
        self._apprise = with_apprise(self._plugin)

    def send(
        self, batch: MailBatch, jobs: Iterable[MailJob], settle: Settle, may_send: MaySend
    ) -> None:
        """Send ``batch`` to each job, one after the other.

        ``may_send`` is asked before each; False stops the batch. ``settle`` gets the outcome right
        after the server's answer and before the next message. A job that is not settled was not
        tried: without a server the first is Unavailable and the rest are left.
        """
        plugin = self._plugin
        plugin.form = render(batch, self._mail_from)
        plugin.jobs = jobs
        plugin.settle = settle
        plugin.may_send = may_send
        plugin.crash = None
        self._apprise.notify(body=batch.html or " ", title=batch.subject)
        if plugin.crash is not None:
            raise plugin.crash

    @property
    def connected(self) -> bool:
        """Whether a session is kept."""
        return not self._connection.lost

    def close(self) -> None:
        """End the session; the next ``send`` opens another."""
        self._connection.close()
