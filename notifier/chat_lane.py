"""Sending to channels: one message at a time and thread, its beginning committed before it leaves.

But for the first attempt of a message that its receiver would drop as a double: to commit twice for it would halve the rate.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from datetime import datetime, timedelta

from cryptography.fernet import InvalidToken

from config.keys import Keys
from config.settings import Settings
from models import AlertKind, Lane
from models.audience import open_url, signing_secret
from models.database import Database
from notifier import channels, tap
from notifier.claim import Claim, Message, claim
from notifier.deadline import deadline
from notifier.digest import read_digests, skip_empty
from notifier.errors import Refused, SendError, Sent, Unavailable
from notifier.fold import Begun, begin
from notifier.lease import TRIES_IF_UNKNOWN, give_back
from notifier.message import ChannelMessage, folded
from notifier.mime import MailBatch
from notifier.notices import opened, send_notice
from notifier.pacing import Share
from notifier.pause import MAIL, Brake
from notifier.render import Sender, notice_to_channel, render_chat, render_notice
from notifier.services import SERVICES
from notifier.services.base import Service
from notifier.settle import LeaseLost, Settler, put_off
from notifier.short import digest_to_channel, ending_to_channel
from notifier.story import Digest, Ending, Notice, Story, load_told

log = logging.getLogger(__name__)

PASS_SECONDS, LONGEST_PASS_SECONDS = 1.0, 5.0
CHAT_THREADS = 8
"""That send at a time.  Who waits for an answer for long does not count; more would stand in each other's way at the database."""
SLOW_SECONDS = 0.3
"""How long an answer may take until somebody else goes on with the claim: twenty targets that hang would hold up all others."""

StandIn = Callable[[Callable[[], object]], None]
"""Lets another thread call a function, and then send in place of this one."""


class ChatLane:
    """Called by a few threads at once; a target that hangs holds one of them."""

    def __init__(self, settings: Settings, keys: Keys, db: Database, stop: threading.Event) -> None:
        self._db, self._keys, self._stop, self._settings = db, keys, stop, settings
        self._sender = Sender.of(settings)
        self._max_age = timedelta(hours=settings.max_alert_age_hours)
        self._settler = Settler(db)
        self._room = threading.Semaphore(CHAT_THREADS)
        # SQLite lets one write and has no queue: of many that try at once one may wait in vain, so here they take turns.
        self._turn = threading.Lock() if db.embedded else nullcontext()
        self._share = Share(seconds=PASS_SECONDS, first=4, least=1, most=100)

    def send_pass(self, stand_in: StandIn = lambda first: None) -> int:  # noqa: ARG005  alone there is nobody
        """Send one claim's worth of due messages; returns how many rows were taken, 0 if none may be sent.

        Where one waits for its answer, ``stand_in`` is called, and the rest of the claim is left to others.
        """
        with self._room:
            return self._pass(stand_in)

    def _pass(self, stand_in: StandIn) -> int:
        began = time.monotonic()
        with self._turn:
            claimed = claim(self._db, Lane.URGENT, self._share.size)
        if claimed is None:
            return 0
        batch = _Batch(claimed, stand_in)
        brake = Brake(self._db, (message.alert_id for message in claimed.messages))
        try:
            self._load(claimed.messages, batch)
            for message in claimed.messages:
                if self._stop.is_set() or batch.left_to_others or brake.pulled() or time.monotonic() > began + LONGEST_PASS_SECONDS:
                    break
                if message.id in batch.left:
                    self._send(message, batch)
        except LeaseLost as exc:
            log.warning("delivery %s was no longer ours", exc)
        finally:
            if batch.left:
                give_back(self._db, claimed.lease.token)
        self._share.learn(len(claimed.messages) - len(batch.left), time.monotonic() - began)
        return claimed.taken

    def close_connection(self) -> None:
        """End this thread's connections, as the thread ends."""
        tap.close_session()
        self._settler.close()

    def _send(self, message: Message, batch: "_Batch") -> None:
        """Raises LeaseLost."""
        service, token = SERVICES.get(message.service), batch.lease.token
        told, carried = self._rendered(message, batch), list[Message]()
        outcome: Sent | SendError | None
        if isinstance(told, SendError):
            outcome = told
        elif isinstance(told, MailBatch):
            with self._waiting(message, batch):
                outcome = send_notice(self._settings, message, told, batch.lease)
        elif service is None:
            outcome = Refused(f"This version of Storywire does not know the service {message.service}.")
        else:
            if batch.may_begin_unmarked(message, service):
                begun: Begun | datetime = Begun((message,), message.uid)
            else:
                with self._turn:
                    begun = begin(self._db, message, token, service, batch.beside(message))
            if isinstance(begun, datetime):
                put_off(self._db, message, token, begun)
                batch.left.remove(message.id)
                return
            told, carried = self._together(message, told, begun, batch)
            with self._waiting(message, batch):
                outcome = self._attempt(message, told)
        if outcome is None:
            raise LeaseLost(message.uid)
        self._settle(message, batch, outcome, carried)

    @contextmanager
    def _waiting(self, message: Message, batch: "_Batch") -> Iterator[None]:
        """Around what waits for an answer; the rows of the claim that were not begun are given back where it does so for long."""

        def leave() -> None:
            self._room.release()
            batch.stand_in(lambda: give_back(self._db, batch.lease.token, but=message.id))

        slow = None
        try:
            with deadline(SLOW_SECONDS, leave) as slow:
                yield
        finally:
            if slow is not None and slow.passed:
                batch.left_to_others = True
                self._room.acquire()

    def _together(self, message: Message, told: ChannelMessage, begun: Begun, batch: "_Batch") -> tuple[ChannelMessage, list[Message]]:
        """One message for all that begun, and those that it carries; one that cannot be rendered is settled by itself."""
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
        return folded([found[one.id] for one in shown], begun.uid), [one for one in shown if one.id != message.id]

    def _settle(self, message: Message, batch: "_Batch", outcome: Sent | SendError, carried: Sequence[Message] = ()) -> None:
        service = SERVICES.get(message.service)
        tries = TRIES_IF_UNKNOWN if service is None or service.retry_unknown else 1
        batch.left -= {message.id, *(other.id for other in carried)}
        message = batch.digests.get(message.id, message)
        if not isinstance(outcome, Sent):
            batch.resting.add(message.recipient_id)
        self._settler.settle(message, batch.lease.token, outcome, max_age=self._max_age, tries_if_unknown=tries, carried=carried)

    def _load(self, messages: Sequence[Message], batch: "_Batch") -> None:
        missing = [message for message in messages if message.id not in batch.told]
        if missing:
            with self._db.read() as tx:
                digests = read_digests(tx, [message for message in missing if message.kind is AlertKind.DIGEST])
                by_alert = {message.alert_id: message for message in missing if message.kind is not AlertKind.DIGEST}
                told = {alert_id: load_told(tx, message) for alert_id, message in by_alert.items()}
            batch.told |= {message.id: told[message.alert_id] for message in missing if message.alert_id in told}
            batch.told |= {one.message.id: one.digest for one in digests if one.digest is not None}
            batch.digests |= {one.message.id: one.message for one in digests}
            batch.left -= set(skip_empty(self._db, digests, batch.lease.token))

    def _rendered(self, message: Message, batch: "_Batch") -> ChannelMessage | MailBatch | SendError:
        try:
            return self._render(message, batch.told[message.id], batch)
        except Exception as exc:  # whatever an entry holds, the entries behind it must go out
            log.exception("alert %s cannot be rendered", message.alert_id)
            return Unavailable(f"The message cannot be rendered: {type(exc).__name__}")

    def _render(self, message: Message, told: Story | Notice | Digest | Ending, batch: "_Batch") -> ChannelMessage | MailBatch:
        if isinstance(told, Story):
            alike = (message.alert_id, message.told, message.language)
            if alike not in batch.rendered:
                batch.rendered[alike] = render_chat(told.worded(told=message.told), self._sender, message.uid, message.language)
            return replace(batch.rendered[alike], uid=message.uid)
        if isinstance(told, Ending):
            return ending_to_channel(told, self._sender, message.uid, message.language)
        if isinstance(told, Digest):
            return digest_to_channel(told, self._sender, message.uid, message.language)
        if message.service == MAIL:
            return render_notice(opened(told, self._keys), self._sender)
        return notice_to_channel(told, self._sender, message.uid, message.language)

    def _attempt(self, message: Message, told: ChannelMessage) -> Sent | SendError:
        secret = signing_secret(self._keys, message.recipient_uid).encode()
        try:
            return channels.send(open_url(self._keys, message.sealed_url), told, secret=secret)
        except InvalidToken:
            return Unavailable("The stored URL cannot be decrypted: SECRET_KEY is not the one that it was stored with.", ours=True)
        except SendError as exc:
            return exc


class _Batch:
    """One claim on its way: what of it was neither settled nor put off yet."""

    def __init__(self, claimed: Claim, stand_in: StandIn) -> None:
        self.lease, self._messages, self.stand_in = claimed.lease, claimed.messages, stand_in
        self.left_to_others = False
        self.left = {message.id for message in claimed.messages}
        self.resting = {message.recipient_id for message in claimed.messages if message.at_rest}
        self.rendered: dict[tuple[int, bool, str], ChannelMessage] = {}  # entries, for all that are told the same of one
        self.told: dict[int, Story | Notice | Digest | Ending] = {}
        self.digests: dict[int, Message] = {}  # as they know whom they serve

    def may_begin_unmarked(self, message: Message, service: Service) -> bool:
        """Where nothing says that its channel is to be left alone; another thread may hear that while this one sends, too."""
        first = service.unmarked and message.attempts == 1 and message.recipient_id not in self.resting
        return first and self.lease.held()

    def beside(self, message: Message) -> list[Message]:
        """The other ones for the same channel."""
        return [one for one in self._messages if one.id in self.left and one.id != message.id and one.recipient_id == message.recipient_id]
