"""Tables: pictures, as rows, so that one transaction, one backup and any node has them."""

from datetime import datetime

from sqlalchemy import ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.tables.base import Base, BigId

MAX_PICTURE_BYTES = 12 * 1024 * 1024
"""Of the file that somebody sends."""
EXTENSIONS = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp"}


class Picture(Base):
    """A picture that somebody sent, in up to three sizes; named by the SHA-256 of the largest, so
    that the same one is stored once.
    """

    __tablename__ = "picture"

    id: Mapped[BigId]
    sha256: Mapped[str] = mapped_column(String(64), unique=True)
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    # when it was last sent, used, or looked for and found in use
    seen_at: Mapped[datetime] = mapped_column(index=True)
    files: Mapped[list["PictureFile"]] = relationship(
        order_by="PictureFile.width",
        cascade="all, delete-orphan",
        lazy="raise",
        back_populates="picture",
    )

    @property
    def largest(self) -> "PictureFile":
        """Its largest size; the files must be loaded."""
        return self.files[-1]

    @property
    def smallest(self) -> "PictureFile":
        """Its smallest size; the files must be loaded."""
        return self.files[0]


class PictureFile(Base):
    """One size of a picture, as it is served."""

    __tablename__ = "picture_file"

    picture_id: Mapped[int] = mapped_column(
        ForeignKey("picture.id", ondelete="CASCADE"), primary_key=True
    )
    # a size of one may be the largest of another
    sha256: Mapped[str] = mapped_column(String(64), primary_key=True, index=True)
    media_type: Mapped[str] = mapped_column(String(40))
    width: Mapped[int]
    height: Mapped[int]
    length: Mapped[int]  # bytes
    data: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    picture: Mapped[Picture] = relationship(lazy="raise", back_populates="files")

    @property
    def path(self) -> str:
        """Where it is served, for good."""
        return f"/media/{self.sha256}.{EXTENSIONS[self.media_type]}"
