"""A post office for tests: followers, and the worker's passes one after the other, without threads
or waiting.
"""

import threading
from collections import Counter
from collections.abc import Sequence

from sqlalchemy import select

from config.keys import Keys
from config.settings import Settings
from models import Delivery, DeliveryState, Entry, Recipient, RevisionKind, Tally
from models.db.database import Database
from models.publishing.revising import Change, retract, revise
from models.recipients.audience import ChannelTarget, add_channel, add_subscriber, unsubscribe
from models.streams.entries import get_entry
from models.text.actor import SYSTEM
from models.text.texts import EntryText
from models.text.tokens import ALL_STREAMS
from notifier.ledger.digest_run import make_digests
from notifier.ledger.fan_out import expand_all
from notifier.worker.chat_lane import ChatLane
from notifier.worker.mail_lane import MailLane

MAIL_FROM = "Courier <news@courier.example>"
BASE_URL = "https://news.example.org"


def counted(db: Database) -> Counter[tuple[int, str, str]]:
    """Alert, lane and state of every ended delivery, and each delivery once as queued."""
    with db.read() as tx:
        rows = tx.execute(select(Delivery.alert_id, Delivery.lane, Delivery.state)).all()
    ended = [(alert_id, lane.value, state.value) for alert_id, lane, state in rows]
    ended = [row for row in ended if row[2] not in ("queued", "claimed")]
    return Counter(
        [
            *ended,
            *((alert_id, lane.value, DeliveryState.QUEUED.value) for alert_id, lane, _ in rows),
        ]
    )


def tallied(db: Database) -> Counter[tuple[int, str, str]]:
    """The same from the tallies; those of folded alerts have no rows to compare with any more."""
    found: Counter[tuple[int, str, str]] = Counter()
    with db.read() as tx:
        for one in tx.scalars(select(Tally).where(Tally.worker != "")):
            found[one.alert_id, one.lane.value, one.kind.value] += one.number
    return +found


def settings(**given: object) -> Settings:
    """Settings of a worker; ``given`` wins."""
    return Settings(
        **{"base_url": BASE_URL, "mail_from": MAIL_FROM, "site_name": "Courier", **given}
    )  # type: ignore[arg-type]


class Office:
    """Who follows, what the worker does next, and what the ledger says of it."""

    def __init__(self, db: Database, keys: Keys, mail_url: str) -> None:
        self.db, self.keys = db, keys
        self.stop = threading.Event()
        self.settings = settings(mail_url=mail_url)
        self.mail = MailLane(self.settings, keys, db, self.stop)
        self.chat = ChatLane(self.settings, keys, db, self.stop)

    def subscribe(self, *addresses: str, stream: str | None = "floods") -> None:
        for address in addresses:
            add_subscriber(self.db, SYSTEM, address, stream=stream)

    def channel(
        self, name: str, url: str, service: str = "webhook", *, stream: str | None = "floods"
    ) -> Recipient:
        return add_channel(
            self.db,
            SYSTEM,
            self.keys,
            name,
            ChannelTarget(url, service, f"{service} …"),
            stream=stream,
        )

    def unsubscribe(self, address: str) -> None:
        unsubscribe(self.db, self.recipient(address).uid, ALL_STREAMS)

    def revise(
        self, entry: Entry, title: str, kind: RevisionKind = RevisionKind.CORRECTION, note: str = ""
    ) -> None:
        with self.db.read() as tx:
            version = get_entry(tx, entry.uid).version
        revise(self.db, SYSTEM, entry.uid, version, EntryText(title), Change(kind, note))

    def retract(self, entry: Entry, note: str = "", change: Change | None = None) -> None:
        with self.db.read() as tx:
            version = get_entry(tx, entry.uid).version
        retract(
            self.db, SYSTEM, entry.uid, version, change or Change(RevisionKind.RETRACTION, note)
        )

    def expand(self) -> int:
        """Fan out, and make the digests that are due."""
        return sum(
            work(self.db, go_on=lambda: True, ring=lambda lane: None)
            for work in (expand_all, make_digests)
        )

    def send(self) -> int:
        """What both lanes do until nothing is due; returns how many rows were taken."""
        handled = 0
        while taken := self.mail.send_pass() + self.chat.send_pass():
            handled += taken
        return handled

    def run(self) -> int:
        """Expand, then send."""
        self.expand()
        return self.send()

    def deliveries(self) -> list[Delivery]:
        with self.db.read() as tx:
            return list(tx.scalars(select(Delivery).order_by(Delivery.id)))

    def ledger(self) -> list[tuple[str, ...]]:
        """Address, state and, for those skipped, reason of every delivery, oldest first."""
        query = select(Recipient.address, Delivery.state, Delivery.reason).join(
            Recipient, Recipient.id == Delivery.recipient_id
        )
        with self.db.read() as tx:
            rows = tx.execute(query.order_by(Delivery.id)).all()
        return [
            (address, state.value, *([reason.value] if reason else []))
            for address, state, reason in rows
        ]

    def recipient(self, address: str) -> Recipient:
        with self.db.read() as tx:
            return tx.scalars(select(Recipient).where(Recipient.address == address)).one()

    def close(self) -> None:
        self.mail.close_connection()
        self.chat.close_connection()


def lines(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Each row as words, in alphabetical order: for tests in which the order of recipients is no
    matter.
    """
    return sorted(" ".join(row) for row in rows)
