"""Sending mail: claim, render once a batch, send by a kept connection, settle each message after
its answer.
"""

import logging
import threading
import time
from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise

from sqlalchemy.exc import SQLAlchemyError

from config.keys import Keys
from config.settings import Settings
from models import AlertKind, Lane, Priority
from models.db.database import Database
from models.text.tokens import unsubscribe_token
from notifier.content.digest import read_digests, skip_empty
from notifier.content.mail_groups import MailGroup, letters
from notifier.content.render import Sender
from notifier.ledger.claim import Claim, Message, claim, more_urgent_due
from notifier.ledger.lease import give_back
from notifier.ledger.pause import Brake, server_away, server_back
from notifier.ledger.settle import LeaseLost, Settler, begin_mail
from notifier.message.send_errors import RenderError, SendError, Sent, Unavailable
from notifier.transport.connection_limit import ConnectionLimit
from notifier.transport.mailer import Mailer
from notifier.transport.mime import MailJob
from notifier.worker.claim_size import Share
from notifier.worker.installation_refusals import RefusalRun
from notifier.worker.render_limit import RenderLimit

log = logging.getLogger(__name__)

PASS_SECONDS = 5.0
LOOK_SECONDS = 0.5
"""How often a batch looks whether something more urgent is due, and gives way."""
TRIES_IF_UNKNOWN = 5
"""A mail keeps its Message-ID, so mailboxes can drop a double; a server that breaks off each time must not make many."""


class MailLane:
    """Called by as many threads as there may be connections; each keeps a connection of its own."""

    def __init__(self, settings: Settings, keys: Keys, db: Database, stop: threading.Event) -> None:
        self._db, self._keys, self._stop = db, keys, stop
        self._url, self._from = settings.mail_url.get_secret_value(), settings.mail_from
        self._sender = Sender.of(settings)
        self._max_age = timedelta(hours=settings.max_alert_age_hours)
        # 200 rows: some 5 ms of SQLite's write lock
        self._share = Share(seconds=PASS_SECONDS, first=50, least=10, most=200)
        self._settler = Settler(db)
        self._limit = RenderLimit()
        self._sharers = 2 * settings.mail_connections  # a second node may be there
        self._refusals = RefusalRun()
        self._connections = ConnectionLimit(settings.mail_connections)
        self._sending: set[_MailBatch] = set()
        self._own = threading.local()

    def send_pass(self) -> int:
        """Send one claim's worth of due mail, at most 5 s; returns how many rows were taken, 0 if
        none may be sent.
        """
        if not self._connections.enter():
            return 0
        try:
            return self._send_claim()
        finally:
            if not self._mailer().connected:
                self._connections.leave()

    def _send_claim(self) -> int:
        began = time.monotonic()
        claimed = claim(self._db, Lane.BULK, self._share.size, sharers=self._sharers)
        if claimed is None:
            if not self._sending and self._refusals.nobody_taken():
                server_away(
                    self._db, "The mail server refuses our mail to every recipient.", probe=False
                )
            return 0
        batch = _MailBatch(self, claimed, began + PASS_SECONDS)
        self._sending.add(batch)
        try:
            letters_ = self._letters(claimed, batch)
            batch.order([message for letter in letters_ for message, _ in letter.to])
            for letter in letters_:
                if not self._send_letter(letter, batch):
                    break
        finally:
            self._sending.discard(batch)
            if batch.settled < len(claimed.messages):
                give_back(self._db, claimed.lease.token, but=batch.in_flight(), begun=True)
        self._share.learn(batch.settled, time.monotonic() - began)
        return claimed.taken

    def close_connection(self) -> None:
        """End this thread's connection to the mail server, as the thread ends."""
        mailer: Mailer | None = getattr(self._own, "mailer", None)
        if mailer is not None:
            mailer.close()
        self._connections.leave()
        self._settler.close()

    def _mailer(self) -> Mailer:
        if not hasattr(self._own, "mailer"):
            self._own.mailer = Mailer(self._url, self._from)
        mailer: Mailer = self._own.mailer
        return mailer

    def _letters(self, claimed: Claim, batch: "_MailBatch") -> list[MailGroup]:
        with self._db.read() as tx:
            digests = read_digests(
                tx, [message for message in claimed.messages if message.kind is AlertKind.DIGEST]
            )
            found = list(letters(tx, claimed.messages, digests))
        batch.settled += len(skip_empty(self._db, digests, claimed.lease.token))
        return found

    def _send_letter(self, letter: MailGroup, batch: "_MailBatch") -> bool:
        """False where the rest of the claim is to be left."""
        jobs = [
            MailJob(
                one.uid,
                one.address,
                unsubscribe_token(self._keys, one.recipient_uid, scope),
                not one.shared,
            )
            for one, scope in letter.to
        ]
        batch.expect([message for message, _ in letter.to])
        if not batch.lease_held():  # to render may take a third of it
            return False
        try:
            mail = self._limit.render(letter.key, letter.name, lambda: letter.render(self._sender))
        except RenderError as exc:  # whatever an entry holds, the entries behind it must go out
            for job in jobs:
                batch.settle(job, exc)
            return True
        try:
            self._mailer().send(mail, jobs, batch.settle, batch.may_send)
        except SQLAlchemyError:
            raise
        except Exception as exc:
            # one row that nobody foresaw must not come back at once and hold up the lane for ever
            log.exception("a mail of %s cannot be sent", letter.name)
            batch.settle_current(Unavailable(f"The mail cannot be sent: {type(exc).__name__}"))
            return True
        return batch.concluded()

    def _no_use(self, message: Message, outcome: Sent | SendError, *, probe: bool) -> bool:
        """True where the server refuses mail because of us, and takes no other."""
        if isinstance(outcome, Sent):
            self._refusals.taken()
            return False
        again = message.attempts > 1
        ours = self._refusals.add(message.uid, message.address, outcome, again=again)
        return ours and self._refusals.stops_mail(outcome, probe=probe)

    def _full(self, outcome: Sent | SendError) -> bool:
        """Whether the server takes no connection more while others are held; this thread gives up
        its own then.
        """
        turned_away = isinstance(outcome, Unavailable) and outcome.no_session
        if not turned_away or not self._connections.refused():
            return False
        self._mailer().close()
        log.info("the mail server takes %d connections at a time", self._connections.allowed)
        return True


class _MailBatch:
    """What happens around each message of one claim."""

    def __init__(self, lane: MailLane, claimed: Claim, deadline: float) -> None:
        self._lane, self._claim, self._deadline = lane, claimed, deadline
        self._open: dict[str, Message] = {}
        self._next: dict[str, Message] = {}  # the mail behind each
        self._begun: int | None = None  # the delivery whose attempt is noted in the ledger
        self._current: MailJob | None = None  # allowed, and not settled yet
        self._answer: Sent | SendError | None = None  # to that one
        self._brake = Brake(lane._db, (message.alert_id for message in claimed.messages))
        self._stopped = False
        self._paused = False
        self._full = False
        self._look_at = time.monotonic() + LOOK_SECONDS
        self._last: Sent | SendError | None = None
        self.settled = 0

    def order(self, messages: Sequence[Message]) -> None:
        """All mails of the claim in the order in which they are sent."""
        self._next = {message.uid: after for message, after in pairwise(messages)}

    def in_flight(self) -> list[int]:
        """The mail that was allowed and never settled: it may have left."""
        return [] if self._current is None else [self._open[self._current.uid].id]

    def expect(self, messages: Sequence[Message]) -> None:
        """These come next."""
        self._open, self._last = {message.uid: message for message in messages}, None

    def may_send(self, job: MailJob) -> bool:
        """Asked before each message."""
        going = (
            not self._stopped
            and not self._lane._stop.is_set()
            and time.monotonic() < self._deadline
        )
        going = (
            going and not self._brake.pulled() and not self._gives_way(self._open[job.uid].priority)
        )
        self._stopped = not (
            going and self._claim.lease.held() and self._begins(self._open[job.uid])
        )
        self._current = None if self._stopped else job
        self._answer = None
        return not self._stopped

    def _begins(self, message: Message) -> bool:
        """Whether the ledger knows that its attempt begins, as it does since the mail before was
        settled.
        """
        if self._begun != message.id and begin_mail(
            self._lane._db, message, self._claim.lease.token
        ):
            self._begun = message.id
        return self._begun == message.id

    def _gives_way(self, priority: int) -> bool:
        if priority == Priority.IMMEDIATE or time.monotonic() < self._look_at:
            return False
        self._look_at = time.monotonic() + LOOK_SECONDS
        return more_urgent_due(self._lane._db, Lane.BULK, priority)

    def lease_held(self) -> bool:
        """Whether the claim is still ours, renewed where that is due."""
        return self._claim.lease.held()

    def settle(self, job: MailJob, outcome: Sent | SendError) -> None:
        """Called right after each answer."""
        message, after = self._open[job.uid], self._next.get(job.uid)
        if full := self._lane._full(outcome):
            reason = outcome.reason if isinstance(outcome, SendError) else ""
            # no fault of this mail, which is not tried
            outcome = Unavailable(reason, stage="connect")
        self._last = self._answer = outcome
        try:
            self._lane._settler.settle(
                message,
                self._claim.lease.token,
                outcome,
                max_age=self._lane._max_age,
                tries_if_unknown=TRIES_IF_UNKNOWN,
                server_shared=True,
                next_id=after.id if after is not None else None,
            )
            self.settled += 1
            self._begun = after.id if after is not None else None
        except LeaseLost:
            log.warning("delivery %s was no longer ours when it was settled", message.uid)
            self._stopped = True
        del self._open[job.uid]
        self._current = None
        if full:
            self._stopped = self._full = True
        elif self._lane._no_use(message, outcome, probe=self._claim.probe):
            server_away(
                self._lane._db,
                f"The mail server refuses our mail: {outcome}",
                probe=self._claim.probe,
            )
            self._stopped = self._paused = True

    def settle_current(self, outcome: SendError) -> None:
        """For the message that was last allowed, where it broke off; an answer that came counts."""
        if self._current is not None:
            self.settle(self._current, self._answer or outcome)

    def concluded(self) -> bool:
        """After a kind's mails: whether to go on. Mails that the sender left by itself mean that
        the server is away.
        """
        if self._full:
            return False
        away = isinstance(self._last, Unavailable) and self._last.stage == "connect"
        if away or (self._open and not self._stopped):
            reason = (
                self._last.reason
                if isinstance(self._last, SendError)
                else "the mail server broke off"
            )
            server_away(self._lane._db, reason, probe=self._claim.probe)
            return False
        if self._claim.probe and self._last is not None and not self._paused:
            server_back(self._lane._db)
        return not self._stopped
