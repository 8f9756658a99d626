"""Feeds that an entry belongs to beside its stream's and the site's own, and when an entry last
left one of them.
"""

from collections.abc import Iterable

from sqlalchemy.orm import Session

from models.db.clock import now
from models.tables.stories import Entry, FeedDeparture, Importance

SITE_FEED = "site"  # every feed across streams: a whole stream was closed
KEY_FEED = "key"  # key entries of all streams


def stream_key_feed(stream_id: int) -> str:
    """The feed of a stream's key entries."""
    return f"key:{stream_id}"


def tag_feed(slug: str) -> str:
    """The feed of a tag."""
    return f"tag:{slug}"


def contributor_feed(contributor_id: int) -> str:
    """The feed of a contributor."""
    return f"contributor:{contributor_id}"


def feeds_of(entry: Entry) -> set[str]:
    """The feeds that a change can remove the entry from; its credits and tags must be loaded."""
    feeds = {tag_feed(tag.slug) for tag in entry.tags}
    feeds |= {contributor_feed(person.id) for person in entry.byline}
    if entry.importance is not Importance.NORMAL:
        feeds |= {KEY_FEED, stream_key_feed(entry.stream_id)}
    return feeds


def note_departures(tx: Session, feeds: Iterable[str]) -> None:
    """Note that an entry left these feeds now.

    Call it after `bump_version`, whose lock on the site keeps two transactions from adding one row
    twice.
    """
    for feed in sorted(feeds):
        tx.merge(FeedDeparture(feed=feed, left_at=now(tx)))
