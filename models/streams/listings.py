"""Public entries of one tag, or of one contributor."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session

from models.streams.entries import entries_query
from models.streams.page_queries import Pages, page_of_entries
from models.streams.streams import LATEST_FIRST
from models.tables.people import Contributor
from models.tables.stories import (
    CLOSED,
    Entry,
    EntryContributor,
    EntryState,
    EntryTag,
    Stream,
    StreamContributor,
)
from models.text.errors import NotFound

# Of entries joined with their streams: what the public may read.
_OPEN = Stream.state.not_in(CLOSED)
_OUT = (Entry.state == EntryState.PUBLISHED, _OPEN)
_EVER_OUT = (Entry.seq.is_not(None), _OPEN)


@dataclass(frozen=True)
class Listing:
    """One page of entries, newest first."""

    entries: Sequence[Entry]
    updates: int
    pages: Pages


@dataclass(frozen=True)
class TagPage:
    """A tag with the spelling of its newest entry."""

    slug: str
    label: str
    listing: Listing


@dataclass(frozen=True)
class ContributorPage:
    """A contributor with the credited stories, the one with the latest entry first."""

    person: Contributor
    streams: Sequence[Stream]
    listing: Listing


def page_of_tag(tx: Session, slug: str, *, before: int | None = None) -> TagPage:
    """The entries of a tag; raises NotFound where no public entry has it."""
    return TagPage(slug, tag_label(tx, slug), _listing(tx, entry_has_tag(slug), before))


def page_of_contributor(tx: Session, slug: str, *, before: int | None = None) -> ContributorPage:
    """The entries of a contributor; raises NotFound where neither a public entry nor a public story
    credits them.
    """
    person = public_contributor(tx, slug)
    return ContributorPage(
        person,
        tx.scalars(_credited(person).order_by(*LATEST_FIRST)).all(),
        _listing(tx, entry_credits(person), before),
    )


def tag_label(tx: Session, slug: str, *, withdrawn: bool = False) -> str:
    """A tag with the spelling of its newest public entry; raises NotFound where there is none.

    ``withdrawn``: retracted entries count, since a feed has to tell its followers.
    """
    labels = (
        select(EntryTag.label)
        .join(Entry, Entry.id == EntryTag.entry_id)
        .join(Entry.stream)
        .where(EntryTag.slug == slug)
    )
    label = tx.scalar(
        labels.where(*(_EVER_OUT if withdrawn else _OUT)).order_by(Entry.seq.desc()).limit(1)
    )
    if label is None:
        raise NotFound("tag", slug)
    return label


def public_contributor(tx: Session, slug: str, *, withdrawn: bool = False) -> Contributor:
    """A contributor of a public entry or story; raises NotFound for others: a draft does not reveal
    its authors.

    ``withdrawn``: retracted entries count.
    """
    person = tx.scalar(select(Contributor).where(Contributor.slug == slug))
    if person is None:
        raise NotFound("contributor", slug)
    bylines = (
        select(Entry.id)
        .join(Entry.stream)
        .where(entry_credits(person), *(_EVER_OUT if withdrawn else _OUT))
    )
    if tx.scalar(_credited(person).limit(1)) is None and tx.scalar(bylines.limit(1)) is None:
        raise NotFound("contributor", slug)
    return person


def entry_has_tag(slug: str) -> ColumnElement[bool]:
    """The condition that an entry has a tag."""
    return Entry.id.in_(select(EntryTag.entry_id).where(EntryTag.slug == slug))


def entry_credits(person: Contributor) -> ColumnElement[bool]:
    """The condition that an entry's byline has a contributor."""
    return Entry.id.in_(
        select(EntryContributor.entry_id).where(EntryContributor.contributor_id == person.id)
    )


def _credited(person: Contributor) -> Select[Stream]:
    return (
        select(Stream)
        .join(Stream.credits)
        .where(StreamContributor.contributor_id == person.id, _OPEN)
    )


def _listing(tx: Session, belongs: ColumnElement[bool], before: int | None) -> Listing:
    number = tx.scalar(
        select(func.count()).select_from(Entry).join(Entry.stream).where(belongs, *_OUT)
    )
    entries, pages = page_of_entries(
        tx, entries_query().join(Entry.stream).where(belongs, *_OUT), before
    )
    return Listing(entries, number or 0, pages)
