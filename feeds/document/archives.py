"""Archives of a feed's older entries (RFC 5005 section 4); no new entry moves their boundaries."""

from hashlib import sha256
from typing import Any

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from feeds.document.bounded_cache import BoundedCache
from feeds.document.feed_address import Archive, FeedTopic, Flavour, Scope
from feeds.document.scope import FeedScope, members
from models import Entry, Stream

MAX_BOUNDARIES = 20_000


class Archives:
    """Remembers each feed's newest boundary, so that nobody counts 100,000 entries twice.

    Any boundary ends a correct archive, so processes may remember different ones.
    """

    def __init__(self) -> None:
        self._boundaries: BoundedCache[FeedTopic, int] = BoundedCache(MAX_BOUNDARIES)

    def newest(self, tx: Session, topic: FeedTopic, scope: FeedScope, size: int) -> Archive | None:
        """The newest full archive of ``size`` entries, which may overlap the newest ``size``.

        None if there are no more entries than that.
        """
        boundary = self._boundaries.get(topic)
        count = members(scope, func.count())
        if boundary is not None:
            count = count.where(Entry.seq > boundary)
        number = tx.scalar(count) or 0
        archived = -(-(number - size) // size) * size
        if archived > 0:
            offset = number - archived
            boundary = tx.scalar(
                members(scope, Entry.seq).order_by(Entry.seq.desc()).offset(offset).limit(1)
            )
        if boundary is None:
            return None
        self._boundaries.put(topic, boundary)
        # The entry of that seq may have left the feed since; an archive has the seq of its last.
        upto = tx.scalar(members(scope, func.max(Entry.seq)).where(Entry.seq <= boundary))
        return archive_at(tx, topic, scope, upto) if upto is not None else None


def archive_at(tx: Session, topic: FeedTopic, scope: FeedScope, upto: int) -> Archive:
    """The archive of the entries up to that seq, in its present version.

    The version is a digest of all that its bytes and those of older archives depend on, so any
    change of these gives the archive another address.
    """
    content = (_members_upto(tx, topic, scope, upto), _streams_upto(tx, scope, upto), scope.head)
    return Archive(upto, int(sha256(repr(content).encode()).hexdigest()[:15], 16))


def _members_upto(tx: Session, topic: FeedTopic, scope: FeedScope, upto: int) -> tuple[Any, ...]:
    """The last change of an entry up to that seq; also their number, if a change can remove one."""
    if topic.flavour is not Flavour.ALL or topic.scope not in {Scope.SITE, Scope.STREAM}:
        changed_at = (
            members(scope, Entry.changed_at).where(Entry.seq <= upto).subquery().c.changed_at
        )
        return tuple(tx.execute(select(func.max(changed_at), func.count())).one())
    # From the last change back to the first one that is old enough: seldom more than a window.
    # The sum keeps a planner from starting at the seqs, which would read every older entry.
    query = (
        members(scope, Entry.changed_at)
        .where(Entry.seq + 0 <= upto)
        .order_by(Entry.changed_at.desc())
        .limit(1)
    )
    return (tx.scalar(query),)


def _streams_upto(tx: Session, scope: FeedScope, upto: int) -> tuple[Any, ...]:
    """What entries up to that seq show of their streams."""
    has_entries = exists().where(Entry.stream_id == Stream.id, Entry.seq <= upto)
    query = (
        select(Stream.id, Stream.slug, Stream.title, Stream.language, Stream.feed_text)
        .where(scope.streams, has_entries)
        .order_by(Stream.id)
    )
    return tuple(map(tuple, tx.execute(query)))
