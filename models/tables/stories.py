"""Tables: the site's counter, streams, entries and their revisions."""

import enum
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    and_,
    text,
)
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, foreign, mapped_column, relationship

from models.tables.base import Base, BigId, Uid
from models.tables.media import Picture
from models.tables.people import Contributor


class Site(Base):
    """The one row about the site itself."""

    __tablename__ = "site"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    # grows by one with every change that the public can see
    seq: Mapped[int] = mapped_column(BigInteger, default=0)
    # of tag: ids; never changed once set
    id_authority: Mapped[str] = mapped_column(String(255), default="")
    sending_paused: Mapped[bool] = mapped_column(default=False)
    # where this database ran last; a copy is held
    fingerprint: Mapped[str | None] = mapped_column(String(300))
    # why sending waits for `storywire resume`
    held_reason: Mapped[str | None] = mapped_column(String(300))
    heartbeat_at: Mapped[datetime | None]  # when a worker last looked for work
    # derived from the site's key: another key is refused
    key_check: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime]


class StreamState(enum.Enum):
    """Where a running story stands."""

    HIDDEN = "hidden"
    LIVE = "live"
    QUIET = "quiet"
    ENDED = "ended"
    DELETED = "deleted"


CLOSED = (StreamState.HIDDEN, StreamState.DELETED)  # to the public


class FeedText(enum.Enum):
    """Part of an entry that its feeds carry."""

    FULL = "full"
    SUMMARY = "summary"


class Stream(Base):
    """A running story."""

    __tablename__ = "stream"

    id: Mapped[BigId]
    uid: Mapped[Uid]
    guid: Mapped[str] = mapped_column(String(300), unique=True)
    slug: Mapped[str] = mapped_column(String(80), unique=True)
    title: Mapped[str] = mapped_column(String(300))
    dek: Mapped[str] = mapped_column(String(1000), default="")
    overview: Mapped[str] = mapped_column(Text, default="")
    overview_html: Mapped[str] = mapped_column(Text, default="")
    language: Mapped[str] = mapped_column(String(35))
    timezone: Mapped[str] = mapped_column(String(64))
    state: Mapped[StreamState] = mapped_column(default=StreamState.LIVE)
    picture_id: Mapped[int | None] = mapped_column(
        BigInteger
    )  # no foreign key: SQLite would make the table anew for one, and lose its rows
    picture_alt: Mapped[str] = mapped_column(String(1000), default="", server_default=text("''"))
    color: Mapped[str | None] = mapped_column(String(7))  # its accent, as #b8241a; none: the site's
    subject_prefix: Mapped[str | None] = mapped_column(String(60))  # of its mails
    mail_intro: Mapped[str | None] = mapped_column(String(1000))  # plain text, on top of its mails
    mail_footer: Mapped[str | None] = mapped_column(String(1000))
    feed_text: Mapped[FeedText] = mapped_column(default=FeedText.FULL, server_default="full")
    # the site's counter at this stream's last public change
    seq: Mapped[int] = mapped_column(BigInteger, default=0)
    # how many of its entries are out: counting takes long
    published: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    created_at: Mapped[datetime]
    last_entry_at: Mapped[datetime | None]
    changed_at: Mapped[datetime]
    credits: Mapped[list["StreamContributor"]] = relationship(
        order_by="StreamContributor.position", cascade="all, delete-orphan", lazy="raise"
    )

    picture: Mapped[Picture | None] = relationship(
        primaryjoin=lambda: foreign(Stream.picture_id) == Picture.id, lazy="raise", viewonly=True
    )

    @property
    def is_public(self) -> bool:
        """Whether readers may know of it."""
        return self.state not in CLOSED

    @property
    def contributors(self) -> list[Contributor]:
        """Contributors credited on a stream, in their order."""
        return [credit.contributor for credit in self.credits]


class StreamSlug(Base):
    """A former address of a stream, which leads to the present one for good."""

    __tablename__ = "stream_slug"

    slug: Mapped[str] = mapped_column(String(80), primary_key=True)
    stream_id: Mapped[int] = mapped_column(ForeignKey("stream.id", ondelete="CASCADE"), index=True)


class StreamContributor(Base):
    """A credit on a stream."""

    __tablename__ = "stream_contributor"

    stream_id: Mapped[int] = mapped_column(
        ForeignKey("stream.id", ondelete="CASCADE"), primary_key=True
    )
    contributor_id: Mapped[int] = mapped_column(ForeignKey("contributor.id"), primary_key=True)
    position: Mapped[int]
    contributor: Mapped[Contributor] = relationship(lazy="raise")


class EntryState(enum.Enum):
    """Where an entry stands."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    SCHEDULED = "scheduled"
    PUBLISHED = "published"
    RETRACTED = "retracted"


class Importance(enum.Enum):
    """Importance of an entry, least first."""

    NORMAL = "normal"
    KEY = "key"
    BREAKING = "breaking"


class FeedDeparture(Base):
    """When an entry last left a feed while it stayed out: its tag, byline or importance changed, or
    its stream was closed.

    A feed's own date must never go back (RFC 4287 section 4.2.15), and the entries that left no
    longer tell it.
    """

    __tablename__ = "feed_departure"

    # as `models.streams.feed_departures` names feeds
    feed: Mapped[str] = mapped_column(String(120), primary_key=True)
    left_at: Mapped[datetime]


_NOTICED = "updated_at > published_at"
_OUT = "state = 'published'"
_WITHIN = "state <> 'published'"
_RAISED = "importance <> 'normal'"
_PINNED = "pinned_at IS NOT NULL"


class Entry(Base):
    """One dated item of a stream, as it stands now."""

    __tablename__ = "entry"
    __table_args__ = (
        # A double tap posts once.
        UniqueConstraint("account_id", "request_key"),
        # The ticker asks which scheduled entries are due.
        Index(
            None,
            "publish_at",
            sqlite_where=text("state = 'scheduled'"),
            postgresql_where=text("state = 'scheduled'"),
        ),
        # Pages and feeds cut their windows by seq.
        Index(None, "stream_id", "seq"),
        Index(None, "seq"),
        # The version of an archive is the last change among its entries and older ones.
        Index(None, "stream_id", "changed_at"),
        Index(None, "changed_at"),
        # Feeds show again what readers should notice: corrections of entries that left the window,
        # and withdrawals.
        Index(
            "ix_entry_noticed",
            "updated_at",
            sqlite_where=text(_NOTICED),
            postgresql_where=text(_NOTICED),
        ),
        Index(
            "ix_entry_noticed_of",
            "stream_id",
            "updated_at",
            sqlite_where=text(_NOTICED),
            postgresql_where=text(_NOTICED),
        ),
        # Pages ask for the latest dates of a stream, and how many it has.
        Index(
            "ix_entry_published",
            "stream_id",
            "published_at",
            sqlite_where=text(_OUT),
            postgresql_where=text(_OUT),
        ),
        # Feeds of all streams show the newest by date.
        Index(
            "ix_entry_dated", "published_at", sqlite_where=text(_OUT), postgresql_where=text(_OUT)
        ),
        Index(
            "ix_entry_within",
            "stream_id",
            "state",
            sqlite_where=text(_WITHIN),
            postgresql_where=text(_WITHIN),
        ),
        # A page shows on top what is pinned.
        Index(
            "ix_entry_pinned",
            "stream_id",
            "pinned_at",
            sqlite_where=text(_PINNED),
            postgresql_where=text(_PINNED),
        ),
        # The feed of key entries.
        Index(
            "ix_entry_raised",
            "stream_id",
            "seq",
            sqlite_where=text(_RAISED),
            postgresql_where=text(_RAISED),
        ),
    )

    id: Mapped[BigId]
    uid: Mapped[Uid]
    guid: Mapped[str] = mapped_column(String(300), unique=True)
    stream_id: Mapped[int] = mapped_column(ForeignKey("stream.id", ondelete="CASCADE"))
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    request_key: Mapped[str | None] = mapped_column(String(64))
    state: Mapped[EntryState]
    version: Mapped[int] = mapped_column(default=1)
    title: Mapped[str] = mapped_column(String(300))
    dek: Mapped[str] = mapped_column(String(1000), default="")
    body: Mapped[str] = mapped_column(Text, default="")
    body_html: Mapped[str] = mapped_column(Text, default="")
    link: Mapped[str] = mapped_column(String(2000), default="")
    importance: Mapped[Importance] = mapped_column(default=Importance.NORMAL)
    alerts: Mapped[bool] = mapped_column(default=True)  # followers are told when it is published
    pinned_at: Mapped[datetime | None]
    # the account that asked last for it to go out
    submitted_by: Mapped[int | None] = mapped_column(BigInteger)
    # why an editor returned it
    remark: Mapped[str] = mapped_column(String(1000), default="", server_default=text("''"))
    publish_at: Mapped[datetime | None]  # when a scheduled entry goes out
    # when it was found scheduled for too long ago to go out unasked: an editor decides
    held_at: Mapped[datetime | None]
    # the time that was chosen: ahead, when to go out; past, the date to bear
    dated_at: Mapped[datetime | None]
    published_at: Mapped[datetime | None]
    # moves for update, correction, retraction, restore; not for silent edits
    updated_at: Mapped[datetime | None]
    # was no news when it came out
    backdated: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    seq: Mapped[int | None] = mapped_column(BigInteger)  # the site's counter when it was first out
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    stream: Mapped[Stream] = relationship(lazy="raise")
    credits: Mapped[list["EntryContributor"]] = relationship(
        order_by="EntryContributor.position", cascade="all, delete-orphan", lazy="raise"
    )
    tags: Mapped[list["EntryTag"]] = relationship(
        order_by="EntryTag.position", cascade="all, delete-orphan", lazy="raise"
    )
    pictures: Mapped[list["EntryPicture"]] = relationship(
        order_by="EntryPicture.position", cascade="all, delete-orphan", lazy="raise"
    )

    @hybrid_property
    def late(self) -> bool:
        """Whether it is scheduled for a time that passed so long ago that it does not go out
        unasked.
        """
        return self.state is EntryState.SCHEDULED and self.held_at is not None

    @late.inplace.expression
    @classmethod
    def _late(cls) -> ColumnElement[bool]:
        return and_(cls.state == EntryState.SCHEDULED, cls.held_at.is_not(None))

    @property
    def byline(self) -> list[Contributor]:
        """The authors, in the order that the editor gave."""
        return [credit.contributor for credit in self.credits]


class EntryContributor(Base):
    """A name in a byline."""

    __tablename__ = "entry_contributor"

    entry_id: Mapped[int] = mapped_column(
        ForeignKey("entry.id", ondelete="CASCADE"), primary_key=True
    )
    contributor_id: Mapped[int] = mapped_column(
        ForeignKey("contributor.id"), primary_key=True, index=True
    )
    position: Mapped[int]
    contributor: Mapped[Contributor] = relationship(lazy="raise")


class EntryPicture(Base):
    """A picture of an entry, with its words: what it shows, and who made it."""

    __tablename__ = "entry_picture"

    entry_id: Mapped[int] = mapped_column(
        ForeignKey("entry.id", ondelete="CASCADE"), primary_key=True
    )
    picture_id: Mapped[int] = mapped_column(ForeignKey("picture.id"), primary_key=True, index=True)
    position: Mapped[int]
    alt: Mapped[str] = mapped_column(String(1000), default="")
    credit: Mapped[str] = mapped_column(String(200), default="")
    picture: Mapped[Picture] = relationship(lazy="raise")


class EntryTag(Base):
    """A tag of an entry: the slug is compared, the label shown."""

    __tablename__ = "entry_tag"

    entry_id: Mapped[int] = mapped_column(
        ForeignKey("entry.id", ondelete="CASCADE"), primary_key=True
    )
    slug: Mapped[str] = mapped_column(String(80), primary_key=True, index=True)
    label: Mapped[str] = mapped_column(String(60))
    position: Mapped[int]


class RevisionKind(enum.Enum):
    """Kind of a change of a published entry."""

    PUBLISH = "publish"
    SILENT = "silent"
    UPDATE = "update"
    CORRECTION = "correction"
    RETRACTION = "retraction"
    RESTORE = "restore"


class RevisionState(enum.Enum):
    """A revision that alerts waits as pending until its undo time is over."""

    PENDING = "pending"
    APPLIED = "applied"
    CANCELLED = "cancelled"


class Revision(Base):
    """One change of a published entry, with the whole text that it leads to."""

    __tablename__ = "revision"
    __table_args__ = (
        UniqueConstraint("entry_id", "no"),
        UniqueConstraint("account_id", "request_key"),
        # One change at most waits for its undo time.
        Index(
            "uq_revision_pending",
            "entry_id",
            unique=True,
            sqlite_where=text("state = 'pending'"),
            postgresql_where=text("state = 'pending'"),
        ),
        Index(
            None,
            "apply_at",
            sqlite_where=text("state = 'pending'"),
            postgresql_where=text("state = 'pending'"),
        ),
    )

    id: Mapped[BigId]
    entry_id: Mapped[int] = mapped_column(ForeignKey("entry.id", ondelete="CASCADE"))
    no: Mapped[int]
    kind: Mapped[RevisionKind]
    state: Mapped[RevisionState]
    note: Mapped[str] = mapped_column(String(1000), default="")  # public
    content: Mapped[dict[str, Any]]  # as models.text.texts.Content packs it
    alerts: Mapped[bool]
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    request_key: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime]
    apply_at: Mapped[datetime]
    applied_at: Mapped[datetime | None]
    entry: Mapped[Entry] = relationship(lazy="raise")
