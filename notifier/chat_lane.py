"""Sending to channels: one message at a time and thread, its beginning committed before it leaves."""

import logging
import threading
import time
from datetime import timedelta

from cryptography.fernet import InvalidToken

from config.keys import Keys
from config.settings import Settings
from models import Lane, Recipient
from models.audience import open_url, signing_secret
from models.database import Database
from notifier import channels, tap
from notifier.claim import Claim, Message, claim
from notifier.errors import Refused, SendError, Sent, Unavailable
from notifier.lease import TRIES_IF_UNKNOWN, Lease, give_back
from notifier.message import ChannelMessage
from notifier.mime import MailBatch
from notifier.notices import send_notice
from notifier.pacing import Share
from notifier.pause import MAIL, Brake
from notifier.render import Sender, notice_to_channel, render_chat, render_notice
from notifier.services import SERVICES
from notifier.settle import LeaseLost, Settler, begin_attempt, put_off
from notifier.story import Notice, Story, load_told

log = logging.getLogger(__name__)

PASS_SECONDS, LONGEST_PASS_SECONDS = 1.0, 5.0


class ChatLane:
    """Called by a few threads at once; a target that hangs holds one of them."""

    def __init__(self, settings: Settings, keys: Keys, db: Database, stop: threading.Event) -> None:
        self._db, self._keys, self._stop, self._settings = db, keys, stop, settings
        self._sender = Sender.of(settings)
        self._max_age = timedelta(hours=settings.max_alert_age_hours)
        self._settler = Settler(db)
        self._share = Share(seconds=PASS_SECONDS, first=4, least=1, most=50)

    def send_pass(self) -> int:
        """Send one claim's worth of due messages; returns how many rows were taken, 0 if none may be sent."""
        began = time.monotonic()
        claimed = claim(self._db, Lane.URGENT, self._share.size)
        if claimed is None:
            return 0
        handled, brake = 0, Brake(self._db, (message.alert_id for message in claimed.messages))
        try:
            told = self._told(claimed)
            for message in claimed.messages:
                if self._stop.is_set() or brake.pulled() or time.monotonic() > began + LONGEST_PASS_SECONDS:
                    break
                self._send(message, told[message.alert_id], claimed.lease)
                handled += 1
        except LeaseLost as exc:
            log.warning("delivery %s was no longer ours", exc)
        finally:
            if handled < len(claimed.messages):
                give_back(self._db, claimed.lease.token)
        self._share.learn(handled, time.monotonic() - began)
        return claimed.taken

    def close_connection(self) -> None:
        """End this thread's connections, as the thread ends."""
        tap.close_session()

    def _told(self, claimed: Claim) -> dict[int, Story | Notice]:
        with self._db.read() as tx:
            return {message.alert_id: load_told(tx, message) for message in claimed.messages}

    def _send(self, message: Message, told: Story | Notice, lease: Lease) -> None:
        """Raises LeaseLost."""
        service = SERVICES.get(message.service)
        outcome: Sent | SendError | None
        try:
            rendered = self._render(message, told)
        except Exception as exc:  # whatever an entry holds, the entries behind it must go out
            log.exception("alert %s cannot be rendered", message.alert_id)
            outcome = Unavailable(f"The message cannot be rendered: {type(exc).__name__}")
        else:
            if isinstance(rendered, MailBatch):
                outcome = send_notice(self._settings, message, rendered, lease)
            elif service is None:
                outcome = Refused(f"This version of Storywire does not know the service {message.service}.")
            else:
                until = begin_attempt(self._db, message, lease.token, timedelta(seconds=service.pace_seconds))
                if until is not None:
                    put_off(self._db, message, lease.token, until)
                    return
                outcome = self._attempt(message, rendered)
        if outcome is None:
            raise LeaseLost(message.uid)
        tries = TRIES_IF_UNKNOWN if service is None or service.retry_unknown else 1
        self._settler.settle(message, lease.token, outcome, max_age=self._max_age, tries_if_unknown=tries)

    def _render(self, message: Message, told: Story | Notice) -> ChannelMessage | MailBatch:
        if isinstance(told, Story):
            return render_chat(told.worded(told=message.told), self._sender, message.uid)
        if message.service == MAIL:
            return render_notice(told, self._sender)
        return notice_to_channel(told, self._sender, message.uid)

    def _attempt(self, message: Message, told: ChannelMessage) -> Sent | SendError:
        channel = Recipient(uid=message.recipient_uid, sealed_url=message.sealed_url)
        try:
            return channels.send(open_url(self._keys, channel), told, secret=signing_secret(self._keys, channel).encode())
        except InvalidToken:
            return Unavailable("The stored URL cannot be decrypted: SECRET_KEY is not the one that it was stored with.", ours=True)
        except SendError as exc:
            return exc
