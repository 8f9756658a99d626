"""What all nodes wait for: a mail server that is away, a site whose sending is paused."""

import enum
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from models import Lane, Pause, Site
from models.clock import now
from models.database import Database
from notifier.lease import LEASE

MAIL = "mail"
FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=5), timedelta(minutes=5)
_FAR = datetime(9000, 1, 1, tzinfo=UTC)
NO_MAIL_URL = "STORYWIRE_MAIL_URL is not set, so mail waits."


class Gate(enum.Enum):
    """Whether a lane may be claimed now; PROBE: one row, to see whether the server is back."""

    OPEN = "open"
    SHUT = "shut"
    PROBE = "probe"


def gate(tx: Session, lane: Lane, *, lock: bool = False) -> Gate:
    """Ask before a claim, in its transaction and with ``lock``, so that one worker probes."""
    if tx.scalar(select(Site.sending_paused)):
        return Gate.SHUT
    found = tx.get(Pause, MAIL, with_for_update=lock) if lane is Lane.BULK else None
    if found is None:
        return Gate.OPEN
    return Gate.PROBE if found.until <= now(tx) else Gate.SHUT


def probing(tx: Session) -> None:
    """Let nobody else probe as long as this claim may last."""
    tx.execute(update(Pause).where(Pause.name == MAIL).values(until=now(tx) + LEASE))


def server_away(db: Database, reason: str, *, probe: bool) -> None:
    """Let mail wait for the server, longer each time; of several connections that find it away, one counts."""
    with db.begin() as tx:
        found = tx.get(Pause, MAIL, with_for_update=True)
        if found is None:
            found = Pause(name=MAIL, until=now(tx), failures=0)
            tx.add(found)
        elif not probe and found.until > now(tx):
            return
        found.failures += 1
        found.reason = reason[:500]
        found.until = now(tx) + pause_after(found.failures)


def server_back(db: Database) -> None:
    """Let mail flow again."""
    with db.begin() as tx:
        tx.execute(delete(Pause).where(Pause.name == MAIL))


def pause_after(failures: int) -> timedelta:
    """Wait after so many failures running, 1 or more: doubles from FIRST_WAIT up to LONGEST_WAIT."""
    return min(FIRST_WAIT * (1 << min(failures - 1, 20)), LONGEST_WAIT)


def say_whether_mail_is_set_up(db: Database, *, is_set: bool) -> None:
    """At a worker's start: forget an earlier pause, or leave the reason why mail waits where the desk shows it."""
    with db.begin() as tx:
        tx.execute(delete(Pause).where(Pause.name == MAIL))
        if not is_set:
            tx.add(Pause(name=MAIL, until=_FAR, failures=0, reason=NO_MAIL_URL))
