"""Autosaves: the fields of a form, saved while they are typed, so that a closed browser or a
log-out loses nothing.

An autosave is no draft: it changes no entry, nobody else sees it, and it is deleted once the form
was submitted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Select, delete, func, or_, select
from sqlalchemy.orm import Session

from models.db.clock import now
from models.db.database import Database
from models.tables.autosaves import Autosave
from models.tables.stories import Entry, Revision
from models.text.actor import Actor
from models.text.errors import AutosaveConflict, Conflict, Invalid, RequestKeyReused

MAX_AUTOSAVES = 100
"""Autosaves of an account."""
MAX_AUTOSAVE_CHARS = 250_000
"""Characters of all fields together: the longest text of an entry, the texts of its pictures, and
room for a text that is too long.
"""
AUTOSAVE_LIFE = timedelta(days=30)

Fields = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class UnsavedDraft:
    """An autosave in a list."""

    place: str
    title: str
    saved_at: datetime
    entry: str | None  # uid of the edited entry; None: a new one


def store_autosave(
    db: Database,
    actor: Actor,
    place: str,
    fields: Fields,
    *,
    window: str,
    seen: datetime | None,
    key: str = "",
) -> datetime:
    """Save a form's fields in place of the earlier autosave; returns when.

    ``window`` identifies the browser window, ``seen`` is the time of the autosave that it started
    from, ``key`` the form's request key.  Raises AutosaveConflict where another window has saved
    something else since, RequestKeyReused where the form was submitted already.
    """
    if sum(len(value) for values in fields.values() for value in values) > MAX_AUTOSAVE_CHARS:
        raise Invalid(
            "body",
            "too long to autosave: the limit is %(most)s characters.",
            most=f"{MAX_AUTOSAVE_CHARS:,}",
        )
    content: dict[str, list[str]] = {}
    for name, values in fields.items():
        # PostgreSQL stores no NUL
        content[name] = [value.replace("\x00", "") for value in values]
    with db.begin() as tx:
        autosave = tx.scalar(_at(actor, place).with_for_update())
        if autosave is None:
            autosave = _new(tx, actor, place, key)
        elif (
            autosave.saved_at != seen
            and autosave.fields.get("window") != [window]
            and _differ(autosave.fields, content)
        ):
            raise AutosaveConflict(autosave.saved_at)
        autosave.fields = content | {"window": [window]}
        autosave.saved_at = now(tx)
        tx.flush()
        return autosave.saved_at


def find_autosave(tx: Session, actor: Actor, place: str) -> Autosave | None:
    """The account's autosave of a form."""
    return tx.scalar(_at(actor, place)) if place.isalnum() else None


def list_autosaves(tx: Session, actor: Actor) -> list[UnsavedDraft]:
    """All autosaves of an account, newest first."""
    title = Autosave.fields[("title", 0)].as_string()
    query = select(Autosave.place, title, Autosave.saved_at, Entry.uid).outerjoin(
        Entry, Entry.uid == Autosave.place
    )
    mine = query.where(Autosave.account_id == actor.account_id).order_by(
        Autosave.saved_at.desc(), Autosave.id.desc()
    )
    return [
        UnsavedDraft(place, typed_title or "", saved_at, uid)
        for place, typed_title, saved_at, uid in tx.execute(mine)
    ]


def delete_autosave(db: Database, actor: Actor, place: str) -> None:
    with db.begin() as tx:
        tx.execute(
            delete(Autosave).where(Autosave.account_id == actor.account_id, Autosave.place == place)
        )


def delete_expired_autosaves(db: Database) -> None:
    """Delete autosaves that were not continued.  Writes only if there are any."""
    with db.read() as tx:
        old = tx.scalars(
            select(Autosave.id)
            .where(Autosave.saved_at < now(tx) - AUTOSAVE_LIFE)
            .limit(MAX_AUTOSAVES)
        ).all()
    if old:
        with db.begin() as tx:
            tx.execute(
                delete(Autosave).where(
                    Autosave.id.in_(old), Autosave.saved_at < now(tx) - AUTOSAVE_LIFE
                )
            )


def _at(actor: Actor, place: str) -> Select[Autosave]:
    return select(Autosave).where(Autosave.account_id == actor.account_id, Autosave.place == place)


def _new(tx: Session, actor: Actor, place: str, key: str) -> Autosave:
    """A new autosave; raises RequestKeyReused for a late request of a form that was submitted."""
    sent = [
        select(kind.id).where(kind.account_id == actor.account_id, kind.request_key == key)
        for kind in (Entry, Revision)
    ]
    if key and tx.scalar(select(or_(*(query.exists() for query in sent)))):
        raise RequestKeyReused("This was already submitted.")
    if (
        tx.execute(select(func.count()).where(Autosave.account_id == actor.account_id)).scalar_one()
        >= MAX_AUTOSAVES
    ):
        raise Conflict("You have too many unsaved drafts. Discard some to save this one.")
    assert actor.account_id is not None
    autosave = Autosave(account_id=actor.account_id, place=place)
    tx.add(autosave)
    return autosave


def _differ(first: Fields, second: Fields) -> bool:
    """Whether two forms differ in more than their window, version and request key."""
    names = (first.keys() | second.keys()) - {"window", "version", "request_key"}
    return any(list(first.get(name, [""])) != list(second.get(name, [""])) for name in names)
