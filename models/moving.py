"""Moving a story to another address: its former ones lead there for good, and its ids stay."""

from sqlalchemy import delete

from models.actor import Actor
from models.database import Database
from models.people import Role
from models.site import make_alone
from models.stories import Stream, StreamSlug
from models.streams import checked_slug, get_stream, must_be_free, touch


def move_stream(db: Database, actor: Actor, slug: str, new: str) -> Stream:
    """Give a story another slug; one that it had before it may have again, one of another story is refused."""
    actor.must_be(Role.EDITOR)
    new = checked_slug(new)
    with db.begin() as tx:
        make_alone(tx)
        stream = get_stream(tx, slug)
        if new == stream.slug:
            return stream
        must_be_free(tx, new, of=stream)
        tx.execute(delete(StreamSlug).where(StreamSlug.slug == new))
        tx.add(StreamSlug(slug=stream.slug, stream_id=stream.id))
        stream.slug = new
        touch(tx, stream)
        return stream
