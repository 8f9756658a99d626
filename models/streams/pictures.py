"""Pictures: stored once however often they are sent, found by their name, and removed when nothing
shows them any more.
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
"""So long a picture that nothing shows is kept: somebody may still be writing about it."""
_PICTURES_PER_PASS = 20  # looked at in one pass


def add_picture(db: Database, actor: Actor, sent: bytes) -> Picture:
    """Keep a picture in its sizes; one that is here already is found, and no copy made. Raises
    Invalid for what is no picture.
    """
    from models.text.image_processing import render_sizes  # noqa: PLC0415  Pillow, which most commands do without

    actor.must_be(Role.AUTHOR)
    sizes = render_sizes(sent)  # before the transaction: it may take a second
    try:
        with db.begin() as tx:
            return _found(tx, sizes[0].sha256) or _add(tx, actor, sizes)
    except IntegrityError:  # the same was sent twice at once, and the other won
        with db.begin() as tx:
            first = _found(tx, sizes[0].sha256)
        if first is None:
            raise
        return first


def _add(tx: Session, actor: Actor, sizes: "Sequence[RenderedSize]") -> Picture:
    files = [
        PictureFile(
            sha256=one.sha256,
            media_type=one.media_type,
            width=one.width,
            height=one.height,
            length=len(one.data),
            data=one.data,
        )
        for one in reversed(sizes)
    ]
    picture = Picture(
        sha256=sizes[0].sha256, account_id=actor.account_id, seen_at=now(tx), files=files
    )
    tx.add(picture)
    tx.flush()
    return picture


def _found(tx: Session, sha256: str) -> Picture | None:
    picture = pictures_by_name(tx, [sha256]).get(sha256)
    if picture is not None:
        picture.seen_at = now(tx)
    return picture


def pictures_by_name(tx: Session, names: Sequence[str]) -> dict[str, Picture]:
    """Those of these pictures that are here, by their SHA-256, with their files."""
    if not any(names):
        return {}
    found = tx.scalars(
        select(Picture).where(Picture.sha256.in_(names)).options(selectinload(Picture.files))
    )
    return {picture.sha256: picture for picture in found}


def mark_pictures_used(tx: Session, names: Sequence[str]) -> None:
    """Say that a text shows these pictures, so that none of them is removed meanwhile; Invalid
    where one is no longer here.
    """
    if names:
        used = update(Picture).where(Picture.sha256.in_(names)).values(seen_at=now(tx))
        if rows_changed(tx, used.execution_options(synchronize_session=False)) < len(set(names)):
            raise Invalid("picture", "upload the picture again: it is no longer here.")


def get_picture_file(
    tx: Session, sha256: str, extension: str, *, with_data: bool = True
) -> PictureFile:
    """One size of a picture by its whole name; NotFound where there is none."""
    query = select(PictureFile).where(PictureFile.sha256 == sha256).limit(1)
    found = tx.scalar(query.options(undefer(PictureFile.data)) if with_data else query)
    if found is None or EXTENSIONS[found.media_type] != extension:
        raise NotFound("picture", f"{sha256}.{extension}")
    return found


def delete_unused_pictures(db: Database) -> int:
    """Remove pictures that nothing has shown for `UNUSED_PICTURE_LIFE`; returns how many. Any number of nodes
    may call it at once.

    One that is sent or used at the same moment stays: each writes down when, and the removal asks
    for the former moment.
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
    """Whether an entry, a story, an earlier text of an entry or a form that somebody is writing in
    shows it.
    """
    shown = select(EntryPicture.entry_id).where(EntryPicture.picture_id == picture.id).limit(1)
    heads = select(Stream.id).where(Stream.picture_id == picture.id).limit(1)
    texts = (
        select(Revision.id).where(cast(Revision.content, Text).contains(picture.sha256)).limit(1)
    )
    forms = select(Autosave.id).where(cast(Autosave.fields, Text).contains(picture.sha256)).limit(1)
    return any(tx.scalar(query) is not None for query in (shown, heads, texts, forms))
