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
from notifier.lease import TRIES_IF_UNKNOWN, give_back
from notifier.message import ChannelMessage
from notifier.pacing import Share
from notifier.pause import Brake
from notifier.render import Sender, render_chat
from notifier.services import SERVICES
from notifier.settle import LeaseLost, Settler, begin_attempt, put_off
from notifier.story import Story, load_story

log = logging.getLogger(__name__)

PASS_SECONDS, LONGEST_PASS_SECONDS = 1.0, 5.0


class ChatLane:
    """Called by a few threads at once; a target that hangs holds one of them."""

    def __init__(self, settings: Settings, keys: Keys, db: Database, stop: threading.Event) -> None:
        self._db, self._keys, self._stop = db, keys, stop
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
            stories = self._stories(claimed)
            for message in claimed.messages:
                if self._stop.is_set() or brake.pulled() or time.monotonic() > began + LONGEST_PASS_SECONDS:
                    break
                self._send(message, stories[message.alert_id], claimed.lease.token)
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

    def _stories(self, claimed: Claim) -> dict[int, Story]:
        with self._db.read() as tx:
            return {alert_id: load_story(tx, alert_id) for alert_id in {message.alert_id for message in claimed.messages}}

    def _send(self, message: Message, story: Story, token: str) -> None:
        """Raises LeaseLost."""
        service = SERVICES.get(message.service)
        if service is None:
            gone = Refused(f"This version of Storywire does not know the service {message.service}.")
            self._settler.settle(message, token, gone, max_age=self._max_age)
            return
        outcome: Sent | SendError
        try:
            told = render_chat(story.worded(told=message.told), self._sender, message.uid)
        except Exception as exc:  # whatever an entry holds, the entries behind it must go out
            log.exception("entry %s cannot be rendered", story.uid)
            outcome = Unavailable(f"The message cannot be rendered: {type(exc).__name__}")
        else:
            until = begin_attempt(self._db, message, token, timedelta(seconds=service.pace_seconds))
            if until is not None:
                put_off(self._db, message, token, until)
                return
            outcome = self._attempt(message, told)
        tries = TRIES_IF_UNKNOWN if service.retry_unknown else 1
        self._settler.settle(message, token, outcome, max_age=self._max_age, tries_if_unknown=tries)

    def _attempt(self, message: Message, told: ChannelMessage) -> Sent | SendError:
        channel = Recipient(uid=message.recipient_uid, sealed_url=message.sealed_url)
        try:
            return channels.send(open_url(self._keys, channel), told, secret=signing_secret(self._keys, channel).encode())
        except InvalidToken:
            return Unavailable("The stored URL cannot be decrypted: SECRET_KEY is not the one that it was stored with.", ours=True)
        except SendError as exc:
            return exc
