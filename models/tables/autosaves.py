"""Table: what somebody types, kept while it is typed."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from models.tables.base import Base, BigId


class Autosave(Base):
    """The fields of a form as they stood when they were last kept; gone once the form was sent."""

    __tablename__ = "kept_form"
    __table_args__ = (UniqueConstraint("account_id", "place"),)

    id: Mapped[BigId]
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"))
    place: Mapped[str] = mapped_column(String(100))  # a new entry's request key, or an entry's uid
    fields: Mapped[dict[str, Any]]
    saved_at: Mapped[datetime]
