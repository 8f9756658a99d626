"""Sending to channels: one message at a time and thread, its beginning committed before it leaves.

But for the first attempt of a message that its receiver would drop as a double: to commit twice for
it would halve the rate.
"""

import logging
import threading
import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from cryptography.fernet import InvalidToken
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from config.keys import Keys
from config.settings import Settings
from models import AlertKind, Lane
from models.db.database import Database
from models.recipients.audience import decrypt_target, signing_secret
from notifier.content.digest import read_digests, skip_empty
from notifier.content.entry import DigestContent, Ending, EntryContent, Notice, load_told
from notifier.content.merging import Begun, begin
from notifier.content.notice import opened, send_notice
from notifier.content.render import Sender, notice_to_channel, render_chat, render_notice
from notifier.content.short_form import digest_to_channel, ending_to_channel
from notifier.ledger.claim import Claim, Message, claim
from notifier.ledger.lease import TRIES_IF_UNKNOWN, give_back
from notifier.ledger.pause import MAIL, Brake
from notifier.ledger.settle import LeaseLost, Settler, put_off
from notifier.message.channel_message import ChannelMessage, folded
from notifier.message.send_errors import RenderError, SendError, Sent, Unavailable
from notifier.services import SERVICES
from notifier.services.base import Service
from notifier.transport import channel_sender, outbound_http
from notifier.transport.deadline import deadline
from notifier.transport.mime import MailBatch
from notifier.worker.render_limit import RenderLimit

log = logging.getLogger(__name__)

LONGEST_PASS_SECONDS = 5.0
MOST = 200
"""Rows of a claim: about as many as all threads of a worker send in a fifth of a second where targets answer at once."""
CHAT_THREADS = 8
"""That send at a time.  Who waits for an answer for long does not count; more would stand in each other's way at the database."""
SLOW_SECONDS = 0.1
"""How long an answer may take until another thread goes on in place of this one: targets that hang would hold up all others."""

UNREADABLE_LINK = "Its link cannot be decrypted: SECRET_KEY is not the one that it was stored with."
UNREADABLE_URL = (
    "The stored URL cannot be decrypted: SECRET_KEY is not the one that it was stored with."
)

StandIn = Callable[[Callable[[], object]], None]
"""Lets another thread call a function, and then send in place of this one."""


class ChatLane:
    """Called by a few threads at once, which help each other: a target that hangs holds one of
    them, and no other message.

    ``ring`` calls those that are idle, where there is something to help with.
    """

    def __init__(
        self,
        settings: Settings,
        keys: Keys,
        db: Database,
        stop: threading.Event,
        ring: Callable[[], None] = lambda: None,
    ) -> None:
        self._ring = ring
        self._db, self._keys, self._stop, self._settings = db, keys, stop, settings
        self._sender = Sender.of(settings)
        self._max_age = timedelta(hours=settings.max_alert_age_hours)
        self._settler = Settler(db)
        self._limit = RenderLimit()
        self._room, self._own = threading.Semaphore(CHAT_THREADS), threading.local()
        # SQLite lets one write and has no queue: of many that try at once one may wait in vain, so
        # here they take turns.
        self._turn = threading.Lock() if db.embedded else nullcontext()
        self._open: list[_ChatBatch] = []

    def send_pass(self, stand_in: StandIn = lambda first: None) -> int:  # noqa: ARG005  alone there is nobody
        """Send one claim's worth of due messages, or help another thread with its own; returns how
        many rows, 0 where none may be sent.

        Where one waits for its answer, ``stand_in`` is called, and another thread goes on with the
        claim.
        """
        with self._in_room():
            with self._turn:
                claimed = claim(self._db, Lane.FAST, MOST)
            if claimed is None:
                return sum(self._work(batch) for batch in list(self._open))
            brake = Brake(
                self._db,
                (message.alert_id for message in claimed.messages),
                of_hold=claimed.of_hold,
            )
            batch = _ChatBatch(
                claimed, stand_in, lambda: not self._stop.is_set() and not brake.pulled()
            )
            try:
                self._load(claimed.messages, batch)
            except BaseException:
                give_back(self._db, claimed.lease.token)
                raise
            self._open.append(batch)
            if len(batch.left) > 1:
                self._ring()  # they may have found nothing while this one was read
            self._work(batch)
            return claimed.taken

    def close_connection(self) -> None:
        """End this thread's connections, as the thread ends."""
        outbound_http.close_session()
        self._settler.close()

    def _go_on(self, batch: "_ChatBatch") -> int:
        with self._in_room():
            return self._work(batch)

    @contextmanager
    def _in_room(self) -> Iterator[None]:
        """One of CHAT_THREADS, until it waits for so long that another takes its place."""
        self._room.acquire()
        self._own.inside = True
        try:
            yield
        finally:
            if self._own.inside:
                self._room.release()

    def _is_back(self) -> bool:
        """Still in the room, or in it again if it is not full. Nobody waits for that, and with
        something in hand nobody asks.
        """
        self._own.inside = self._own.inside or self._room.acquire(blocking=False)
        return bool(self._own.inside)

    def _work(self, batch: "_ChatBatch") -> int:
        """Send what of a claim nobody sends yet, beside others who do the same."""
        sent, over = 0, True
        if not batch.enter():
            return sent
        try:
            while (
                (going := batch.goes_on())
                and self._is_back()
                and (message := batch.take()) is not None
            ):
                try:
                    self._send(message, batch)
                except BaseException:
                    batch.spare(message)
                    raise
                batch.done(message)
                sent += 1
            over = not going
        except LeaseLost as exc:
            log.warning("delivery %s was no longer ours", exc)
        finally:
            rest = batch.leave(over)
            if batch.closed:
                with suppress(ValueError):  # somebody else was quicker
                    self._open.remove(batch)
            if rest:
                give_back(self._db, batch.lease.token, but=list(batch.under_way))
        return sent

    def _send(self, message: Message, batch: "_ChatBatch") -> None:
        """Raises LeaseLost."""
        service, token = SERVICES.get(message.service), batch.lease.token
        with self._replaced_if_slow(batch):
            told, carried = self._rendered(message, batch), list[Message]()
        outcome: Sent | SendError | None
        if isinstance(told, SendError):
            outcome = told
        elif isinstance(told, MailBatch):
            with self._waiting(message, batch):
                outcome = send_notice(self._settings, message, told, batch.lease)
        elif service is None:
            outcome = Unavailable(
                f"This version of Storywire does not know the service {message.service}.", ours=True
            )
        else:
            if batch.may_begin_unmarked(message, service):
                begun: Begun | datetime = Begun((message,), message.uid)
            else:
                with self._turn:
                    begun = begin(self._db, message, token, service, batch.beside(message))
            if isinstance(begun, datetime):
                put_off(self._db, message, token, begun)
                return
            told, carried = self._together(message, told, begun, batch)
            with self._waiting(message, batch):
                outcome = self._attempt(message, told)
        if outcome is None:
            raise LeaseLost(message.uid)
        self._settle(message, batch, outcome, carried)

    @contextmanager
    def _waiting(self, message: Message, batch: "_ChatBatch") -> Iterator[None]:
        """Around what waits for an answer, of which something may have left."""
        batch.sending.add(message.id)
        with self._replaced_if_slow(batch):
            yield

    @contextmanager
    def _replaced_if_slow(self, batch: "_ChatBatch") -> Iterator[None]:
        """Around what may take long: where it does, another thread goes on with the claim."""
        if not self._own.inside:  # another has gone on already
            yield
            return

        def leave() -> None:
            self._room.release()
            batch.stand_in(lambda: self._go_on(batch))

        slow = None
        try:
            with deadline(SLOW_SECONDS, leave) as slow:
                yield
        finally:
            if slow is not None and slow.passed:
                self._own.inside = False

    def _together(
        self, message: Message, told: ChannelMessage, begun: Begun, batch: "_ChatBatch"
    ) -> tuple[ChannelMessage, list[Message]]:
        """One message for all that begun, and those that it carries; one that cannot be rendered is
        settled by itself.
        """
        batch.begun(begun.messages)
        self._load(begun.messages, batch)
        found = {message.id: told}
        for other in begun.messages:
            rendered = told if other.id == message.id else self._rendered(other, batch)
            if isinstance(rendered, ChannelMessage):
                found[other.id] = rendered
            elif isinstance(rendered, SendError):
                self._settle(other, batch, rendered)
        if len(found) == 1:
            return told if told.uid == begun.uid else replace(told, uid=begun.uid), []
        shown = [one for one in begun.messages if one.id in found]
        return folded([found[one.id] for one in shown], begun.uid), [
            one for one in shown if one.id != message.id
        ]

    def _settle(
        self,
        message: Message,
        batch: "_ChatBatch",
        outcome: Sent | SendError,
        carried: Sequence[Message] = (),
    ) -> None:
        service = SERVICES.get(message.service)
        tries = TRIES_IF_UNKNOWN if service is None else None if service.retry_unknown else 1
        message = batch.digests.get(message.id, message)
        if not isinstance(outcome, Sent):
            batch.resting.add(message.recipient_id)
        self._settler.settle(
            message,
            batch.lease.token,
            outcome,
            max_age=self._max_age,
            tries_if_unknown=tries,
            carried=carried,
        )

    def _load(self, messages: Sequence[Message], batch: "_ChatBatch") -> None:
        missing = [message for message in messages if message.id not in batch.told]
        if missing:
            with self._db.read() as tx:
                digests = read_digests(
                    tx, [message for message in missing if message.kind is AlertKind.DIGEST]
                )
                by_alert = {
                    message.alert_id: message
                    for message in missing
                    if message.kind is not AlertKind.DIGEST
                }
                told = {alert_id: _loaded(tx, message) for alert_id, message in by_alert.items()}
            batch.told |= {
                message.id: told[message.alert_id]
                for message in missing
                if message.alert_id in told
            }
            batch.told |= {one.message.id: one.digest for one in digests if one.digest is not None}
            batch.digests |= {one.message.id: one.message for one in digests}
            batch.forget(skip_empty(self._db, digests, batch.lease.token))

    def _rendered(
        self, message: Message, batch: "_ChatBatch"
    ) -> ChannelMessage | MailBatch | SendError:
        """The message, or why there is none: whatever an entry holds, the entries behind it must go
        out.
        """
        told = batch.told[message.id]
        if isinstance(told, RenderError):
            return told
        alike = (
            (message.alert_id, message.told, message.language)
            if isinstance(told, EntryContent)
            else message.uid
        )
        try:
            if alike not in batch.rendered:
                make = partial(self._render, message, told)
                batch.rendered[alike] = self._limit.render(alike, f"alert {message.alert_id}", make)
        except RenderError as exc:
            return exc
        rendered = batch.rendered[alike]
        return (
            replace(rendered, uid=message.uid) if isinstance(rendered, ChannelMessage) else rendered
        )

    def _render(
        self, message: Message, told: EntryContent | Notice | DigestContent | Ending
    ) -> ChannelMessage | MailBatch:
        if isinstance(told, EntryContent):
            return render_chat(
                told.worded(told=message.told), self._sender, message.uid, message.language
            )
        if isinstance(told, Ending):
            return ending_to_channel(told, self._sender, message.uid, message.language)
        if isinstance(told, DigestContent):
            return digest_to_channel(told, self._sender, message.uid, message.language)
        if message.service == MAIL:
            try:
                told = opened(told, self._keys)
            except InvalidToken as exc:
                raise RenderError(UNREADABLE_LINK) from exc
            return render_notice(told, self._sender)
        return notice_to_channel(told, self._sender, message.uid, message.language)

    def _attempt(self, message: Message, told: ChannelMessage) -> Sent | SendError:
        secret = signing_secret(self._keys, message.recipient_uid).encode()
        try:
            return channel_sender.send(
                decrypt_target(self._keys, message.sealed_url), told, secret=secret
            )
        except InvalidToken:
            return Unavailable(UNREADABLE_URL, ours=True)
        except SendError as exc:
            return exc


def _loaded(tx: Session, message: Message) -> EntryContent | Notice | Ending | RenderError:
    try:
        return load_told(tx, message)
    except DBAPIError:
        raise
    except Exception as exc:
        # one that cannot be read must not keep the others of its claim from going out
        log.exception("what alert %s tells cannot be read", message.alert_id)
        return RenderError(f"What it tells cannot be read: {type(exc).__name__}")


class _ChatBatch:
    """One claim on its way, and who works on it. What is in ``left`` was begun by nobody, what is
    ``under_way`` by somebody.
    """

    def __init__(self, claimed: Claim, stand_in: StandIn, may_go_on: Callable[[], bool]) -> None:
        self.lease, self.stand_in, self._may_go_on = claimed.lease, stand_in, may_go_on
        self._until = time.monotonic() + LONGEST_PASS_SECONDS
        self._lock, self._workers, self.closed = threading.Lock(), 0, False
        self.left = {message.id: message for message in claimed.messages}
        self.under_way: dict[int, Message] = {}
        self.sending = set[int]()  # those of which something may have left
        self.resting = {message.recipient_id for message in claimed.messages if message.at_rest}
        # entries, for all that are told the same of one
        self.rendered: dict[Hashable, ChannelMessage | MailBatch] = {}
        self.told: dict[int, EntryContent | Notice | DigestContent | Ending | RenderError] = {}
        self.digests: dict[int, Message] = {}  # as they know whom they serve

    def enter(self) -> bool:
        """One more who works on it; False where it is closed."""
        with self._lock:
            self._workers += not self.closed
            return not self.closed

    def leave(self, over: bool) -> int:
        """One less; how many rows are to be given back, since this was the last one or, if it is
        ``over``, nobody is to go on.
        """
        with self._lock:
            self._workers -= 1
            if self._workers and not over:
                return 0
            rest, self.closed = len(self.left), True
            self.left.clear()
            return rest

    def goes_on(self) -> bool:
        """Whether more of it is to be sent."""
        return time.monotonic() < self._until and self._may_go_on()

    def take(self) -> Message | None:
        """The next message, of a channel to which nobody sends yet: what is owed to one goes there
        in order.
        """
        with self._lock:
            busy = {message.recipient_id for message in self.under_way.values()}
            for message in self.left.values():
                if message.recipient_id not in busy:
                    del self.left[message.id]
                    self.under_way[message.id] = message
                    return message
        return None

    def begun(self, messages: Sequence[Message]) -> None:
        """These are told together with one that was taken."""
        with self._lock:
            for message in messages:
                self.left.pop(message.id, None)

    def done(self, message: Message) -> None:
        """It was settled or put off."""
        with self._lock:
            self.under_way.pop(message.id, None)

    def spare(self, message: Message) -> None:
        """Something went wrong with it: if nothing of it can have left, it is to be given back."""
        with self._lock:
            if message.id not in self.sending:
                del self.under_way[message.id]
                self.left[message.id] = message

    def forget(self, settled: Iterable[int]) -> None:
        """These are to be sent no more."""
        with self._lock:
            for id_ in settled:
                self.left.pop(id_, None)

    def may_begin_unmarked(self, message: Message, service: Service) -> bool:
        """Where nothing says that its channel is to be left alone; another thread may hear that
        while this one sends, too.
        """
        first = (
            service.unmarked and message.attempts == 1 and message.recipient_id not in self.resting
        )
        return first and self.lease.held()

    def beside(self, message: Message) -> list[Message]:
        """The other ones for the same channel."""
        with self._lock:
            return [one for one in self.left.values() if one.recipient_id == message.recipient_id]
