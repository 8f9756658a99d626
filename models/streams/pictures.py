"""Pictures: stored once however often they are uploaded, found by their hash, and deleted when they
are no longer used.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import Text, cast, delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, selectinload, undefer

from models.db.clock import now
from models.db.database import Database, rows_changed
from models.tables.autosaves import Autosave
from models.tables.media import EXTENSIONS, Picture, PictureFile
from models.tables.people import Role
from models.tables.stories import EntryPicture, Revision, Stream
from models.text.actor import Actor
from models.text.errors import Invalid, NotFound

if TYPE_CHECKING:
    from models.text.image_processing import RenderedSize

UNUSED_PICTURE_LIFE = timedelta(days=7)
"""Time for which an unused picture is kept: its entry may still be in the making."""
_PICTURES_PER_PASS = 20  # checked in one pass


def add_picture(db: Database, actor: Actor, sent: bytes) -> Picture:
    """Store a picture in its sizes, or return the stored one.  Raises Invalid for a file that is no
    picture.
    """
    from models.text.image_processing import render_sizes  # noqa: PLC0415  loads Pillow

    actor.must_be(Role.AUTHOR)
    sizes = render_sizes(sent)  # before the transaction: it may take a second
    try:
        with db.begin() as tx:
            return _refresh(tx, sizes[0].sha256) or _add(tx, actor, sizes)
    except IntegrityError:  # uploaded twice concurrently, and the other won
        with db.begin() as tx:
            first = _refresh(tx, sizes[0].sha256)
        if first is None:
            raise
        return first


def _add(tx: Session, actor: Actor, sizes: "Sequence[RenderedSize]") -> Picture:
    files = [
        PictureFile(
            sha256=size.sha256,
            media_type=size.media_type,
            width=size.width,
            height=size.height,
            length=len(size.data),
            data=size.data,
        )
        for size in reversed(sizes)
    ]
    picture = Picture(
        sha256=sizes[0].sha256, account_id=actor.account_id, seen_at=now(tx), files=files
    )
    tx.add(picture)
    tx.flush()
    return picture


def _refresh(tx: Session, sha256: str) -> Picture | None:
    picture = pictures_by_name(tx, [sha256]).get(sha256)
    if picture is not None:
        picture.seen_at = now(tx)
    return picture


def pictures_by_name(tx: Session, names: Sequence[str]) -> dict[str, Picture]:
    """Stored pictures by their SHA-256, with their files."""
    if not any(names):
        return {}
    pictures = tx.scalars(
        select(Picture).where(Picture.sha256.in_(names)).options(selectinload(Picture.files))
    )
    return {picture.sha256: picture for picture in pictures}


def mark_pictures_used(tx: Session, names: Sequence[str]) -> None:
    """Mark pictures as used, so that none is deleted; raises Invalid where one was deleted."""
    if names:
        used = update(Picture).where(Picture.sha256.in_(names)).values(seen_at=now(tx))
        if rows_changed(tx, used.execution_options(synchronize_session=False)) < len(set(names)):
            raise Invalid("picture", "upload the picture again: it is no longer here.")


def get_picture_file(
    tx: Session, sha256: str, extension: str, *, with_data: bool = True
) -> PictureFile:
    """One size of a picture; raises NotFound."""
    query = select(PictureFile).where(PictureFile.sha256 == sha256).limit(1)
    file = tx.scalar(query.options(undefer(PictureFile.data)) if with_data else query)
    if file is None or EXTENSIONS[file.media_type] != extension:
        raise NotFound("picture", f"{sha256}.{extension}")
    return file


def delete_unused_pictures(db: Database) -> int:
    """Delete pictures that were unused for `UNUSED_PICTURE_LIFE`; returns how many.  Nodes may call
    it concurrently.

    A picture that is uploaded or used meanwhile stays, since that changes its ``seen_at``.
    """
    with db.read() as tx:
        old = (
            select(Picture)
            .where(Picture.seen_at < now(tx) - UNUSED_PICTURE_LIFE)
            .order_by(Picture.seen_at)
            .limit(_PICTURES_PER_PASS)
        )
        judged = [
            (picture.id, picture.seen_at, _is_used(tx, picture)) for picture in tx.scalars(old)
        ]
    removed = 0
    for id_, seen_at, is_used in judged:
        with db.begin() as tx:
            same = (Picture.id == id_, Picture.seen_at == seen_at)
            if is_used:
                tx.execute(update(Picture).where(*same).values(seen_at=now(tx)))
            else:
                removed += rows_changed(tx, delete(Picture).where(*same))
    return removed


def _is_used(tx: Session, picture: Picture) -> bool:
    """Whether an entry, a story, a revision or an autosave has the picture."""
    entries = select(EntryPicture.entry_id).where(EntryPicture.picture_id == picture.id).limit(1)
    heads = select(Stream.id).where(Stream.picture_id == picture.id).limit(1)
    texts = (
        select(Revision.id).where(cast(Revision.content, Text).contains(picture.sha256)).limit(1)
    )
    forms = select(Autosave.id).where(cast(Autosave.fields, Text).contains(picture.sha256)).limit(1)
    return any(tx.scalar(query) is not None for query in (entries, heads, texts, forms))
