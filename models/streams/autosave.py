"""Kept forms: what somebody types, kept while it is typed, so that no closed browser and no log-out
loses it.

A kept form is no draft: it changes no entry, nobody else sees it, and it goes once the form was
sent.
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
"""Kept forms of an account."""
MAX_AUTOSAVE_CHARS = 250_000
"""Characters of all fields together: the longest text that an entry takes, its pictures' words, and room for what must be shortened."""
AUTOSAVE_LIFE = timedelta(days=30)

Fields = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class UnsavedDraft:
    """A kept form in a list."""

    place: str
    title: str
    saved_at: datetime
    entry: str | None  # the uid of the entry that it would change; None: a new one


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
    """Keep a form's fields in place of what was kept there before; returns when.

    ``window`` is who types, ``seen`` when that was kept which it began with, ``key`` the form's
    request key. Raises KeptElsewhere where another window has kept something else there since,
    KeyUsed where the form was sent already.
    """
    if sum(len(value) for values in fields.values() for value in values) > MAX_AUTOSAVE_CHARS:
        raise Invalid(
            "body",
            "too long to autosave: the limit is %(most)s characters.",
            most=f"{MAX_AUTOSAVE_CHARS:,}",
        )
    # PostgreSQL bears none
    content = {
        name: [value.replace("\x00", "") for value in values] for name, values in fields.items()
    }
    with db.begin() as tx:
        found = tx.scalar(_at(actor, place).with_for_update())
        if found is None:
            found = _new(tx, actor, place, key)
        elif (
            found.saved_at != seen
            and found.fields.get("window") != [window]
            and _differ(found.fields, content)
        ):
            raise AutosaveConflict(found.saved_at)
        found.fields, found.saved_at = content | {"window": [window]}, now(tx)
        tx.flush()
        return found.saved_at


def find_autosave(tx: Session, actor: Actor, place: str) -> Autosave | None:
    """What this account has kept there."""
    return tx.scalar(_at(actor, place)) if place.isalnum() else None


def list_autosaves(tx: Session, actor: Actor) -> list[UnsavedDraft]:
    """All that an account has kept, the last first."""
    title = Autosave.fields[("title", 0)].as_string()
    query = select(Autosave.place, title, Autosave.saved_at, Entry.uid).outerjoin(
        Entry, Entry.uid == Autosave.place
    )
    mine = query.where(Autosave.account_id == actor.account_id).order_by(
        Autosave.saved_at.desc(), Autosave.id.desc()
    )
    return [
        UnsavedDraft(place, words or "", saved_at, uid)
        for place, words, saved_at, uid in tx.execute(mine)
    ]


def delete_autosave(db: Database, actor: Actor, place: str) -> None:
    """Forget it: it was sent, or is not wanted."""
    with db.begin() as tx:
        tx.execute(
            delete(Autosave).where(Autosave.account_id == actor.account_id, Autosave.place == place)
        )


def delete_expired_autosaves(db: Database) -> None:
    """Forget what nobody went on with.  Writes only where there is any."""
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
    """Room for another; what was sent a moment ago is not kept again by a request that was slower."""
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
    made = Autosave(account_id=actor.account_id, place=place)
    tx.add(made)
    return made


def _differ(one: Fields, other: Fields) -> bool:
    """Whether two forms say different things; which window and version they are of says nothing."""
    names = (one.keys() | other.keys()) - {"window", "version", "request_key"}
    return any(list(one.get(name, [""])) != list(other.get(name, [""])) for name in names)
