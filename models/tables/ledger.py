"""Tables: recipients and subscriptions, alerts, and the delivery ledger."""

import enum
from datetime import date, datetime, time
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Computed,
    ForeignKey,
    Index,
    String,
    Text,
    UniqueConstraint,
    and_,
    case,
    false,
    literal,
    literal_column,
    or_,
    text,
    true,
)
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.tables.base import Base, BigId, Uid, enum_type
from models.tables.stories import Importance, Revision, Stream


class RecipientKind(enum.Enum):
    """How a recipient is reached."""

    MAIL = "mail"
    CHANNEL = "channel"


class RecipientState(enum.Enum):
    """Only confirmed recipients get more than the question whether they confirm."""

    PENDING = "pending"
    CONFIRMED = "confirmed"
    ENDED = "ended"
    SUPPRESSED = "suppressed"


class EndReason(enum.Enum):
    """Why a recipient is ENDED. A column beside the state, whose values nodes of the version before
    know.
    """

    LEFT = "left"  # unsubscribed, or removed by an admin
    ERASED = "erased"  # nothing is known of this person any more
    CONTACT_ONLY = "contact_only"  # no subscriber: gets only notices, as an operator does


class Lane(enum.Enum):
    """Queue of deliveries: chat, push and notices never wait behind bulk mail."""

    FAST = "urgent"  # the stored value, and what commands and metrics call this lane
    BULK = "bulk"


_ADDRESS = String(320).with_variant(String(320, collation="C"), "postgresql")
"""Compared byte by byte on both databases, so that the unique index also finds beginnings."""


def _domain(context: Any) -> str:
    return str(context.get_current_parameters()["address"]).partition("@")[2]


class Priority(enum.IntEnum):
    """Order of deliveries within a lane, the lowest first."""

    HOLD_NOTICE = -1  # tells operators why all sending is held: nothing else goes out meanwhile
    IMMEDIATE = 0  # breaking entries, and notices
    NORMAL = 1
    DIGEST = 2


class Recipient(Base):
    """An e-mail address or a channel."""

    __tablename__ = "recipient"
    __table_args__ = (
        UniqueConstraint("kind", "address"),
        # A fan-out to channels walks them without meeting the mail addresses, which may be many
        # more.
        Index(None, "lane", "id"),
        # The desk lists those of one state, and all of a domain.
        Index(None, "kind", "state", "id"),
        Index(None, "domain", "id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[BigId]
    uid: Mapped[Uid]
    kind: Mapped[RecipientKind]
    # the normalised e-mail address, or the channel's name
    address: Mapped[str] = mapped_column(_ADDRESS)
    # of a mail address
    domain: Mapped[str] = mapped_column(String(255), default=_domain, server_default=text("''"))
    service: Mapped[str] = mapped_column(String(32), default="mail")
    sealed_url: Mapped[str | None] = mapped_column(Text)  # a channel's Apprise URL, encrypted
    masked_url: Mapped[str] = mapped_column(String(300), default="")
    lane: Mapped[Lane]
    language: Mapped[str] = mapped_column(String(35), default="en")
    timezone: Mapped[str] = mapped_column(String(64), default="UTC")
    quiet_from: Mapped[time | None]
    quiet_until: Mapped[time | None]
    paused_until: Mapped[datetime | None]
    state: Mapped[RecipientState]
    end_reason: Mapped[EndReason | None]  # of an ended one; counts for no other state
    # why it is suppressed or failing, mostly in the remote's words
    reason: Mapped[str] = mapped_column(String(500), default="")
    confirmed_at: Mapped[datetime | None]
    # how, where and when they said that they want it: the proof
    consent: Mapped[dict[str, Any] | None]
    # several read that mailbox: one click asks before it ends
    shared: Mapped[bool] = mapped_column(default=False, server_default=false())
    ended_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    next_at: Mapped[datetime | None]  # pace: nothing is sent there before
    # running, of a channel; the breaker counts them
    refusals: Mapped[int] = mapped_column(default=0)
    # of a channel: the first failure since a message got through
    failing_since: Mapped[datetime | None]
    # the breaker is open: one real delivery at a time tries it, not before `next_at`
    sick_since: Mapped[datetime | None]

    def end(self, at: datetime, why: EndReason, reason: str = "") -> None:
        """Send nothing more than notices to this recipient."""
        self.state = RecipientState.ENDED
        self.end_reason = why
        self.reason = reason
        self.ended_at = at

    @property
    def erased(self) -> bool:
        return self.state is RecipientState.ENDED and self.end_reason is EndReason.ERASED

    @property
    def contact_only(self) -> bool:
        return self.state is RecipientState.ENDED and self.end_reason is EndReason.CONTACT_ONLY

    @hybrid_property
    def failing(self) -> bool:
        """Whether it is a channel in use whose breaker is open: the one meaning of "failing" on
        every page and in every report.
        """
        return (
            self.kind is RecipientKind.CHANNEL
            and self.state is RecipientState.CONFIRMED
            and self.sick_since is not None
        )

    @failing.inplace.expression
    @classmethod
    def _failing(cls) -> ColumnElement[bool]:
        return and_(
            cls.kind == RecipientKind.CHANNEL,
            cls.state == RecipientState.CONFIRMED,
            cls.sick_since.is_not(None),
        )


HAS_SUBSCRIBED = or_(
    Recipient.state != RecipientState.ENDED,
    Recipient.end_reason.is_(None),
    Recipient.end_reason == EndReason.LEFT,
)
"""Recipients that lists show: neither erased ones, nor those that only ever got notices."""


class Cadence(enum.Enum):
    """Frequency of a subscription: at once, or in a digest."""

    AT_ONCE = "at_once"
    INTERVAL = "interval"  # every so many minutes, if there is anything
    HOURLY = "hourly"
    DAILY = "daily"
    WEEKLY = "weekly"


_DIGESTED = "next_digest_at IS NOT NULL AND ended_at IS NULL"


class Subscription(Base):
    """A recipient follows a stream, or all streams where ``stream_id`` is null."""

    __tablename__ = "subscription"
    __table_args__ = (
        UniqueConstraint("recipient_id", "stream_id"),
        # Null is never equal to null: one row for all streams needs an index of its own.
        Index(
            "uq_subscription_all",
            "recipient_id",
            unique=True,
            sqlite_where=text("stream_id IS NULL"),
            postgresql_where=text("stream_id IS NULL"),
        ),
        # A fan-out walks the followers of a stream in the order of their recipients.
        Index(None, "stream_id", "recipient_id"),
        # The ticker asks whose digest is due.
        Index(
            None, "next_digest_at", sqlite_where=text(_DIGESTED), postgresql_where=text(_DIGESTED)
        ),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[BigId]
    recipient_id: Mapped[int] = mapped_column(ForeignKey("recipient.id", ondelete="CASCADE"))
    stream_id: Mapped[int | None] = mapped_column(ForeignKey("stream.id", ondelete="CASCADE"))
    least_importance: Mapped[Importance] = mapped_column(default=Importance.NORMAL)
    news: Mapped[bool] = mapped_column(default=True, server_default=true())  # wants new entries
    corrections: Mapped[bool] = mapped_column(default=True)  # wants updates and corrections, too
    cadence: Mapped[Cadence] = mapped_column(default=Cadence.AT_ONCE)
    # of a digest: what matters so much does not wait for it
    at_once_from: Mapped[Importance | None]
    every_minutes: Mapped[int | None]  # of an interval
    digest_time: Mapped[time | None]  # of a daily or weekly one, in the recipient's zone
    digest_day: Mapped[int | None]  # of a weekly one; Monday is 0
    next_digest_at: Mapped[datetime | None]
    # the site's counter when it began: a clock may be put back
    started_seq: Mapped[int | None] = mapped_column(BigInteger)
    # entries up to there were told, or out before
    digested_seq: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    recipient: Mapped[Recipient] = relationship(lazy="raise")
    stream: Mapped[Stream | None] = relationship(lazy="raise")


class SubscriptionTag(Base):
    """A tag that a subscription is limited to; none means no limit."""

    __tablename__ = "subscription_tag"

    subscription_id: Mapped[int] = mapped_column(
        ForeignKey("subscription.id", ondelete="CASCADE"), primary_key=True
    )
    slug: Mapped[str] = mapped_column(String(80), primary_key=True)


class SubscriptionExcept(Base):
    """A stream that a subscription to all streams leaves out, since its recipient left only that
    one.
    """

    __tablename__ = "subscription_except"

    subscription_id: Mapped[int] = mapped_column(
        ForeignKey("subscription.id", ondelete="CASCADE"), primary_key=True
    )
    stream_id: Mapped[int] = mapped_column(
        ForeignKey("stream.id", ondelete="CASCADE"), primary_key=True
    )


class AlertState(enum.Enum):
    """How far an alert is, or what it waits for."""

    WAITING_FOR_APPROVAL = "waiting_for_approval"  # an editor lets it go
    HELD = "held"  # it would come so late that an operator decides; deliveries are made, and wait
    SENDING = "sending"
    STOPPED = "stopped"  # an editor may resume it
    FINISHED = "finished"  # every delivery has ended
    COMPACTED = "compacted"  # only its tallies are left; nothing of it is sent again


_ALERT_STATE = (
    "CASE"
    " WHEN folded_at IS NOT NULL THEN 'compacted'"
    " WHEN stopped_at IS NOT NULL THEN 'stopped'"
    " WHEN waits_for IS NOT NULL THEN 'waiting_for_approval'"
    " WHEN held_at IS NOT NULL THEN 'held'"
    " WHEN finished_at IS NOT NULL THEN 'finished'"
    " ELSE 'sending' END"
)


class AlertKind(enum.Enum):
    """Content of an alert."""

    REVISION = "revision"
    DIGEST = "digest"
    NOTICE = "notice"
    ENDING = "ending"  # a stream's last word to those who follow it


class Alert(Base):
    """One thing to announce.

    The database makes ``state`` from the columns after it, so it is right whichever node wrote
    them: also one of the version before, which does not know it.
    """

    __tablename__ = "alert"
    __table_args__ = (
        UniqueConstraint("slot", "cadence"),  # a digest is made once
        # A digest asks what else was told since the one before.
        Index(None, "kind", "seq"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[BigId]
    kind: Mapped[AlertKind]
    revision_id: Mapped[int | None] = mapped_column(
        ForeignKey("revision.id", ondelete="CASCADE"), unique=True
    )
    stream_id: Mapped[int | None] = mapped_column(BigInteger)  # of an ending
    # the site's counter when it was owed; a digest tells what came up to there
    seq: Mapped[int | None] = mapped_column(BigInteger)
    # the counter when its cause became public; who followed later is not told
    public_seq: Mapped[int | None] = mapped_column(BigInteger)
    slot: Mapped[str | None] = mapped_column(String(40))
    cadence: Mapped[Cadence | None]
    notice: Mapped[dict[str, Any] | None]  # the name of a notice and its values
    priority: Mapped[int] = mapped_column(default=Priority.NORMAL)  # see Priority
    created_at: Mapped[datetime]
    state: Mapped[AlertState] = mapped_column(
        enum_type(AlertState, length=24), Computed(_ALERT_STATE)
    )
    stopped_at: Mapped[datetime | None]
    waits_for: Mapped[str | None] = mapped_column(String(16))  # second (editor), or most (alerts)
    held_at: Mapped[datetime | None]
    resumed_at: Mapped[datetime | None]  # when an operator let it go, however late it was
    finished_at: Mapped[datetime | None]
    compacted_at: Mapped[datetime | None] = mapped_column("folded_at")
    revision: Mapped[Revision | None] = relationship(lazy="raise")


MAY_EXPAND = Alert.state.in_([AlertState.SENDING, AlertState.HELD])
"""Alerts whose fan-outs go on."""
MUST_NOT_SEND = Alert.state.in_(
    [AlertState.WAITING_FOR_APPROVAL, AlertState.HELD, AlertState.STOPPED]
)
"""Alerts of which a worker sends nothing more, though it has claimed some of their deliveries."""


class Fanout(Base):
    """Progress of turning an alert into the deliveries of one lane."""

    __tablename__ = "fanout"
    __table_args__ = (
        UniqueConstraint("alert_id", "lane"),
        # Workers ask which are not done.
        Index(
            None,
            "lane",
            "id",
            sqlite_where=text("done_at IS NULL"),
            postgresql_where=text("done_at IS NULL"),
        ),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[BigId]
    alert_id: Mapped[int] = mapped_column(ForeignKey("alert.id", ondelete="CASCADE"))
    lane: Mapped[Lane]
    cursor: Mapped[int] = mapped_column(BigInteger, default=0)  # the last recipient looked at
    done_at: Mapped[datetime | None]
    alert: Mapped[Alert] = relationship(lazy="raise")


class DeliveryState(enum.Enum):
    """State of one message."""

    QUEUED = "queued"
    CLAIMED = "claimed"
    SENT = "sent"
    FAILED = "failed"
    UNKNOWN = "unknown"  # it may have arrived, and is not sent again by itself
    SKIPPED = "skipped"


class SkipReason(enum.Enum):
    """Reason of a skipped delivery."""

    FILTER = "filter"
    QUIET = "quiet"
    DIGEST = "digest"
    SUPERSEDED = "superseded"
    RETRACTED = "retracted"
    CANCELLED = "cancelled"
    SUPPRESSED = "suppressed"
    STOPPED = "stopped"  # with its alert; queued again when that goes on


_DUE = "state = 'queued' AND held_at IS NULL"


class Delivery(Base):
    """One alert to one recipient."""

    __tablename__ = "delivery"
    __table_args__ = (
        # A recipient gets an alert once, however often a worker restarts.
        UniqueConstraint("alert_id", "recipient_id"),
        # A lane's claim asks only for rows that it may take now, the most urgent first.
        Index(
            None,
            "lane",
            "priority",
            "due_at",
            "id",
            sqlite_where=text(_DUE),
            postgresql_where=text(_DUE),
        ),
        # The ticker releases leases that ran out.
        Index(
            None,
            "lease_until",
            sqlite_where=text("state = 'claimed'"),
            postgresql_where=text("state = 'claimed'"),
        ),
        # What else is owed to a channel, which may be told in one message.
        Index(
            "ix_delivery_chat_owed",
            "recipient_id",
            "id",
            sqlite_where=text("state = 'queued' AND lane = 'urgent'"),
            postgresql_where=text("state = 'queued' AND lane = 'urgent'"),
        ),
        # What went wrong with an alert, among however many that went well.
        Index(
            None,
            "alert_id",
            "id",
            sqlite_where=text("state IN ('failed', 'unknown')"),
            postgresql_where=text("state IN ('failed', 'unknown')"),
        ),
        # Which digests a recipient had since a moment, and whether one of them still waits.
        Index(
            "ix_delivery_digest",
            "recipient_id",
            "alert_id",
            sqlite_where=text("priority = 2"),
            postgresql_where=text("priority = 2"),
        ),
        # What a recipient was told, and whether an earlier revision still waits.
        Index(None, "recipient_id", "id"),
        {"sqlite_autoincrement": True},  # a deleted row's id is never given to a newcomer
    )

    id: Mapped[BigId]
    uid: Mapped[Uid]  # the Message-ID is made from it
    alert_id: Mapped[int] = mapped_column(ForeignKey("alert.id", ondelete="CASCADE"))
    recipient_id: Mapped[int] = mapped_column(ForeignKey("recipient.id", ondelete="CASCADE"))
    # why one gets it
    subscription_id: Mapped[int | None] = mapped_column(
        ForeignKey("subscription.id", ondelete="SET NULL")
    )
    lane: Mapped[Lane]
    priority: Mapped[int]  # see Priority
    state: Mapped[DeliveryState] = mapped_column(default=DeliveryState.QUEUED)
    reason: Mapped[SkipReason | None]
    attempts: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    due_at: Mapped[datetime]
    held_at: Mapped[datetime | None]  # queued, but its alert is held or waits for approval
    lease_until: Mapped[datetime | None]
    # in a row that ran out before anything was sent
    lost_leases: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    claim_token: Mapped[str | None] = mapped_column(String(32))
    started_at: Mapped[datetime | None]  # the attempt began, so the message may be out
    # When an attempt may first have delivered it without an answer that says so.  It outlives all
    # that becomes of the row: what may have arrived is told of a retraction.
    may_have_arrived_at: Mapped[datetime | None]
    settled_at: Mapped[datetime | None]
    last_reply: Mapped[str | None] = mapped_column(String(500))
    # told inside the message of that delivery, to the same channel
    folded_into: Mapped[int | None] = mapped_column(BigInteger)
    alert: Mapped[Alert] = relationship(lazy="raise")
    recipient: Mapped[Recipient] = relationship(lazy="raise")


IS_DIGEST = Delivery.priority == literal_column(str(Priority.DIGEST.value))
"""Spelled as in its partial index: SQLite uses one only where it sees the condition."""
TOLD_STATE = case(
    (
        and_(Delivery.may_have_arrived_at.is_not(None), Delivery.state != DeliveryState.CLAIMED),
        literal(DeliveryState.UNKNOWN, Delivery.__table__.c.state.type),
    ),
    else_=Delivery.state,
)
"""State of a delivery as far as its recipient's knowledge goes: unknown where an earlier attempt
may have arrived, whatever became of the row since."""
MAY_HAVE_BEEN_TOLD = TOLD_STATE.in_(
    [DeliveryState.SENT, DeliveryState.CLAIMED, DeliveryState.UNKNOWN]
)
"""The recipient of a delivery may know what it tells."""


class TallyKind(enum.Enum):
    """Count of an alert's deliveries: all that were ever owed, or those that ended in one way."""

    OWED = "queued"  # the stored value of earlier versions, whose nodes may run beside this one
    SENT = "sent"
    FAILED = "failed"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"


class Tally(Base):
    """Deliveries of an alert by kind, as one worker counted them; summed on read, so that no two
    workers update one row.
    """

    __tablename__ = "tally"

    alert_id: Mapped[int] = mapped_column(
        ForeignKey("alert.id", ondelete="CASCADE"), primary_key=True
    )
    worker: Mapped[str] = mapped_column(String(64), primary_key=True)
    lane: Mapped[Lane] = mapped_column(primary_key=True)
    kind: Mapped[TallyKind] = mapped_column("state", primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, default=0)
    # How many were taken off ``number`` again by a retry: a counter of metrics must never fall.
    taken_back: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")


class DailySum(Base):
    """A total at the end of a day (UTC), for plots: counting it again would read every row."""

    __tablename__ = "daily_sum"

    day: Mapped[date] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger)


class WorkerHeartbeat(Base):
    """A worker process that runs, or that stopped without saying so. See `models.db.heartbeats`."""

    __tablename__ = "worker_heartbeat"

    worker: Mapped[str] = mapped_column(String(64), primary_key=True)  # host:process id
    lanes: Mapped[str] = mapped_column(String(40))  # values of Lane, separated by spaces
    started_at: Mapped[datetime]
    beat_at: Mapped[datetime]


class SendMark(Base):
    """Progress of sending, in one row. See `models.alerts.send_mark`."""

    __tablename__ = "send_mark"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(BigInteger)
    # PostgreSQL's, that wrote the row
    transaction_id: Mapped[int | None] = mapped_column(BigInteger)
    timeline: Mapped[int | None]  # PostgreSQL's, when the row was written


class Pause(Base):
    """A mail server that is away: all nodes wait until a moment, or until a worker starts anew."""

    __tablename__ = "pause"

    name: Mapped[str] = mapped_column(String(80), primary_key=True)  # a lane, or "mail"
    until: Mapped[datetime | None]  # None: until a worker starts with other settings
    failures: Mapped[int] = mapped_column(default=0)
    reason: Mapped[str] = mapped_column(String(500), default="")

    @classmethod
    def is_on(cls, now: datetime) -> ColumnElement[bool]:
        return or_(cls.until.is_(None), cls.until > now)
