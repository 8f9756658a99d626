"""Senders: threads that do network only. Each has one message in flight, and waits for its commit.

The ledger writer records each outcome together with the beginning of the sender's next message.
"""

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from datetime import timedelta

from cryptography.fernet import InvalidToken

from config.keys import Keys
from config.settings import Settings
from models.recipients.audience import decrypt_target, signing_secret
from notifier.content.notice import send_notice
from notifier.ledger.settle import EndedAttempt, LeaseLost, Start
from notifier.message.send_errors import SendError, Sent, Unavailable, Unknown
from notifier.services import SERVICES
from notifier.transport import channel_sender, outbound_http
from notifier.transport.connection_limit import ConnectionLimit
from notifier.transport.mailer import LOST_IN_A_ROW, Mailer
from notifier.transport.mime import MailBatch, MailJob
from notifier.worker.installation_refusals import RefusalRun
from notifier.worker.ledger_writer import LedgerWriter, Recorded
from notifier.worker.log_once import LogOnce
from notifier.worker.outbox import Job, Outbox

log = logging.getLogger(__name__)

CONNECTION_RETRY_SECONDS = 0.5
UNREADABLE_URL = (
    "The stored URL cannot be decrypted: SECRET_KEY is not the one that it was stored with."
)

Outcome = Sent | SendError


class Sender(ABC):
    """What senders of both lanes share; for one thread."""

    def __init__(
        self, outbox: Outbox, writer: LedgerWriter, max_age: timedelta, troubles: LogOnce
    ) -> None:
        self._outbox, self._writer = outbox, writer
        self._max_age, self._troubles = max_age, troubles
        self._job: Job | None = None  # begun, and not settled

    def run(self) -> None:
        """Send until the outbox is closed."""
        try:
            while (job := self._take()) is not None:
                try:
                    if self._start(job):
                        self._job = job
                        self._send()
                except Exception as exc:  # its rows are freed when their lease is over
                    self._troubles.report("sending", exc)
                    job = self._job or job
                    job.batch.close()
                    job.batch.settled(job.messages)
                    self._outbox.done(job)
                self._job = None
        finally:
            self._close()

    def _take(self) -> Job | None:
        return self._outbox.take()

    @abstractmethod
    def _send(self) -> None:
        """Send the message that has begun, ``_job``, and those that follow it."""

    @abstractmethod
    def _close(self) -> None:
        """End this thread's connections."""

    def _start(self, job: Job) -> bool:
        """Record that a message begins; False where it must not leave now."""
        job.batch.starting(job.messages)
        started = self._wait_for(self._writer.record(start=_start_of(job)), job)
        if not started:
            self._not_started(job)
        return started

    def _end(self, job: Job, outcome: Outcome, following: Job | None) -> Job | None:
        """Record an outcome, and that ``following`` begins; that one, if it may leave.

        The caller says afterwards that ``job`` is done.
        """
        ended = EndedAttempt(
            message=job.message,
            token=job.batch.token,
            outcome=outcome,
            max_age=self._max_age,
            carried=job.carried,
        )
        if following is None:
            self._wait_for(self._writer.record(ended), job)
        else:
            following.batch.starting(following.messages)
            future = self._writer.record(ended, _start_of(following))
            if not self._wait_for(future, job, following):
                self._not_started(following)
                following = None
        job.batch.settled(job.messages)
        return following

    def _wait_for(self, future: Future[Recorded], *jobs: Job) -> bool:
        """Whether an attempt began, once that is committed; an error closes the claims."""
        try:
            return future.result().started
        except LeaseLost as exc:
            log.warning("delivery %s was no longer ours", exc)
        except Exception as exc:
            self._troubles.report("recording what was sent", exc)
        for job in jobs:
            job.batch.close()
        return False

    def _not_started(self, job: Job) -> None:
        if job.batch.is_open():  # its target must wait, and it was put back
            job.batch.settled(job.messages)
        else:
            job.batch.not_sent(job.messages)
        self._outbox.done(job)


def _start_of(job: Job) -> Start:
    service = SERVICES.get(job.message.service)
    pace = service.pace_seconds if service is not None else 0.0
    return Start(
        messages=job.messages,
        token=job.batch.token,
        pace=timedelta(seconds=pace),
        allowed=job.batch.may_start,
    )


class ChatSender(Sender):
    """Sends to channels, and mails that one person must get at once."""

    def __init__(
        self,
        outbox: Outbox,
        writer: LedgerWriter,
        max_age: timedelta,
        troubles: LogOnce,
        *,
        settings: Settings,
        keys: Keys,
    ) -> None:
        super().__init__(outbox, writer, max_age, troubles)
        self._settings, self._keys = settings, keys

    def _send(self) -> None:
        while self._job is not None:
            ended = self._job
            outcome = self._attempt(ended)
            self._job = self._end(ended, outcome, self._outbox.take_now())
            self._outbox.done(ended)

    def _attempt(self, job: Job) -> Outcome:
        message = job.message
        try:
            if isinstance(job.content, MailBatch):
                return send_notice(self._settings, message, job.content)
            url = decrypt_target(self._keys, message.sealed_url)
            secret = signing_secret(self._keys, message.recipient_uid).encode()
            return channel_sender.send(url, job.content, secret=secret)
        except InvalidToken:
            return Unavailable(UNREADABLE_URL, ours=True)
        except SendError as exc:
            return exc
        except Exception as exc:
            log.exception("delivery %s cannot be sent", message.uid)
            return Unknown(f"Sending failed: {type(exc).__name__}")

    def _close(self) -> None:
        outbound_http.close_session()


class MailHealth:
    """What the mail server does with the mails of all connections of this process.

    ``pause`` lets all mail wait, for the reason given; ``resume`` lets it go on.
    """

    def __init__(
        self, connections: int, pause: Callable[[str, bool], None], resume: Callable[[], None]
    ) -> None:
        self.limit = ConnectionLimit(connections)
        self.refusals = RefusalRun()
        self.pause, self.resume = pause, resume

    def stops_mail(self, job: Job, outcome: Outcome) -> bool:
        """Whether the server refuses mail because of us, and takes no other."""
        if isinstance(outcome, Sent):
            self.refusals.taken()
            return False
        message = job.message
        again = message.attempts > 1
        ours = self.refusals.add(message.uid, message.address, outcome, again=again)
        return ours and self.refusals.stops_mail(outcome, probe=job.batch.claim.probe)

    def is_full(self, outcome: Outcome) -> bool:
        """Whether the server takes no connection more, while others are held."""
        turned_away = isinstance(outcome, Unavailable) and outcome.no_session
        return turned_away and self.limit.refused()


class MailSender(Sender):
    """Sends mails over one connection that is kept."""

    def __init__(
        self,
        outbox: Outbox,
        writer: LedgerWriter,
        max_age: timedelta,
        troubles: LogOnce,
        *,
        settings: Settings,
        health: MailHealth,
        stop: threading.Event,
    ) -> None:
        super().__init__(outbox, writer, max_age, troubles)
        self._health, self._stop = health, stop
        self._mailer = Mailer(settings.mail_url.get_secret_value(), settings.mail_from)
        self._lost_in_a_row = 0

    def _take(self) -> Job | None:
        if not self._mailer.connected:
            self._health.limit.leave()
        while not self._health.limit.enter() and not self._stop.wait(CONNECTION_RETRY_SECONDS):
            pass
        return super()._take()

    def _send(self) -> None:
        while self._job is not None:
            content = self._job.content
            assert isinstance(content, MailBatch)
            try:
                self._mailer.send(content, self._mails(content), self._settle, lambda _: True)
            except Exception as exc:
                # One row that nobody foresaw must not come back at once and hold up the lane.
                reason = f"The mail cannot be sent: {type(exc).__name__}"
                log.exception("a mail cannot be sent")
                if self._job is not None:
                    self._settle(_mail_job(self._job), Unavailable(reason))

    def _mails(self, content: MailBatch) -> Iterator[MailJob]:
        """Mails that differ in address and token alone, as long as they come."""
        while self._job is not None and self._job.content is content:
            yield _mail_job(self._job)

    def _settle(self, _mail: MailJob, outcome: Outcome) -> None:
        """Record an answer, and go on with the next mail unless the server is in trouble."""
        job = self._job
        assert job is not None
        is_full = self._health.is_full(outcome)
        if is_full:
            self._mailer.close()
            log.info("the mail server takes %d connections at a time", self._health.limit.allowed)
            # No fault of this mail, which is not tried.
            outcome = Unavailable(str(outcome), stage="connect")
        pause_reason = "" if is_full else self._pause_reason(job, outcome)
        following = None if is_full or pause_reason else self._outbox.take_now()
        following = self._end(job, outcome, following)
        if pause_reason:
            self._health.pause(pause_reason, job.batch.claim.probe)
        elif job.batch.claim.probe and not is_full:
            self._health.resume()
        self._job = following
        self._outbox.done(job)

    def _pause_reason(self, job: Job, outcome: Outcome) -> str:
        """Why mail must wait for the server; empty where it goes on."""
        is_lost = not self._mailer.connected and not isinstance(outcome, Sent)
        self._lost_in_a_row = self._lost_in_a_row + 1 if is_lost else 0
        if self._health.stops_mail(job, outcome):
            return f"The mail server refuses our mail: {outcome}"
        is_away = isinstance(outcome, Unavailable) and outcome.stage == "connect"
        if isinstance(outcome, SendError) and (is_away or self._lost_in_a_row >= LOST_IN_A_ROW):
            self._lost_in_a_row = 0
            return outcome.reason
        return ""

    def _close(self) -> None:
        self._mailer.close()
        self._health.limit.leave()


def _mail_job(job: Job) -> MailJob:
    message = job.message
    return MailJob(message.uid, message.address, job.leave_token, not message.shared)


class SenderPool:
    """Threads with a sender each, started as they are needed."""

    def __init__(self, name: str, most: int, make_sender: Callable[[], Sender]) -> None:
        self._name, self._most, self._make_sender = name, most, make_sender
        self._threads: list[threading.Thread] = []

    def grow(self, missing: int) -> None:
        """Start as many threads more, as far as the limit allows."""
        for _ in range(min(missing, self._most - len(self._threads))):
            sender = self._make_sender()
            thread = threading.Thread(target=sender.run, name=f"{self._name} sender")
            self._threads.append(thread)
            thread.start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join()
