"""What changed for the public since a seq of the site."""

from sqlalchemy import NullPool, create_engine, select

from feeds.cache.response_cache import PublicChanges
from models import Site, Stream, StreamSlug
from models.db.database import Database
from models.db.site import current_seq

_TIMEOUT_SECONDS = 5  # after which a silent server counts as away


def read_changes(db: Database, since: int) -> PublicChanges | None:
    """The changes after the site's seq was ``since``; None if there are none.

    All streams count as changed if the site's seq is lower, as after a restore.
    """
    with db.read() as tx:
        site_seq = current_seq(tx)
        if site_seq == since:
            return None
        changed = Stream.seq > (since if since < site_seq else 0)
        present = select(Stream.slug, Stream.seq).where(changed)
        former = (
            select(StreamSlug.slug, Stream.seq)
            .join(Stream, Stream.id == StreamSlug.stream_id)
            .where(changed)
        )
        return PublicChanges(site_seq, dict(tx.execute(present.union_all(former)).all()))


class SeqWatch:
    """Polls the site's seq on PostgreSQL, on its own connection and outside any transaction."""

    def __init__(self, db: Database) -> None:
        timeouts = {
            "connect_timeout": _TIMEOUT_SECONDS,
            "tcp_user_timeout": _TIMEOUT_SECONDS * 1000,
        }
        self._engine = create_engine(
            db.engine.url, poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args=timeouts
        )
        self._connection = self._engine.connect()
        self._seq = self._read_seq()

    def _read_seq(self) -> int | None:
        return self._connection.scalar(select(Site.seq))

    def changed(self) -> bool:
        """True once after each change."""
        seq = self._read_seq()
        changed = seq != self._seq
        self._seq = seq
        return changed

    def close(self) -> None:
        self._connection.close()
        self._engine.dispose()
