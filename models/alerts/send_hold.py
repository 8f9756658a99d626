"""Holds: all sending waits for an operator.

A copied or restored database contains deliveries that the original has sent since, or that nobody
wants after days. So sending is held where the database runs at another place than before, after a
restore, and after a long silence.
"""

import hashlib
import os
import platform
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import exists, func, or_, select, text, update
from sqlalchemy.orm import Session

from config.settings import is_local
from models.alerts.alert_control import resume_alert
from models.alerts.send_mark import (
    advance_mark,
    durable_transaction,
    follow_mark,
    known_mark,
    mark_sends,
    read_mark,
    record_mark,
    why_restored,
)
from models.db.clock import now
from models.db.database import Database
from models.db.dialects import dialect_of
from models.tables.ledger import (
    MAY_EXPAND,
    Alert,
    AlertState,
    Delivery,
    DeliveryState,
    Fanout,
    Lane,
    Priority,
)
from models.tables.people import Role
from models.tables.stories import Site
from models.text.actor import Actor

HEARTBEAT = timedelta(seconds=30)
SILENCE = timedelta(hours=1)
"""Without a heartbeat for so long, what was owed before may be wanted by nobody any more."""
_MACHINE = Path("/etc/machine-id")
_NAMES = {
    "url": "BASE_URL",
    "host": "the machine",
    "file": "the database's file",
    "cluster": "the PostgreSQL server",
    "database": "the database",
}


@dataclass(frozen=True, slots=True)
class Waiting:
    """Deliveries that go out when sending is resumed. ``finding``: alerts that are not fully
    expanded yet.
    """

    mails: int
    channels: int
    finding: int
    oldest: datetime | None


def may_send(tx: Session) -> bool:
    """Whether deliveries may be claimed: sending is neither paused nor held, nor due to be checked
    after a silence.
    """
    paused, held_reason, beat = _how_sending_stands(tx)
    return not paused and held_reason is None and not _silent(tx, beat)


def may_tell_of_hold(tx: Session) -> bool:
    """Whether notices of `Priority.HOLD_NOTICE` may be claimed: sending is not paused, and needs no
    check after a silence.
    """
    paused, _, beat = _how_sending_stands(tx)
    return not paused and not _silent(tx, beat)


def _how_sending_stands(tx: Session) -> tuple[bool, str | None, datetime | None]:
    """Whether sending is paused, why it is held, and the last heartbeat of a worker."""
    columns = select(Site.sending_paused, Site.held_reason, Site.heartbeat_at)
    paused, held_reason, beat = tx.execute(columns).one_or_none() or (False, None, None)
    return paused, held_reason, beat


def hold(tx: Session, reason: str) -> None:
    """Hold all sending until `storywire resume`; ``reason`` is a sentence, the first one stays."""
    tx.execute(update(Site).where(Site.held_reason.is_(None)).values(held_reason=reason[:300]))


def watch(db: Database, base_url: str, *, starting: bool = False) -> str | None:
    """Write a heartbeat about every 30 s, and hold sending where it must be; returns the reason of
    a new hold.

    ``starting``: check at once, and return the reason of an old hold, too.
    """
    mark_sends(db)
    remembered = db.sends.number
    with db.read() as tx:
        site = tx.scalars(select(Site)).one()
        fresh = site.heartbeat_at is not None and now(tx) - site.heartbeat_at < HEARTBEAT
        number = read_mark(tx)
    if fresh and site.fingerprint is not None and number >= remembered and not starting:
        follow_mark(db, site, number)
        return None
    known = known_mark(db, site)
    with durable_transaction(db) as tx:
        site = tx.scalars(select(Site).with_for_update()).one()
        here, was_held = place(tx, base_url), site.held_reason is not None
        reasons = (
            _elsewhere(site.fingerprint or here, here),
            why_restored(tx, known, site.heartbeat_at),
            _after_silence(tx, site.heartbeat_at),
        )
        if (reason := next(filter(None, reasons), None)) is not None:
            hold(tx, reason)
            # A notice of an earlier hold, which the copied database still owes, is no copy's to
            # send.
            of_hold = (
                Delivery.lane == Lane.FAST,
                Delivery.priority == Priority.HOLD_NOTICE,
                Delivery.state == DeliveryState.QUEUED,
            )
            tx.execute(
                update(Delivery)
                .where(*of_hold)
                .values(priority=Priority.IMMEDIATE)
                .execution_options(synchronize_session=False)
            )
        tx.refresh(site, ["held_reason"])
        site.fingerprint, site.heartbeat_at = site.fingerprint or here, now(tx)
        number = advance_mark(tx, beyond=known)
        held_reason = site.held_reason if starting or not was_held else None
    record_mark(db, site, number, durable=True)
    return held_reason


def pause_sending(db: Database, actor: Actor) -> None:
    """Pause sending on all nodes until `resume_sending`; workers release claimed deliveries."""
    actor.must_be(Role.EDITOR)
    with db.begin() as tx:
        tx.execute(update(Site).values(sending_paused=True))


def resume_sending(db: Database, actor: Actor) -> None:
    """End a pause, and holds of the site and of single alerts; the present place of the database is
    the right one from now on.

    An editor may end a pause, an admin a hold.
    """
    with db.begin() as tx:
        site = tx.scalars(select(Site).with_for_update()).one()
        late = tx.scalars(select(Alert.id).where(Alert.state == AlertState.HELD)).all()
        actor.must_be(Role.ADMIN if site.held_reason is not None or late else Role.EDITOR)
        site.sending_paused, site.held_reason = False, None
        site.fingerprint, site.heartbeat_at = None, now(tx)
        tx.execute(update(Alert).where(Alert.finished_at.is_(None)).values(resumed_at=now(tx)))
    for alert_id in late:
        resume_alert(db, actor, alert_id)


def waiting(tx: Session) -> Waiting:
    """Queued deliveries and unfinished fan-outs, but for alerts that are stopped or wait for
    approval.
    """
    stopped = select(Alert.id).where(
        Alert.state.in_([AlertState.STOPPED, AlertState.WAITING_FOR_APPROVAL])
    )
    owed = (Delivery.state == DeliveryState.QUEUED, Delivery.alert_id.not_in(stopped))
    rows = tx.execute(
        select(Delivery.lane, func.count(), func.min(Delivery.created_at))
        .where(*owed)
        .group_by(Delivery.lane)
    ).all()
    numbers = {lane: number for lane, number, _ in rows}
    undone = select(func.count(Fanout.alert_id.distinct())).where(
        Fanout.done_at.is_(None), Fanout.alert_id.not_in(stopped)
    )
    oldest = min((created_at for _, _, created_at in rows), default=None)
    return Waiting(
        numbers.get(Lane.BULK, 0),
        numbers.get(Lane.FAST, 0),
        tx.execute(undone).scalar_one(),
        oldest,
    )


def place(tx: Session, base_url: str) -> str:
    """Hashes that tell the place of this database from others.

    Addresses of the machine itself count as equal, since a link to them leads no reader astray.
    """
    parts = {"url": "local" if is_local(base_url) else base_url}
    if dialect_of(tx) == "sqlite":
        file = str(tx.connection().engine.url.database)
        parts |= {
            "host": _host(),
            "file": str(os.stat(file).st_ino),  # noqa: PTH116  never opened: that would drop SQLite's locks
        }
    else:
        cluster = text("SELECT system_identifier::text FROM pg_control_system()")
        database = text("SELECT oid::text FROM pg_database WHERE datname = current_database()")
        parts |= {
            "cluster": tx.execute(cluster).scalar_one(),
            "database": tx.execute(database).scalar_one(),
        }
    return " ".join(
        f"{name}={hashlib.sha256(value.encode()).hexdigest()[:16]}" for name, value in parts.items()
    )


def _host() -> str:
    """Id of this machine, or its name where it has none: names change with the network."""
    try:
        return _MACHINE.read_text("ascii").strip() or platform.node()
    except (OSError, UnicodeDecodeError):
        return platform.node()


def _elsewhere(stored: str, here: str) -> str | None:
    before = dict(part.split("=") for part in stored.split())
    names = [
        _NAMES[name]
        for name, value in (part.split("=") for part in here.split())
        if before.get(name) != value
    ]
    if not names:
        return None
    return (
        f"This is not where the site sent last ({', '.join(names)}): it may be a copy of one that"
        " still sends."
    )


def _silent(tx: Session, beat: datetime | None) -> bool:
    return beat is not None and now(tx) - beat > SILENCE


def _after_silence(tx: Session, beat: datetime | None) -> str | None:
    if beat is None or not _silent(tx, beat):
        return None
    then = now(tx) - SILENCE
    states = Delivery.state.in_([DeliveryState.QUEUED, DeliveryState.CLAIMED])
    owed = exists().where(states, Delivery.created_at < then, Delivery.held_at.is_(None))
    unexpanded = exists().where(
        Fanout.done_at.is_(None),
        Fanout.alert_id == Alert.id,
        Alert.created_at < then,
        MAY_EXPAND,
    )
    if not tx.scalar(select(or_(owed, unexpanded))):
        return None
    return f"No worker ran since {beat:%Y-%m-%d %H:%M} UTC, and alerts from before still wait."
