"""Entries: found, and filled with a text."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session, joinedload, selectinload
from sqlalchemy.orm.interfaces import ORMOption

from models.db.clock import now
from models.streams.contributors import resolve_contributors
from models.streams.pictures import mark_pictures_used, pictures_by_name
from models.tables.media import Picture
from models.tables.people import Contributor
from models.tables.stories import (
    Entry,
    EntryContributor,
    EntryPicture,
    EntryState,
    EntryTag,
    Importance,
)
from models.text.actor import Actor
from models.text.errors import NotFound, StaleVersion
from models.text.markdown import to_text
from models.text.search_index import index_entry
from models.text.texts import EntryText, pictures_of_entry, tag_slug, unpack_pictures

_LOADED = (
    selectinload(Entry.stream),
    selectinload(Entry.credits).selectinload(EntryContributor.contributor),
    selectinload(Entry.tags),
    selectinload(Entry.pictures).joinedload(EntryPicture.picture).selectinload(Picture.files),
)


def entries_query() -> Select[Entry]:
    """A query for entries with stream, byline, tags and pictures, in seven statements at most
    however many there are.
    """
    return select(Entry).options(*_LOADED)


def headlines_query() -> Select[Entry]:
    """The same with nothing but the stream, in one statement: for lists that show titles."""
    return select(Entry).options(joinedload(Entry.stream))


def get_entry(tx: Session, uid: str, *more: ORMOption) -> Entry:
    """The entry with all that belongs to it, and what ``more`` loads beside it."""
    return _found(tx.scalar(entries_query().options(*more).where(Entry.uid == uid)), uid)


def is_own_draft(entry: Entry, actor: Actor) -> bool:
    """Whether the actor wrote this draft: an author may change it, as editors may change any entry."""
    return entry.state is EntryState.DRAFT and entry.account_id == actor.account_id


def is_own_submission(entry: Entry, actor: Actor) -> bool:
    """Whether the actor wrote this entry or submitted it to the editors, whatever became of it
    since.
    """
    return actor.account_id in (entry.account_id, entry.submitted_by)


def entry_to_change(tx: Session, uid: str, *, version: int | None = None) -> Entry:
    """The same, and nobody else changes it until the end of the transaction; StaleVersion where it
    is no longer at ``version``.

    Without the lock, two changes that meet on PostgreSQL would both find the version that they
    expect, and the second would overwrite the first.
    """
    query = entries_query().where(Entry.uid == uid).with_for_update(of=Entry, key_share=True)
    entry = _found(tx.scalar(query), uid)
    if version is not None:
        require_version(entry, version)
    return entry


def require_version(entry: Entry, version: int) -> None:
    """Raise StaleVersion where the entry is no longer the one that the caller looked at."""
    if entry.version != version:
        raise StaleVersion(entry.uid, entry.version)


def _found(entry: Entry | None, uid: str) -> Entry:
    if entry is None:
        raise NotFound("entry", uid)
    return entry


def list_entries(
    tx: Session,
    *states: EntryState,
    stream_id: int | None = None,
    account_id: int | None = None,
    limit: int = 50,
    whole: bool = False,
) -> Sequence[Entry]:
    """The entries last changed, newest change first; with byline, tags and pictures where they are
    wanted ``whole``.
    """
    query = (
        (entries_query() if whole else headlines_query())
        .order_by(Entry.changed_at.desc(), Entry.id.desc())
        .limit(limit)
    )
    if states:
        query = query.where(Entry.state.in_(states))
    if stream_id is not None:
        query = query.where(Entry.stream_id == stream_id)
    if account_id is not None:
        query = query.where(Entry.account_id == account_id)
    return tx.scalars(query).all()


def entry_ids(tx: Session, *states: EntryState, stream_id: int | None = None) -> Sequence[int]:
    """The ids of all entries, those last changed first: what changes while a long list is read is
    neither missed nor there twice.
    """
    query = select(Entry.id).order_by(Entry.changed_at.desc(), Entry.id.desc())
    if states:
        query = query.where(Entry.state.in_(states))
    if stream_id is not None:
        query = query.where(Entry.stream_id == stream_id)
    return tx.scalars(query).all()


def entries_by_id(tx: Session, ids: Sequence[int]) -> list[Entry]:
    """These entries in the order of their ids' list, with byline, tags and pictures; those that are
    gone are left out.
    """
    found = {entry.id: entry for entry in tx.scalars(entries_query().where(Entry.id.in_(ids)))}
    return [found[id_] for id_ in ids if id_ in found]


def packed(tx: Session, text: EntryText) -> dict[str, Any]:
    """A cleaned text as a revision keeps it; contributors that it names for the first time are
    made. Invalid where a picture is gone.
    """
    mark_pictures_used(tx, [shown.sha256 for shown in text.pictures])
    return text.pack([person.id for person in resolve_contributors(tx, text.byline)])


def fill(tx: Session, entry: Entry, content: dict[str, Any]) -> None:
    """Make the entry say what ``content``, from `packed`, says; its credits, tags and pictures must
    be loaded.
    """
    entry.title, entry.dek, entry.link = content["title"], content["dek"], content["link"]
    entry.body, entry.body_html = content["body"], content["body_html"]
    entry.importance = Importance(content["importance"])
    entry.credits.clear()
    entry.tags.clear()
    entry.pictures.clear()
    tx.flush()  # rows with the same keys may come back
    people = {
        person.id: person
        for person in tx.scalars(select(Contributor).where(Contributor.id.in_(content["byline"])))
    }
    entry.credits = [
        EntryContributor(contributor=people[id_], position=n)
        for n, id_ in enumerate(content["byline"])
    ]
    entry.tags = [
        EntryTag(slug=tag_slug(label), label=label, position=n)
        for n, label in enumerate(content["tags"])
    ]
    shown = unpack_pictures(content)
    pictures = pictures_by_name(tx, [one.sha256 for one in shown])
    entry.pictures = [
        EntryPicture(picture=pictures[one.sha256], position=n, alt=one.alt, credit=one.credit)
        for n, one in enumerate(shown)
    ]
    mark_changed(tx, entry)
    tx.add(entry)  # it may be a new one
    # Without a text of its own it waited while the service was upgraded.
    index_entry(tx, entry, content["body_text"] if "body_text" in content else to_text(entry.body))


def snapshot(entry: Entry) -> dict[str, Any]:
    """What the entry says now, as `packed` would give it; its credits, tags and pictures must be
    loaded.
    """
    return {
        "title": entry.title,
        "dek": entry.dek,
        "body": entry.body,
        "body_html": entry.body_html,
        "byline": [person.id for person in entry.byline],
        "tags": [tag.label for tag in entry.tags],
        "link": entry.link,
        "importance": entry.importance.value,
        "pictures": [asdict(shown) for shown in pictures_of_entry(entry)],
    }


def mark_changed(tx: Session, entry: Entry) -> None:
    """Count a change, so that whoever still looks at the former text is told."""
    entry.version += 1
    entry.changed_at = now(tx)
