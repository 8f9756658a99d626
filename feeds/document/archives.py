"""Where the older entries of a feed lie (RFC 5005 section 4): documents whose boundaries no new
entry moves.
"""

import threading
from collections import OrderedDict
from hashlib import sha256
from typing import Any

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from feeds.document.feed_address import Archive, FeedTopic, Flavour, Scope
from feeds.document.scope import ScopeFound, members
from models import Entry, Stream

MOST_REMEMBERED = 20_000


class Archives:
    """Remembers the newest boundary of each feed, so that nobody counts a hundred thousand entries
    twice.

    Every boundary ends a right archive, so a process that remembers another one than its neighbour
    is right, too.
    """

    def __init__(self) -> None:
        self._newest: OrderedDict[FeedTopic, int] = OrderedDict()
        self._lock = threading.Lock()

    def newest(self, tx: Session, topic: FeedTopic, scope: ScopeFound, size: int) -> Archive | None:
        """The newest archive of ``size`` entries that is full, where there are more entries than
        that; it may share some with the newest ``size``.
        """
        known = self._newest.get(topic)
        since = (
            members(scope, func.count()).where(Entry.seq > known)
            if known
            else members(scope, func.count())
        )
        number = tx.scalar(since) or 0
        archived = -(-(number - size) // size) * size
        if archived > 0:
            offset = number - archived
            known = tx.scalar(
                members(scope, Entry.seq).order_by(Entry.seq.desc()).offset(offset).limit(1)
            )
        if known is None:
            return None
        with self._lock:
            self._newest[topic] = known
            self._newest.move_to_end(topic)
            while len(self._newest) > MOST_REMEMBERED:
                self._newest.popitem(last=False)
        # What the boundary was set at may have left the feed meanwhile; the archive bears the seq
        # of its last entry.
        upto = tx.scalar(members(scope, func.max(Entry.seq)).where(Entry.seq <= known))
        return archive_at(tx, topic, scope, upto) if upto is not None else None


def archive_at(tx: Session, topic: FeedTopic, scope: ScopeFound, upto: int) -> Archive:
    """The archive of the entries up to that seq, in its present version.

    The version is a digest of all that its bytes and those of older archives depend on, so a change
    of any of it gives the archive another address.
    """
    seen = (_members_upto(tx, topic, scope, upto), _streams_upto(tx, scope, upto), scope.head)
    return Archive(upto, int(sha256(repr(seen).encode()).hexdigest()[:15], 16))


def _members_upto(tx: Session, topic: FeedTopic, scope: ScopeFound, upto: int) -> tuple[Any, ...]:
    """The last change of any entry up to that seq, and how many there are where a change can take
    one out.
    """
    if topic.flavour is not Flavour.ALL or topic.scope not in {Scope.SITE, Scope.STREAM}:
        found = members(scope, Entry.changed_at).where(Entry.seq <= upto).subquery().c.changed_at
        return tuple(tx.execute(select(func.max(found), func.count())).one())
    # From the last change back to the first one that is old enough: seldom more than a window.  The
    # sum keeps a planner
    # from starting at the seqs, which would read every older entry.
    query = (
        members(scope, Entry.changed_at)
        .where(Entry.seq + 0 <= upto)
        .order_by(Entry.changed_at.desc())
        .limit(1)
    )
    return (tx.scalar(query),)


def _streams_upto(tx: Session, scope: ScopeFound, upto: int) -> tuple[Any, ...]:
    """What entries up to that seq take from their streams."""
    reaches = exists().where(Entry.stream_id == Stream.id, Entry.seq <= upto)
    query = select(Stream.id, Stream.slug, Stream.title, Stream.language, Stream.feed_text)
    return tuple(map(tuple, tx.execute(query.where(scope.streams, reaches).order_by(Stream.id))))
