"""What all nodes wait for: a mail server that is away, a site whose sending is paused or held, an
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
FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=5), timedelta(minutes=5)
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
    """Ask before a claim, in its transaction and with ``lock``, so that one worker probes."""
    if not may_send(tx):
        return Gate.OF_HOLD if lane is Lane.FAST and may_tell_of_hold(tx) else Gate.SHUT
    found = tx.get(Pause, MAIL, with_for_update=lock) if lane is Lane.BULK else None
    if found is None:
        return Gate.OPEN
    return Gate.PROBE if found.until is not None and found.until <= now(tx) else Gate.SHUT


class Brake:
    """Asked before each message of a claim, so that a stop or a pause ends it in the middle; looks
    every LOOK_SECONDS at most.

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
        self._db, self._alert_ids, self._monotonic = db, sorted(set(alert_ids)), monotonic
        self._look_at = monotonic() + LOOK_SECONDS
        self._pulled = False

    def pulled(self) -> bool:
        """True from the look on that finds all sending or one of these alerts stopped: the rest of
        the claim is to be given back.
        """
        if not self._pulled and self._monotonic() >= self._look_at:
            with self._db.read() as tx:
                stopped = select(Alert.id).where(Alert.id.in_(self._alert_ids), MUST_NOT_SEND)
                self._pulled = not self._may_go_on(tx) or tx.scalar(stopped.limit(1)) is not None
            self._look_at = self._monotonic() + LOOK_SECONDS
        return self._pulled


def hold_late(tx: Session, alerts: Iterable[AlertContext], *, tried: set[int]) -> set[int]:
    """The ids of those that wait for an operator; one of which nothing was tried for so long is
    held from now on.

    ``tried``: those of which a delivery comes back from a try that failed, which its own maximum
    age ends.
    """
    alerts = list(alerts)
    held = {one.alert_id for one in alerts if one.state in _HELD}
    old = (
        {one.alert_id for one in alerts if now(tx) - (one.resumed_at or one.created_at) > LATE}
        - held
        - tried
    )
    sums = tally_totals(tx, old) if old else {}
    late = {one for one in old if not any(sums.get(one, {}).get(state) for state in _TRIED)}
    if late:
        tx.execute(update(Alert).where(Alert.id.in_(late)).values(held_at=now(tx)))
        log.warning(
            "alerts %s are held: they would come more than %d hours late; `storywire resume` lets"
            " them go",
            sorted(late),
            LATE_HOURS,
        )
    return held | late


def probing(tx: Session) -> None:
    """Let nobody else probe as long as this claim may last."""
    tx.execute(update(Pause).where(Pause.name == MAIL).values(until=now(tx) + LEASE))


def server_away(db: Database, reason: str, *, probe: bool) -> None:
    """Let mail wait for the server, longer each time; of several connections that find it away, one
    counts.
    """
    with db.begin() as tx:
        found = tx.get(Pause, MAIL, with_for_update=True)
        if found is None:
            found = Pause(name=MAIL, until=now(tx), failures=0)
            tx.add(found)
        elif not probe and (found.until is None or found.until > now(tx)):
            return
        found.failures += 1
        found.reason = reason[:500]
        found.until = now(tx) + pause_after(found.failures)
        first = found.failures == 1
    if first:
        log.warning("mail waits, and is tried now and then: %s", discreet(reason))


def server_back(db: Database) -> None:
    """Let mail flow again."""
    with db.begin() as tx:
        gone = rows_changed(tx, delete(Pause).where(Pause.name == MAIL))
    if gone:
        log.warning("mail goes out again")


def pause_after(failures: int) -> timedelta:
    """Wait after so many failures running, 1 or more: doubles from FIRST_WAIT up to LONGEST_WAIT."""
    return min(FIRST_WAIT * (1 << min(failures - 1, 20)), LONGEST_WAIT)


def say_whether_mail_is_set_up(db: Database, *, is_set: bool) -> None:
    """At a worker's start: forget an earlier pause, or leave the reason why mail waits where the
    desk shows it.

    Where there are several nodes, one that has no mail server must not stop those that have.
    """
    if not is_set and not db.embedded:
        log.warning("%s This node sends no mail.", NO_MAIL_URL)
        return
    with db.begin() as tx:
        tx.execute(delete(Pause).where(Pause.name == MAIL))
        if not is_set:
            tx.add(Pause(name=MAIL, until=None, failures=0, reason=NO_MAIL_URL))
