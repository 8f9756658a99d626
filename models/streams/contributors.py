"""Contributors: found by slug or exact name, made when a byline names somebody new."""

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

_CANDIDATES = 50  # looked at for a suggestion


def add_contributor(db: Database, actor: Actor, name: str, *, url: str = "") -> Contributor:
    """The contributor of that exact name, made if there is none; ``url`` replaces an earlier one
    where given.
    """
    actor.must_be(Role.EDITOR)
    name, url = line("name", name, MAX_NAME_CHARS, required=True), web_link("url", url)
    with db.begin() as tx:
        person = resolve_contributors(tx, [name])[0]
        if url not in ("", person.url):
            person.url = url
            next_seq(tx)  # it stands on pages
        return person


@dataclass(frozen=True)
class Suggestion:
    """A contributor that a byline may mean; ``entries`` counts those of one story."""

    name: str
    byline_name: str
    entries: int


def suggest_contributors(
    tx: Session, words: str, stream_slug: str, *, limit: int = 8
) -> list[Suggestion]:
    """Whose name begins with ``words``, or has a word that does: first who writes for this story,
    then by name.
    """
    start = slugify(words)
    if not start:
        return []
    begins = or_(
        Contributor.slug.startswith(start, autoescape=True),
        Contributor.slug.contains(f"-{start}", autoescape=True),
    )
    found = tx.scalars(
        select(Contributor)
        .where(begins)
        .order_by(Contributor.name, Contributor.id)
        .limit(_CANDIDATES)
    ).all()
    here = (
        select(EntryContributor.contributor_id, func.count())
        .join(Entry, Entry.id == EntryContributor.entry_id)
        .join(Entry.stream)
    )
    mine = here.where(
        EntryContributor.contributor_id.in_([one.id for one in found]), Stream.slug == stream_slug
    )
    counts = (
        dict(tx.execute(mine.group_by(EntryContributor.contributor_id)).all())
        if is_slug(stream_slug)
        else {}
    )
    people = [Suggestion(one.name, one.byline_name, counts.get(one.id, 0)) for one in found]
    return sorted(people, key=lambda one: -one.entries)[:limit]


def list_contributors(db: Database) -> Sequence[Contributor]:
    """All, by name."""
    with db.read() as tx:
        return tx.scalars(select(Contributor).order_by(Contributor.name, Contributor.id)).all()


def resolve_contributors(tx: Session, names: Sequence[str]) -> list[Contributor]:
    """A contributor for each slug or exact name, in that order, none twice; unknown names are made."""
    found = _known(tx, names)
    if not found.keys() >= set(names):
        lock_site(tx)
        found = _known(tx, names)
    for name in names:
        if name not in found:
            found[name] = _make(tx, name)
    return list(dict.fromkeys(found[name] for name in names))


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
