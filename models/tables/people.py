"""Tables: accounts that log in, and contributors who are credited."""

import enum
from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.tables.base import Base, BigId, Uid


class Role(enum.Enum):
    """Permissions of an account; each role includes those after it."""

    ADMIN = "admin"  # accounts and channels, too
    EDITOR = "editor"  # publishes
    AUTHOR = "author"  # writes and submits

    def includes(self, other: "Role") -> bool:
        """True when this role may do all that ``other`` may."""
        order = list(Role)
        return order.index(self) <= order.index(other)


class Account(Base):
    """A person, or the command line, who changes things. Without an e-mail address nobody can log
    in with it.
    """

    __tablename__ = "account"

    id: Mapped[BigId]
    name: Mapped[str] = mapped_column(String(100))
    email: Mapped[str | None] = mapped_column(String(320), unique=True)
    role: Mapped[Role]
    password_hash: Mapped[str | None] = mapped_column(String(200))
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime | None]  # to the hour
    ended_at: Mapped[datetime | None]


class LinkKind(enum.Enum):
    """Purpose of a link: to log in once, or to choose a password after an invitation or reset."""

    LOGIN = "login"
    INVITATION = "invitation"
    RESET = "reset"


class LoginLink(Base):
    """A link that lets an account in once, for a while; only the hash of its token is kept."""

    __tablename__ = "login_link"

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"))
    kind: Mapped[LinkKind] = mapped_column(default=LinkKind.LOGIN, server_default="login")
    expires_at: Mapped[datetime]


class LoginSession(Base):
    """A browser that is logged in; ends by log-out, by age, or with its account."""

    __tablename__ = "login_session"

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"))
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime | None]  # to the hour
    # a short name, made of how it names itself
    browser: Mapped[str] = mapped_column(String(200), default="", server_default=text("''"))
    expires_at: Mapped[datetime]
    account: Mapped[Account] = relationship(lazy="raise")


class Throttle(Base):
    """Attempts in the present window, counted in SQL so that the limit holds across nodes."""

    __tablename__ = "throttle"
    # each try removes windows that are over, however many go on
    __table_args__ = (Index(None, "window_at"),)

    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    window_at: Mapped[datetime]
    tries: Mapped[int]


class Contributor(Base):
    """A person credited in a byline or on a stream; not an account."""

    __tablename__ = "contributor"
    __table_args__ = (Index(None, "name"),)  # a byline names people by their exact name

    id: Mapped[BigId]
    uid: Mapped[Uid]
    slug: Mapped[str] = mapped_column(String(120), unique=True)
    name: Mapped[str] = mapped_column(String(100))
    url: Mapped[str] = mapped_column(String(2000), default="")
    created_at: Mapped[datetime]

    @property
    def byline_name(self) -> str:
        """The name for a comma-separated byline: the slug where the name has a comma."""
        return self.slug if "," in self.name else self.name
