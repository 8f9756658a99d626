"""Slugs of stories, and redirects from former ones, which stay forever."""

import re

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from models.tables.stories import Stream, StreamSlug, StreamState
from models.text.errors import Invalid

MAX_SLUG_CHARS = 80
_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def is_slug(value: str) -> bool:
    """Whether a story can have this slug; others in a request are not queried, since PostgreSQL
    accepts no NUL.
    """
    return len(value) <= MAX_SLUG_CHARS and bool(_SLUG.fullmatch(value))


def valid_slug(slug: str) -> str:
    """Check a slug; raises Invalid."""
    if not is_slug(slug):
        raise Invalid("slug", "use lower-case letters, digits and hyphens, at most 80 characters.")
    return slug


def require_free_slug(tx: Session, slug: str, *, of: Stream | None = None) -> None:
    """Raise Invalid where another story than ``of`` has or had the slug: links to it may exist."""
    if tx.scalar(select(Stream.id).where(Stream.slug == slug)) is not None:
        raise Invalid("slug", "another story already has this address.")
    former = tx.get(StreamSlug, slug)
    if former is not None and (of is None or former.stream_id != of.id):
        raise Invalid("slug", "this address redirects to another story. Choose a different one.")


def change_slug(tx: Session, stream: Stream, slug: str) -> bool:
    """Change a story's slug, and redirect from the former one; False where it is the same.  A
    former slug of the story may be used again.

    Its ids stay, so nothing is new in its feeds.  Raises as `require_free_slug` does.
    """
    if slug == stream.slug:
        return False
    require_free_slug(tx, slug, of=stream)
    tx.execute(delete(StreamSlug).where(StreamSlug.slug == slug))
    tx.add(StreamSlug(slug=stream.slug, stream_id=stream.id))
    stream.slug = slug
    return True


def current_slug(tx: Session, former: str, *, public: bool) -> str | None:
    """The slug of the story with a former slug; ``public`` excludes hidden stories."""
    query = (
        select(Stream.slug)
        .join(StreamSlug, StreamSlug.stream_id == Stream.id)
        .where(StreamSlug.slug == former)
    )
    return tx.scalar(query.where(Stream.state != StreamState.HIDDEN) if public else query)
