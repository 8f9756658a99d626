"""Reasons for all nodes to wait: an unavailable mail server, sending that is paused or held, an
alert that was stopped.
"""

import enum
import logging
import time
from collections.abc import Callable, Iterable
from datetime import timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from config.logging import discreet
from models import Alert, AlertState, Lane, Pause, TallyKind
from models.alerts.send_hold import may_send, may_tell_of_hold
from models.db.clock import now
from models.db.database import Database, rows_changed
from models.db.tallies import tally_totals
from models.tables.ledger import MUST_NOT_SEND
from notifier.ledger.alert_context import AlertContext
from notifier.ledger.lease import LEASE

log = logging.getLogger(__name__)

MAIL = "mail"
FIRST_WAIT = timedelta(seconds=5)
LONGEST_WAIT = timedelta(minutes=5)
LOOK_SECONDS = 0.25
_HELD = (AlertState.HELD, AlertState.WAITING_FOR_APPROVAL)
_TRIED = (TallyKind.SENT, TallyKind.UNKNOWN, TallyKind.FAILED)
LATE_HOURS = 6
LATE = timedelta(hours=LATE_HOURS)
NO_MAIL_URL = "STORYWIRE_MAIL_URL is not set, so mail waits."


class Gate(enum.Enum):
    """Whether a lane may be claimed now.

    PROBE: one row, to see whether the server is back. OF_HOLD: only notices that tell operators why
    all sending is held.
    """

    OPEN = "open"
    SHUT = "shut"
    PROBE = "probe"
    OF_HOLD = "of hold"


def gate(tx: Session, lane: Lane, *, lock: bool = False) -> Gate:
    """Check before a claim, in its transaction and with ``lock``, so that one worker probes."""
    if not may_send(tx):
        return Gate.OF_HOLD if lane is Lane.FAST and may_tell_of_hold(tx) else Gate.SHUT
    mail_pause = tx.get(Pause, MAIL, with_for_update=lock) if lane is Lane.BULK else None
    if mail_pause is None:
        return Gate.OPEN
    return Gate.PROBE if mail_pause.until is not None and mail_pause.until <= now(tx) else Gate.SHUT


class Brake:
    """Checked before each message of a claim, so that a stop or a pause ends it in the middle;
    reads every LOOK_SECONDS at most.

    ``of_hold``: the claim was made at Gate.OF_HOLD.
    """

    def __init__(
        self,
        db: Database,
        alert_ids: Iterable[int],
        *,
        of_hold: bool = False,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._may_go_on = may_tell_of_hold if of_hold else may_send
        self._db = db
        self._alert_ids = sorted(set(alert_ids))
        self._monotonic = monotonic
        self._look_at = monotonic() + LOOK_SECONDS
        self._pulled = False

    def pulled(self) -> bool:
        """True once all sending or one of these alerts is stopped: the rest of the claim is given
        back.
        """
        if not self._pulled and self._monotonic() >= self._look_at:
            with self._db.read() as tx:
                stopped = select(Alert.id).where(Alert.id.in_(self._alert_ids), MUST_NOT_SEND)
                self._pulled = not self._may_go_on(tx) or tx.scalar(stopped.limit(1)) is not None
            self._look_at = self._monotonic() + LOOK_SECONDS
        return self._pulled


def hold_late(tx: Session, alerts: Iterable[AlertContext], *, tried: set[int]) -> set[int]:
    """Ids of alerts that wait for an operator or editor; an alert of which nothing was tried for so
    long is held from now on.

    ``tried``: alerts of which a delivery comes back from a failed attempt, whose own maximum age
    ends it.
    """
    alerts = list(alerts)
    waiting = {alert.alert_id for alert in alerts if alert.state in _HELD}
    old = set()
    for alert in alerts:
        if now(tx) - (alert.resumed_at or alert.created_at) > LATE:
            old.add(alert.alert_id)
    old -= waiting | tried
    sums = tally_totals(tx, old) if old else {}
    late = {id_ for id_ in old if not any(sums.get(id_, {}).get(kind) for kind in _TRIED)}
    if late:
        tx.execute(update(Alert).where(Alert.id.in_(late)).values(held_at=now(tx)))
        log.warning(
            "alerts %s are held: they would come more than %d hours late; `storywire resume` lets"
            " them go",
            sorted(late),
            LATE_HOURS,
        )
    return waiting | late


def probing(tx: Session) -> None:
    """Keep other workers from probing as long as this claim may last."""
    tx.execute(update(Pause).where(Pause.name == MAIL).values(until=now(tx) + LEASE))


def server_away(db: Database, reason: str, *, probe: bool) -> None:
    """Pause mail until the server is tried again, longer each time; of several connections that
    fail at once, one counts.
    """
    with db.begin() as tx:
        mail_pause = tx.get(Pause, MAIL, with_for_update=True)
        if mail_pause is None:
            mail_pause = Pause(name=MAIL, until=now(tx), failures=0)
            tx.add(mail_pause)
        elif not probe and (mail_pause.until is None or mail_pause.until > now(tx)):
            return
        mail_pause.failures += 1
        mail_pause.reason = reason[:500]
        mail_pause.until = now(tx) + pause_after(mail_pause.failures)
        first = mail_pause.failures == 1
    if first:
        log.warning("mail waits, and is tried now and then: %s", discreet(reason))


def server_back(db: Database) -> None:
    """End the pause of mail."""
    with db.begin() as tx:
        gone = rows_changed(tx, delete(Pause).where(Pause.name == MAIL))
    if gone:
        log.warning("mail goes out again")


def pause_after(failures: int) -> timedelta:
    """Wait after failures in a row, 1 or more: doubles from FIRST_WAIT up to LONGEST_WAIT."""
    return min(FIRST_WAIT * (1 << min(failures - 1, 20)), LONGEST_WAIT)


def say_whether_mail_is_set_up(db: Database, *, is_set: bool) -> None:
    """End an earlier pause at a worker's start, or store the reason why mail waits, which the desk
    shows.

    On several nodes, one without a mail server must not stop those that have one.
    """
    if not is_set and not db.embedded:
        log.warning("%s This node sends no mail.", NO_MAIL_URL)
        return
    with db.begin() as tx:
        tx.execute(delete(Pause).where(Pause.name == MAIL))
        if not is_set:
            tx.add(Pause(name=MAIL, until=None, failures=0, reason=NO_MAIL_URL))
