"""Leases: a claimed row belongs to one worker for a while, and to anybody when that has gone."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, or_, select, true, update
from sqlalchemy.orm import Session

from models import (
    Alert,
    AlertKind,
    Delivery,
    DeliveryState,
    Lane,
    Recipient,
    SkipReason,
    Subscription,
    TallyKind,
)
from models.db.clock import now
from models.db.database import Database
from models.db.tallies import add_to_tallies
from notifier.ledger.alert_failure import tell_operators_once
from notifier.ledger.db_retry import retry_while_db_unavailable
from notifier.ledger.ledger_sql import changed
from notifier.services import SERVICES

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=60)
TRIES_IF_UNKNOWN = 2  # of a notice by mail, whose Message-ID stays

MAX_LOST_LEASES = 5
SUSPECT_AFTER_LOST_LEASES = 2
"""From which on a row is claimed alone, so that it fails alone if it is what ends its worker."""
GIVEN_UP = (
    f"Its worker ended, or took longer than {LEASE.total_seconds():.0f} seconds, {MAX_LOST_LEASES}"
    " times in a row before this was sent."
)

QUEUED: dict[str, Any] = {
    "state": DeliveryState.QUEUED,
    "claim_token": None,
    "lease_until": None,
    "started_at": None,
}
"""What every row goes back to when it is nobody's."""


def skipped(reason: SkipReason, moment: datetime, words: str = "") -> dict[str, Any]:
    """What a row shows that is not sent."""
    nobodys = {**QUEUED, "state": DeliveryState.SKIPPED, "reason": reason, "settled_at": moment}
    return {**nobodys, "last_reply": words} if words else nobodys


class Lease:
    """One claim's right to send, watched by a monotonic clock, so that a wall clock that steps
    cannot stretch it.
    """

    def __init__(
        self, db: Database, token: str, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.token = token
        self._db = db
        self._monotonic = monotonic
        self._renew_at = self._half()

    def _half(self) -> float:
        return self._monotonic() + LEASE.total_seconds() / 2

    def held(self) -> bool:
        """True while the claim is ours, renewed when half of its time is over; asked before each
        message.
        """
        if self._monotonic() < self._renew_at:
            return True
        renew_at = self._half()  # counted from before the database's own moment, so never too long
        with self._db.begin() as tx:
            held = (
                changed(
                    tx, update(Delivery).where(_of(self.token)).values(lease_until=now(tx) + LEASE)
                )
                > 0
            )
        self._renew_at = renew_at if held else self._renew_at
        return held


def give_back(db: Database, token: str, *, but: Iterable[int] = (), begun: bool = False) -> int:
    """Put what is left of a claim back in the queue, untried; returns how many.

    ``but``: rows that are being sent. ``begun``: also rows that say so, since the caller knows that
    they are not.
    """
    return retry_while_db_unavailable(lambda: _give_back(db, token, list(but), begun))


def _give_back(db: Database, token: str, but: Sequence[int], begun: bool) -> int:
    with db.begin() as tx:
        untried = and_(_of(token), Delivery.id.not_in(but))
        if not begun:
            untried = and_(untried, Delivery.started_at.is_(None))
        return changed(
            tx, update(Delivery).where(untried).values(attempts=Delivery.attempts - 1, **QUEUED)
        )


def release_expired(db: Database) -> int:
    """Free the claims whose workers are gone; returns how many.  Reads only, where there are none."""
    with db.read() as tx:
        gone = (Delivery.state == DeliveryState.CLAIMED) & (Delivery.lease_until < now(tx))
        if tx.scalar(select(Delivery.id).where(gone).limit(1)) is None:
            return 0
    with db.begin() as tx:
        return _release(tx, Delivery.lease_until < now(tx))


def release_all(db: Database) -> int:
    """Free every claim: only for the one worker of a SQLite database, as it starts."""
    with db.begin() as tx:
        return _release(tx, true())


def _release(tx: Session, which: ColumnElement[bool]) -> int:
    """Queued again, unless the attempt had begun and the receiver would see a double: then it is
    unknown.

    Of both it is kept that they may have arrived; a mail is sent again with its own Message-ID.
    """
    claimed = and_(Delivery.state == DeliveryState.CLAIMED, which)
    unseen = select(Recipient.id).where(Recipient.service.in_(_drop_doubles()))
    unmarked = select(Recipient.id).where(Recipient.service.in_(_unmarked()))
    begun_at = case((Delivery.recipient_id.in_(unmarked) & (Delivery.attempts == 1), now(tx)))
    arrived = func.coalesce(Delivery.may_have_arrived_at, Delivery.started_at, begun_at)
    again = or_(
        Delivery.started_at.is_(None),
        Delivery.lane == Lane.BULK,
        Delivery.recipient_id.in_(unseen),
    )
    lost_again = and_(Delivery.started_at.is_(None), Delivery.lost_leases >= MAX_LOST_LEASES - 1)
    released = _give_up(tx, and_(claimed, lost_again))
    requeued = {**QUEUED, "lost_leases": Delivery.lost_leases + 1, "may_have_arrived_at": arrived}
    released += changed(tx, update(Delivery).where(claimed, again).values(requeued))
    words = "The worker ended while this was being sent; it may have arrived."
    unknown = {
        "state": DeliveryState.UNKNOWN,
        "claim_token": None,
        "lease_until": None,
        "settled_at": now(tx),
        "may_have_arrived_at": arrived,
        "last_reply": words,
    }
    ended = (
        update(Delivery)
        .where(claimed)
        .values(**unknown)
        .returning(Delivery.alert_id, Delivery.lane, Delivery.recipient_id)
    )
    lost = tx.execute(ended.execution_options(synchronize_session=False)).all()
    _digested(tx, [(row.alert_id, row.recipient_id) for row in lost])
    add_to_tallies(tx, Counter((row.alert_id, row.lane, TallyKind.UNKNOWN) for row in lost))
    return released + len(lost)


def _give_up(tx: Session, which: ColumnElement[bool]) -> int:
    """Fail the rows that end whoever prepares them, or take longer than a lease, each time."""
    failed = {
        **QUEUED,
        "state": DeliveryState.FAILED,
        "settled_at": now(tx),
        "last_reply": GIVEN_UP,
    }
    ended = (
        update(Delivery)
        .where(which)
        .values(**failed)
        .returning(Delivery.id, Delivery.alert_id, Delivery.lane)
    )
    rows = tx.execute(ended.execution_options(synchronize_session=False)).all()
    for row in rows:
        log.error("delivery %s of alert %s is given up: %s", row.id, row.alert_id, GIVEN_UP)
    for row in {row.alert_id: row for row in rows}.values():
        tell_operators_once(tx, row.alert_id, row.id, GIVEN_UP)
    add_to_tallies(tx, Counter((row.alert_id, row.lane, TallyKind.FAILED) for row in rows))
    return len(rows)


def _digested(tx: Session, lost: Sequence[tuple[int, int]]) -> None:
    """Of a digest that may have arrived nothing is told again: which of its recipient's
    subscriptions it served is not known any more.
    """
    query = select(Alert.id, Alert.seq, Alert.cadence).where(
        Alert.id.in_([one for one, _ in lost]), Alert.kind == AlertKind.DIGEST
    )
    digests = {row.id: row for row in tx.execute(query)} if lost else {}
    for alert_id, recipient_id in lost:
        if (one := digests.get(alert_id)) is not None:
            served = (
                Subscription.recipient_id == recipient_id,
                Subscription.cadence == one.cadence,
                Subscription.digested_seq < one.seq,
            )
            changed(tx, update(Subscription).where(*served).values(digested_seq=one.seq))


def _drop_doubles() -> Iterable[str]:
    return [service.name for service in SERVICES.values() if service.retry_unknown]


def _unmarked() -> Iterable[str]:
    return [service.name for service in SERVICES.values() if service.unmarked]


def _of(token: str) -> ColumnElement[bool]:
    return and_(Delivery.claim_token == token, Delivery.state == DeliveryState.CLAIMED)
