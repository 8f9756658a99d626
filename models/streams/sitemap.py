"""The sitemap: public stories, and public entries in parts with fixed bounds."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from models.tables.stories import CLOSED, Entry, EntryState, Stream

# seqs, and so entries at most, in a part; a sitemap may hold 50,000 addresses, but is rendered for
# each request
SEQS_PER_PART = 10_000


def sitemap_parts(tx: Session) -> Sequence[int]:
    """The numbers of the parts with a published entry, read from an index alone."""
    part = Entry.seq // SEQS_PER_PART
    numbers = tx.scalars(select(part).where(Entry.seq.is_not(None)).group_by(part).order_by(part))
    return [number for number in numbers if number is not None]


def sitemap_streams(tx: Session) -> Sequence[tuple[str, datetime]]:
    """Slug and last change of each public story."""
    query = (
        select(Stream.slug, Stream.changed_at)
        .where(Stream.state.not_in(CLOSED))
        .order_by(Stream.id)
    )
    return [(slug, at) for slug, at in tx.execute(query)]


def sitemap_entries(tx: Session, part: int) -> Sequence[tuple[str, str, datetime | None]]:
    """The story's slug, uid and last significant change of each public entry of a part."""
    query = select(Stream.slug, Entry.uid, Entry.updated_at).join(Entry.stream).order_by(Entry.seq)
    within = (Entry.seq >= part * SEQS_PER_PART, Entry.seq < (part + 1) * SEQS_PER_PART)
    return tx.execute(
        query.where(*within, Entry.state == EntryState.PUBLISHED, Stream.state.not_in(CLOSED))
    ).all()
