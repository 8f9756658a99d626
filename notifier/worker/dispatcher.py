"""Dispatchers: one thread a lane that claims deliveries, renders them and hands them to senders."""

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial

from config.keys import Keys
from config.settings import Settings
from models import AlertKind, Lane
from models.db.database import Database
from models.text.tokens import unsubscribe_token
from notifier.content.channel_content import (
    Content,
    Rendered,
    load_contents,
    render_content,
    render_key,
)
from notifier.content.digest import read_digests, skip_empty
from notifier.content.mail_groups import mail_groups
from notifier.content.merging import merge
from notifier.content.render import SiteProfile
from notifier.ledger.claim import Message, claim, more_urgent_due
from notifier.ledger.lease import give_back
from notifier.ledger.pause import MAIL, Brake, server_away, server_back
from notifier.ledger.settle import EndedAttempt
from notifier.message.channel_message import ChannelMessage, folded
from notifier.message.send_errors import RenderError, SendError, Unavailable
from notifier.services import SERVICES
from notifier.worker.ledger_writer import LedgerWriter
from notifier.worker.log_once import LogOnce
from notifier.worker.outbox import Batch, Job, Outbox
from notifier.worker.render_limit import RenderLimit
from notifier.worker.senders import ChatSender, MailHealth, MailSender, SenderPool

CHAT_SENDERS = 48
"""So many targets may hang at a time and hold up nobody else."""
MAX_CLAIM, MIN_CLAIM = 200, 10
"""Deliveries of one claim: 200 take some 5 ms of SQLite's write lock."""
URGENT_CHECK_SECONDS = 0.5
"""How often a dispatcher whose outbox is full looks for more urgent deliveries."""
SUPERVISE_SECONDS = 0.25
"""How often it looks at open claims when nothing wakes it."""
NODES = 2
"""Where few deliveries are due, some are left for a second node."""


class Dispatcher(ABC):
    """Feeds one lane's senders from the ledger."""

    lane: Lane
    nodes = 1

    def __init__(
        self,
        settings: Settings,
        keys: Keys,
        db: Database,
        stop: threading.Event,
        writer: LedgerWriter,
        troubles: LogOnce,
    ) -> None:
        self._keys, self._db, self._stop = keys, db, stop
        self._writer, self._troubles = writer, troubles
        self._site = SiteProfile.of(settings)
        self._max_age = timedelta(hours=settings.max_alert_age_hours)
        self._render_limit = RenderLimit()
        self._batches: list[Batch] = []
        self._claim_size = MAX_CLAIM
        self._urgent_check_at = 0.0
        self._may_be_due = False
        self._woken = threading.Event()
        self._thread: threading.Thread | None = None
        self.outbox = Outbox(self._woken.set)
        self._senders: SenderPool

    def wake(self) -> None:
        """Deliveries may be due."""
        self._may_be_due = True
        self._woken.set()

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name=f"{self.lane.value} dispatcher")
        self._thread.start()

    def stop(self) -> None:
        """After ``stop`` is set: let senders end what they have in hand, and give the rest back."""
        self._woken.set()
        if self._thread is not None:
            self._thread.join()
        self.outbox.close()
        self._senders.join()
        self.give_back()

    def _run(self) -> None:
        name = f"the {self.lane.value} lane"
        while not self._stop.is_set():
            self._woken.wait(SUPERVISE_SECONDS if self._batches else None)
            self._woken.clear()
            try:
                self.give_back()
                while self._may_be_due and self.has_room() and not self._stop.is_set():
                    self._may_be_due = self.step() > 0
                self._troubles.over(name)
            except Exception as exc:  # the ticker wakes it again
                self._troubles.report(name, exc)

    def step(self) -> int:
        """Claim once, and hand over what is to be sent; returns how many deliveries were taken."""
        claimed = claim(self._db, self.lane, self._claim_size, sharers=self.nodes)
        if claimed is None:
            return 0
        alert_ids = (message.alert_id for message in claimed.messages)
        brake = Brake(self._db, alert_ids, of_hold=claimed.of_hold)
        batch = Batch(claimed, brake, self._stop.is_set)
        self._batches.append(batch)
        try:
            jobs = self._prepare(batch)
        except BaseException:
            batch.close()
            raise
        self._senders.grow(self.outbox.put(jobs))
        return claimed.taken

    def give_back(self) -> None:
        """Put what is left of claims that are over back in the queue."""
        for batch in list(self._batches):
            rest = batch.take_rest()
            if rest:
                give_back(self._db, batch.token, rest)
            if batch.finished:
                self._batches.remove(batch)
                self._learn(batch, len(rest))

    def _learn(self, batch: Batch, rest: int) -> None:
        """Claim as much as can be sent within a claim's time."""
        if batch.expired and rest:
            self._claim_size = max(MIN_CLAIM, min(MAX_CLAIM, len(batch.claim.messages) - rest))
        elif not rest:
            self._claim_size = min(MAX_CLAIM, 2 * self._claim_size)

    def has_room(self) -> bool:
        """Whether to claim more: few wait for a sender, or what is due is more urgent."""
        if self.outbox.ready() <= self._claim_size // 2:
            return True
        priority = self.outbox.first_priority()
        if priority is None or time.monotonic() < self._urgent_check_at:
            return False
        self._urgent_check_at = time.monotonic() + URGENT_CHECK_SECONDS
        return more_urgent_due(self._db, self.lane, priority)

    @abstractmethod
    def _prepare(self, batch: Batch) -> list[Job]:
        """Load and render a claim; what cannot be sent is settled here."""

    def _settle_unsent(self, batch: Batch, failed: Iterable[tuple[Message, SendError]]) -> None:
        """Record why messages cannot be sent at all."""
        futures = []
        for message, error in failed:
            ended = EndedAttempt(
                message=message, token=batch.token, outcome=error, max_age=self._max_age
            )
            futures.append((message, self._writer.record(ended)))
        for message, future in futures:
            future.result()
            batch.settled([message])


class ChatDispatcher(Dispatcher):
    """The urgent lane: channels, and mails that one person must get at once."""

    lane = Lane.FAST

    def __init__(
        self,
        settings: Settings,
        keys: Keys,
        db: Database,
        stop: threading.Event,
        writer: LedgerWriter,
        troubles: LogOnce,
        *,
        senders: int = CHAT_SENDERS,
    ) -> None:
        super().__init__(settings, keys, db, stop, writer, troubles)
        make = partial(
            ChatSender,
            self.outbox,
            writer,
            self._max_age,
            troubles,
            settings=settings,
            keys=keys,
        )
        self._senders = SenderPool("chat", senders, make)

    def _prepare(self, batch: Batch) -> list[Job]:
        groups = merge(self._db, batch.claim.messages, batch.token)
        messages = [message for group in groups for message in group]
        batch.add(messages)
        contents: dict[int, Content | RenderError] = {}  # by delivery
        with self._db.read() as tx:
            by_alert = load_contents(tx, messages)
            digests = read_digests(
                tx, [message for message in messages if message.kind is AlertKind.DIGEST]
            )
        for message in messages:
            if message.alert_id in by_alert:
                contents[message.id] = by_alert[message.alert_id]
        served: dict[int, Message] = {}  # digests know whom they serve
        for digest in digests:
            served[digest.message.id] = digest.message
            if digest.digest is not None:
                contents[digest.message.id] = digest.digest
        skipped = set(skip_empty(self._db, digests, batch.token))
        batch.settled(message for message in messages if message.id in skipped)
        jobs: list[Job] = []
        failed: list[tuple[Message, SendError]] = []
        rendered: dict[Hashable, Rendered] = {}
        for group in groups:
            ready: list[tuple[Message, Rendered]] = []
            for message in group:
                if message.id in skipped:
                    continue
                message = served.get(message.id, message)
                try:
                    ready.append((message, self._render(message, contents[message.id], rendered)))
                except SendError as exc:
                    failed.append((message, exc))
            if ready:
                jobs.append(_job(batch, ready))
        self._settle_unsent(batch, failed)
        return jobs

    def _render(
        self,
        message: Message,
        content: Content | RenderError,
        rendered: dict[Hashable, Rendered],
    ) -> Rendered:
        if message.service not in SERVICES and message.service != MAIL:
            reason = f"This version of Storywire does not know the service {message.service}."
            raise Unavailable(reason, ours=True)
        if isinstance(content, RenderError):
            raise content
        key = render_key(message)
        if key not in rendered:
            make = partial(render_content, content, message, self._site, self._keys)
            rendered[key] = self._render_limit.render(key, f"alert {message.alert_id}", make)
        result = rendered[key]
        if isinstance(result, ChannelMessage):
            return replace(result, uid=message.uid)
        return result


def _job(batch: Batch, ready: Sequence[tuple[Message, Rendered]]) -> Job:
    first, content = ready[0]
    if len(ready) == 1:
        return Job(batch, first, content)
    contents = [each for _, each in ready if isinstance(each, ChannelMessage)]
    carried = [message for message, _ in ready[1:]]
    return Job(batch, first, folded(contents, first.uid), carried)


class MailDispatcher(Dispatcher):
    """The bulk lane: mail to many."""

    lane = Lane.BULK
    nodes = NODES

    def __init__(
        self,
        settings: Settings,
        keys: Keys,
        db: Database,
        stop: threading.Event,
        writer: LedgerWriter,
        troubles: LogOnce,
    ) -> None:
        super().__init__(settings, keys, db, stop, writer, troubles)
        connections = settings.mail_connections
        self._health = MailHealth(connections, self._pause_mail, self._resume_mail)
        make = partial(
            MailSender,
            self.outbox,
            writer,
            self._max_age,
            troubles,
            settings=settings,
            health=self._health,
            stop=stop,
        )
        self._senders = SenderPool("mail", connections, make)

    def step(self) -> int:
        """As for all lanes; at the end it judges whether the server took any mail."""
        taken = super().step()
        if not taken and not self._batches and self._health.refusals.nobody_taken():
            self._pause_mail("The mail server refuses our mail to every recipient.", False)
        return taken

    def _prepare(self, batch: Batch) -> list[Job]:
        messages = batch.claim.messages
        with self._db.read() as tx:
            digests = read_digests(
                tx, [message for message in messages if message.kind is AlertKind.DIGEST]
            )
            groups = list(mail_groups(tx, messages, digests))
        skipped = set(skip_empty(self._db, digests, batch.token))
        batch.settled(message for message in messages if message.id in skipped)
        jobs: list[Job] = []
        failed: list[tuple[Message, SendError]] = []
        for group in groups:
            try:
                make = partial(group.render, self._site)
                mail = self._render_limit.render(group.key, group.name, make)
            except RenderError as exc:
                failed += [(message, exc) for message, _ in group.to]
                continue
            for message, scope in group.to:
                token = unsubscribe_token(self._keys, message.recipient_uid, scope)
                jobs.append(Job(batch, message, mail, leave_token=token))
        self._settle_unsent(batch, failed)
        return jobs

    def _pause_mail(self, reason: str, probe: bool) -> None:
        for batch in list(self._batches):
            batch.close()
        self._write(partial(server_away, self._db, reason, probe=probe))

    def _resume_mail(self) -> None:
        self._write(partial(server_back, self._db))

    def _write(self, write: partial[None]) -> None:
        try:
            self._writer.call(write).result()
        except Exception as exc:
            self._troubles.report("pausing mail", exc)
