"""Where the older entries of a feed lie (RFC 5005 section 4): documents whose boundaries no new entry moves."""

import threading
from collections import OrderedDict

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from feeds.address import Archive, Flavour, Scope, Topic
from feeds.scope import ScopeFound, members
from models import Entry

MOST_REMEMBERED = 20_000


class Archives:
    """Remembers the newest boundary of each feed, so that nobody counts a hundred thousand entries twice.

    Every boundary ends a right archive, so a process that remembers another one than its neighbour is right, too.
    """

    def __init__(self) -> None:
        self._newest: OrderedDict[Topic, int] = OrderedDict()
        self._lock = threading.Lock()

    def newest(self, tx: Session, topic: Topic, scope: ScopeFound, size: int) -> Archive | None:
        """The newest archive of ``size`` entries that is full, where there are more entries than that; it may share some with
        the newest ``size``."""
        known = self._newest.get(topic)
        since = members(scope, func.count()).where(Entry.seq > known) if known else members(scope, func.count())
        number = tx.scalar(since) or 0
        archived = -(-(number - size) // size) * size
        if archived > 0:
            offset = number - archived
            known = tx.scalar(members(scope, Entry.seq).order_by(Entry.seq.desc()).offset(offset).limit(1))
        if known is None:
            return None
        with self._lock:
            self._newest[topic] = known
            self._newest.move_to_end(topic)
            while len(self._newest) > MOST_REMEMBERED:
                self._newest.popitem(last=False)
        return archive_at(tx, topic, scope, known)


def archive_at(tx: Session, topic: Topic, scope: ScopeFound, upto: int) -> Archive:
    """The archive of the entries up to that seq, in its present version: the last change of any of them or any older one."""
    if topic.flavour is Flavour.ALL and topic.scope in {Scope.SITE, Scope.STREAM}:
        # From the last change back to the first one that is old enough: seldom more than a window.  The sum keeps a planner
        # from starting at the seqs, which would read every older entry.
        query = members(scope, Entry.changed_at).where(Entry.seq + 0 <= upto).order_by(Entry.changed_at.desc()).limit(1)
    else:
        query = select(func.max(members(scope, Entry.changed_at).where(Entry.seq <= upto).subquery().c.changed_at))
    changed = tx.scalar(query)
    assert changed is not None, f"{topic.folder} has no entry up to {upto}"
    return Archive(upto, int(changed.timestamp() * 1000))
