"""The breaker of a channel: after a few refusals everything for it waits, and one real delivery at a time tries it."""

import logging
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Update, select, update
from sqlalchemy.orm import Session

from config.logging import discreet
from models import Lane, Recipient
from models.alerts import tell_operators
from models.clock import now
from models.database import rows_changed
from notifier.claim import Message
from notifier.errors import Refused, SendError, Sent
from notifier.services import SERVICES

log = logging.getLogger(__name__)

REFUSALS = 3
FIRST_REST, LONGEST_REST = timedelta(minutes=10), timedelta(hours=4)


@dataclass(frozen=True, slots=True)
class Health:
    """``refusals`` running, of the channel and not of one message; ``sick``: the breaker is open."""

    refusals: int = 0
    sick: bool = False

    def after(self, outcome: Sent | SendError) -> "Health":
        """What an attempt's end makes of it; a failure that blames nobody changes nothing, but lets a sick one rest longer."""
        if isinstance(outcome, Sent):
            return Health()
        counts = self.sick or (isinstance(outcome, Refused) and outcome.pause)
        refusals = self.refusals + counts
        return Health(refusals, self.sick or refusals >= REFUSALS)

    @property
    def rest(self) -> timedelta:
        """How long nothing is sent there: none while well, then longer after each try, from FIRST_REST to LONGEST_REST."""
        if not self.sick:
            return timedelta(0)
        return min(FIRST_REST * (1 << min(self.refusals - REFUSALS, 20)), LONGEST_REST)


@dataclass(frozen=True, slots=True)
class Pulse:
    """A channel before and after an attempt."""

    before: Health = Health()
    after: Health = Health()


def feel(tx: Session, message: Message, outcome: Sent | SendError, *, counts: bool) -> Pulse:
    """What an attempt's end means for its channel.  Nothing for mail, whose server has a pause of its own.

    A notice, which may be somebody's test, can make a channel well but not sick.
    ``counts``: False for one of several that were told in one message, of which another stands for all.
    """
    if message.lane is not Lane.URGENT or (message.notice and not (isinstance(outcome, Sent) and message.service in SERVICES)):
        return Pulse()
    refusals, since = tx.execute(select(Recipient.refusals, Recipient.sick_since).where(Recipient.id == message.recipient_id)).one()
    before = Health(refusals, since is not None)
    return Pulse(before, before.after(outcome) if counts else before)


def note(tx: Session, message: Message, pulse: Pulse, words: str) -> None:
    """Write a changed health down, and tell the operators where it turned: once for each sickness, and once when it is over.

    ``words`` are the remote's.  A channel that is well again takes the next message at its usual pace.
    """
    if pulse.after == pulse.before:
        return
    one, moment, service = update(Recipient).where(Recipient.id == message.recipient_id), now(tx), SERVICES.get(message.service)
    tx.execute(one.values(refusals=pulse.after.refusals))
    if pulse.after.sick:
        _turn(tx, message, "sick", one.where(Recipient.sick_since.is_(None)).values(sick_since=moment, reason=words), words)
    elif pulse.before.sick:
        next_at = moment + timedelta(seconds=service.pace_seconds if service else 0)
        _turn(
            tx, message, "healed", one.where(Recipient.sick_since.is_not(None)).values(sick_since=None, reason="", next_at=next_at), words
        )


def _turn(tx: Session, message: Message, notice: str, turn: Update, words: str) -> None:
    if rows_changed(tx, turn.execution_options(synchronize_session=False)):
        log.warning("channel %s: %s (%s)", discreet(message.address), notice, discreet(words))
        masked = tx.scalar(select(Recipient.masked_url).where(Recipient.id == message.recipient_id))
        tell_operators(tx, notice, {"channel": message.address, "masked_url": masked, "words": words, "refusals": REFUSALS})
