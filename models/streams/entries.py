"""Entries: loading them, and giving them a text."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session, joinedload, selectinload
from sqlalchemy.orm.interfaces import ORMOption

from models.db.clock import now
from models.streams.contributors import resolve_contributors
from models.streams.pictures import mark_pictures_used, pictures_by_name
from models.tables.media import Picture
from models.tables.people import Contributor
from models.tables.stories import Entry, EntryContributor, EntryPicture, EntryState, EntryTag
from models.text.actor import Actor
from models.text.errors import NotFound, StaleVersion
from models.text.markdown import to_text
from models.text.search_index import index_entry
from models.text.texts import EntryText, pictures_of_entry, tag_slug

_LOADED = (
    selectinload(Entry.stream),
    selectinload(Entry.credits).selectinload(EntryContributor.contributor),
    selectinload(Entry.tags),
    selectinload(Entry.pictures).joinedload(EntryPicture.picture).selectinload(Picture.files),
)


def entries_query() -> Select[Entry]:
    """A query for entries with stream, byline, tags and pictures: seven statements at most,
    however many entries there are.
    """
    return select(Entry).options(*_LOADED)


def headlines_query() -> Select[Entry]:
    """A query for entries with their stream alone, in one statement: for lists of titles."""
    return select(Entry).options(joinedload(Entry.stream))


def get_entry(tx: Session, uid: str, *options: ORMOption) -> Entry:
    """The entry with stream, byline, tags, pictures, and what ``options`` load; raises NotFound."""
    entry = tx.scalar(entries_query().options(*options).where(Entry.uid == uid))
    if entry is None:
        raise NotFound("entry", uid)
    return entry


def is_own_draft(entry: Entry, actor: Actor) -> bool:
    """Whether this is the actor's draft, which an author may change."""
    return entry.state is EntryState.DRAFT and entry.account_id == actor.account_id


def is_own_submission(entry: Entry, actor: Actor) -> bool:
    """Whether the actor wrote or submitted this entry, whatever its state is now."""
    return actor.account_id in (entry.account_id, entry.submitted_by)


def entry_to_change(tx: Session, uid: str, *, version: int | None = None) -> Entry:
    """The entry, locked until the end of the transaction; raises StaleVersion unless it is at
    ``version``.

    Without the lock, two concurrent changes on PostgreSQL would both find the version that they
    expect, and the second would overwrite the first.
    """
    query = entries_query().where(Entry.uid == uid).with_for_update(of=Entry, key_share=True)
    entry = tx.scalar(query)
    if entry is None:
        raise NotFound("entry", uid)
    if version is not None:
        require_version(entry, version)
    return entry


def require_version(entry: Entry, version: int) -> None:
    """Raise StaleVersion unless the entry is at ``version``."""
    if entry.version != version:
        raise StaleVersion(entry.uid, entry.version)


def list_entries(
    tx: Session,
    *states: EntryState,
    stream_id: int | None = None,
    account_id: int | None = None,
    limit: int = 50,
    whole: bool = False,
) -> Sequence[Entry]:
    """The most recently changed entries, newest change first; ``whole``: with byline, tags and
    pictures.
    """
    query = entries_query() if whole else headlines_query()
    query = query.order_by(Entry.changed_at.desc(), Entry.id.desc()).limit(limit)
    if states:
        query = query.where(Entry.state.in_(states))
    if stream_id is not None:
        query = query.where(Entry.stream_id == stream_id)
    if account_id is not None:
        query = query.where(Entry.account_id == account_id)
    return tx.scalars(query).all()


def entry_ids(tx: Session, *states: EntryState, stream_id: int | None = None) -> Sequence[int]:
    """The ids of all entries, newest change first: a long list that is read by ids neither misses
    nor repeats an entry that changes meanwhile.
    """
    query = select(Entry.id).order_by(Entry.changed_at.desc(), Entry.id.desc())
    if states:
        query = query.where(Entry.state.in_(states))
    if stream_id is not None:
        query = query.where(Entry.stream_id == stream_id)
    return tx.scalars(query).all()


def entries_by_id(tx: Session, ids: Sequence[int]) -> list[Entry]:
    """The entries of these ids in their order, with byline, tags and pictures; missing ones are
    left out.
    """
    by_id = {entry.id: entry for entry in tx.scalars(entries_query().where(Entry.id.in_(ids)))}
    return [by_id[id_] for id_ in ids if id_ in by_id]


@dataclass(frozen=True)
class ResolvedText:
    """A cleaned text with the rows of its contributors and pictures."""

    text: EntryText
    contributors: Sequence[Contributor]
    pictures: Mapping[str, Picture]  # by SHA-256

    def content(self) -> dict[str, Any]:
        """The text as a revision stores it."""
        return self.text.pack([person.id for person in self.contributors])


def resolve_text(tx: Session, text: EntryText) -> ResolvedText:
    """Look up, or create, the contributors of a cleaned text, and claim its pictures; raises
    Invalid where a picture is gone.
    """
    names = [picture.sha256 for picture in text.pictures]
    mark_pictures_used(tx, names)
    return ResolvedText(text, resolve_contributors(tx, text.byline), pictures_by_name(tx, names))


def resolve_content(tx: Session, content: Mapping[str, Any]) -> ResolvedText:
    """The text of a revision with its contributors and pictures."""
    text = EntryText.unpack(content)
    if "body_text" not in content:  # stored by an earlier version
        text = replace(text, body_text=to_text(text.body))
    ids = content["byline"]
    people = tx.scalars(select(Contributor).where(Contributor.id.in_(ids)))
    by_id = {person.id: person for person in people}
    pictures = pictures_by_name(tx, [picture.sha256 for picture in text.pictures])
    return ResolvedText(text, [by_id[id_] for id_ in ids], pictures)


def fill(tx: Session, entry: Entry, resolved: ResolvedText) -> None:
    """Give the entry this text; its credits, tags and pictures must be loaded."""
    text = resolved.text
    entry.title = text.title
    entry.dek = text.dek
    entry.link = text.link
    entry.body = text.body
    entry.body_html = text.body_html
    entry.importance = text.importance
    entry.credits.clear()
    entry.tags.clear()
    entry.pictures.clear()
    tx.flush()  # deletes the old rows, whose keys may come back
    for position, person in enumerate(resolved.contributors):
        entry.credits.append(EntryContributor(contributor=person, position=position))
    for position, label in enumerate(text.tags):
        entry.tags.append(EntryTag(slug=tag_slug(label), label=label, position=position))
    for position, picture_text in enumerate(text.pictures):
        picture = resolved.pictures[picture_text.sha256]
        entry.pictures.append(
            EntryPicture(
                picture=picture, position=position, alt=picture_text.alt, credit=picture_text.credit
            )
        )
    mark_changed(tx, entry)
    tx.add(entry)  # it may be new
    index_entry(tx, entry, text.body_text)


def snapshot(entry: Entry) -> dict[str, Any]:
    """The current text as a revision stores it; credits, tags and pictures must be loaded."""
    return {
        "title": entry.title,
        "dek": entry.dek,
        "body": entry.body,
        "body_html": entry.body_html,
        "byline": [person.id for person in entry.byline],
        "tags": [tag.label for tag in entry.tags],
        "link": entry.link,
        "importance": entry.importance.value,
        "pictures": [asdict(picture) for picture in pictures_of_entry(entry)],
    }


def mark_changed(tx: Session, entry: Entry) -> None:
    """Count a change, so that a form with the former text is refused as stale."""
    entry.version += 1
    entry.changed_at = now(tx)
