"""Deleting for good what a retraction leaves: pictures stay at their addresses while an earlier
text of an entry shows them.
"""

import logging

from sqlalchemy import Text, cast, delete, exists, or_, select
from sqlalchemy.orm import Session

from models.db.database import Database
from models.streams.entries import entry_to_change, mark_changed
from models.streams.streams import bump_version
from models.tables.media import Picture
from models.tables.people import Role
from models.tables.stories import EntryPicture, EntryState, Revision, Stream
from models.text.actor import Actor
from models.text.errors import Conflict
from models.text.texts import unpack_pictures

log = logging.getLogger(__name__)


def purge_pictures(db: Database, actor: Actor, uid: str) -> list[str]:
    """Delete all pictures that a retracted entry ever showed, and return their SHA-256; Conflict
    where it is not retracted.

    A picture that another entry or a story shows, or showed in an earlier text, stays.
    """
    actor.must_be(Role.ADMIN)
    with db.begin() as tx:
        entry = entry_to_change(tx, uid)
        if entry.state is not EntryState.RETRACTED:
            raise Conflict("Retract this entry first, then delete its pictures.")
        revisions = tx.scalars(select(Revision).where(Revision.entry_id == entry.id)).all()
        named = {
            picture.sha256
            for revision in revisions
            for picture in unpack_pictures(revision.content)
        }
        doomed = [
            sha256 for sha256 in sorted(named) if not _is_shown_elsewhere(tx, sha256, entry.id)
        ]
        if not doomed:
            return []
        for revision in revisions:
            remaining = [
                picture
                for picture in revision.content.get("pictures", [])
                if picture["sha256"] not in doomed
            ]
            revision.content = {**revision.content, "pictures": remaining}
        ids = select(Picture.id).where(Picture.sha256.in_(doomed)).scalar_subquery()
        tx.execute(
            delete(EntryPicture).where(
                EntryPicture.entry_id == entry.id, EntryPicture.picture_id.in_(ids)
            )
        )
        tx.execute(delete(Picture).where(Picture.sha256.in_(doomed)))
        tx.expire(entry, ["pictures"])
        mark_changed(tx, entry)
        bump_version(tx, entry.stream)
        log.info(
            "%d pictures of entry %s deleted by account %s", len(doomed), uid, actor.account_id
        )
        return doomed


def _is_shown_elsewhere(tx: Session, sha256: str, entry_id: int) -> bool:
    picture_id = select(Picture.id).where(Picture.sha256 == sha256).scalar_subquery()
    other_entry = exists().where(
        EntryPicture.picture_id == picture_id, EntryPicture.entry_id != entry_id
    )
    story = exists().where(Stream.picture_id == picture_id)
    earlier_text = exists().where(
        Revision.entry_id != entry_id, cast(Revision.content, Text).contains(sha256)
    )
    return bool(tx.scalar(select(or_(other_entry, story, earlier_text))))
