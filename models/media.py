"""Tables: pictures, as rows, so that one transaction, one backup and any node has them."""

from datetime import datetime

from sqlalchemy import ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.base import Base, BigId


class Picture(Base):
    """A picture that somebody sent, in up to three sizes; named by the SHA-256 of the largest, so that the same one is stored once."""

    __tablename__ = "picture"

    id: Mapped[BigId]
    sha256: Mapped[str] = mapped_column(String(64), unique=True)
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    created_at: Mapped[datetime] = mapped_column(index=True)  # one that nothing shows is removed after a while
    files: Mapped[list["PictureFile"]] = relationship(
        order_by="PictureFile.width", cascade="all, delete-orphan", lazy="raise", back_populates="picture"
    )


class PictureFile(Base):
    """One size of a picture, as it is served."""

    __tablename__ = "picture_file"

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    picture_id: Mapped[int] = mapped_column(ForeignKey("picture.id", ondelete="CASCADE"), index=True)
    media_type: Mapped[str] = mapped_column(String(40))
    width: Mapped[int]
    height: Mapped[int]
    length: Mapped[int]  # bytes
    data: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    picture: Mapped[Picture] = relationship(lazy="raise", back_populates="files")
