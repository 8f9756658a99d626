"""Whether anything changed for the public, and what."""

from sqlalchemy import NullPool, create_engine, select

from feeds.cache.response_cache import PublicChanges
from models import Site, Stream, StreamSlug
from models.db.database import Database
from models.db.site import current_seq

_ANSWER_SECONDS = 5  # after which a silent server counts as away


def read_changes(db: Database, since: int) -> PublicChanges | None:
    """What moved after the site's counter stood there; None where it still does. A count that is
    ahead of it brings all streams.
    """
    with db.read() as tx:
        site = current_seq(tx)
        if site == since:
            return None
        moved = (Stream.seq > (since if since < site else 0),)
        present = select(Stream.slug, Stream.seq).where(*moved)
        former = (
            select(StreamSlug.slug, Stream.seq)
            .join(Stream, Stream.id == StreamSlug.stream_id)
            .where(*moved)
        )
        return PublicChanges(site, dict(tx.execute(present.union_all(former)).all()))


class CounterWatch:
    """Tells whether the site's counter moved on PostgreSQL: one statement, on a connection of its
    own, outside any transaction.
    """

    def __init__(self, db: Database) -> None:
        timeouts = {"connect_timeout": _ANSWER_SECONDS, "tcp_user_timeout": _ANSWER_SECONDS * 1000}
        self._engine = create_engine(
            db.engine.url, poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args=timeouts
        )
        self._connection = self._engine.connect()
        self._seen = self._counter()

    def _counter(self) -> int | None:
        return self._connection.scalar(select(Site.seq))

    def changed(self) -> bool:
        """True once after each change."""
        counter = self._counter()
        changed, self._seen = counter != self._seen, counter
        return changed

    def close(self) -> None:
        """Leave the server."""
        self._connection.close()
        self._engine.dispose()
