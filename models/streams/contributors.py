"""Contributors: found by slug or exact name, created when a byline has a new name."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from models.db.clock import now
from models.db.database import Database
from models.db.site import lock_site, next_seq
from models.tables.base import new_uid
from models.tables.people import Contributor, Role
from models.tables.stories import Entry, EntryContributor, Stream
from models.text.actor import Actor
from models.text.slugs import is_slug
from models.text.texts import MAX_NAME_CHARS, line, slugify, web_link

_CANDIDATES = 50  # considered for a suggestion


def add_contributor(db: Database, actor: Actor, name: str, *, url: str = "") -> Contributor:
    """The contributor of an exact name, created if there is none; a given ``url`` replaces an
    earlier one.
    """
    actor.must_be(Role.EDITOR)
    name = line("name", name, MAX_NAME_CHARS, required=True)
    url = web_link("url", url)
    with db.begin() as tx:
        person = resolve_contributors(tx, [name])[0]
        if url not in ("", person.url):
            person.url = url
            next_seq(tx)  # public pages show it
        return person


@dataclass(frozen=True)
class Suggestion:
    """A contributor that a byline may mean; ``entries`` counts those of one story."""

    name: str
    byline_name: str
    entries: int


def suggest_contributors(
    tx: Session, typed: str, stream_slug: str, *, limit: int = 8
) -> list[Suggestion]:
    """Contributors with a word of their name that begins with ``typed``: first those of this story,
    then by name.
    """
    start = slugify(typed)
    if not start:
        return []
    begins = or_(
        Contributor.slug.startswith(start, autoescape=True),
        Contributor.slug.contains(f"-{start}", autoescape=True),
    )
    candidates = tx.scalars(
        select(Contributor)
        .where(begins)
        .order_by(Contributor.name, Contributor.id)
        .limit(_CANDIDATES)
    ).all()
    bylines = (
        select(EntryContributor.contributor_id, func.count())
        .join(Entry, Entry.id == EntryContributor.entry_id)
        .join(Entry.stream)
    )
    ids = [person.id for person in candidates]
    bylines = bylines.where(
        EntryContributor.contributor_id.in_(ids), Stream.slug == stream_slug
    ).group_by(EntryContributor.contributor_id)
    counts: dict[int, int] = {}
    if is_slug(stream_slug):
        counts = dict(tx.execute(bylines).all())
    suggestions = [
        Suggestion(person.name, person.byline_name, counts.get(person.id, 0))
        for person in candidates
    ]
    return sorted(suggestions, key=lambda suggestion: -suggestion.entries)[:limit]


def list_contributors(db: Database) -> Sequence[Contributor]:
    """All contributors, by name."""
    with db.read() as tx:
        return tx.scalars(select(Contributor).order_by(Contributor.name, Contributor.id)).all()


def resolve_contributors(tx: Session, names: Sequence[str]) -> list[Contributor]:
    """The contributor of each slug or exact name, in order, without duplicates; unknown names are
    created.
    """
    people = _known(tx, names)
    if not people.keys() >= set(names):
        lock_site(tx)
        people = _known(tx, names)
    for name in names:
        if name not in people:
            people[name] = _make(tx, name)
    return list(dict.fromkeys(people[name] for name in names))


def _known(tx: Session, names: Sequence[str]) -> dict[str, Contributor]:
    # Names that were stored before they had one normal form may be decomposed.
    stored = {*names, *(unicodedata.normalize("NFD", name) for name in names)}
    known = tx.scalars(
        select(Contributor)
        .where(or_(Contributor.slug.in_(names), Contributor.name.in_(stored)))
        .order_by(Contributor.id)
    )
    keys = (
        (person, (unicodedata.normalize("NFC", person.name), person.slug))
        for person in reversed(known.all())
    )
    return {key: person for person, both in keys for key in both}


def _make(tx: Session, name: str) -> Contributor:
    uid = new_uid()
    slug = slugify(name, 100) or uid
    if tx.scalar(select(Contributor.id).where(Contributor.slug == slug)):
        slug = f"{slug}-{uid}"
    person = Contributor(uid=uid, slug=slug, name=name, created_at=now(tx))
    tx.add(person)
    tx.flush()
    return person
