"""Circuit breaker of a channel: while it is open everything waits, and one delivery at a time tries
the channel.

Whatever goes wrong counts: MAX_REFUSALS refusals in a row open the breaker, whichever 4xx they are,
and so do failures that may pass by themselves (5xx, time-out, TLS, refused connection) once nothing
got through for FAILURE_PATIENCE. Rendering errors are ours and count for no channel.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Update, select, update
from sqlalchemy.orm import Session

from config.logging import discreet
from models import Lane, Recipient
from models.alerts.alerts import tell_operators
from models.db.clock import now
from models.db.database import rows_changed
from notifier.ledger.claim import Message
from notifier.message.send_errors import Refused, RenderError, SendError, Sent, Unavailable
from notifier.services import SERVICES

log = logging.getLogger(__name__)

MAX_REFUSALS = 3
FAILURE_PATIENCE = timedelta(hours=1)
FIRST_REST = timedelta(minutes=10)
LONGEST_REST = timedelta(hours=4)


@dataclass(frozen=True, slots=True)
class Health:
    """Health of a channel since the last message that got through.

    ``refusals``: in a row; while ``open``, every failed attempt. ``since``: the first failure of
    any kind.
    """

    refusals: int = 0
    since: datetime | None = None
    open: bool = False

    def after(self, outcome: Sent | SendError, now: datetime) -> "Health":
        """Health after an attempt that ended at ``now``."""
        if isinstance(outcome, Sent):
            return Health()
        if isinstance(outcome, RenderError):
            return self
        since = self.since or now
        refusals = self.refusals + (self.open or _is_final(outcome))
        opens = not self.open and (refusals >= MAX_REFUSALS or now - since >= FAILURE_PATIENCE)
        if opens:
            refusals = max(refusals, MAX_REFUSALS)
        return Health(refusals, since, self.open or opens)

    @property
    def rest(self) -> timedelta:
        """Pause between attempts: zero while closed, then longer after each, from FIRST_REST to
        LONGEST_REST.
        """
        if not self.open:
            return timedelta(0)
        return min(FIRST_REST * (1 << min(max(self.refusals - MAX_REFUSALS, 0), 20)), LONGEST_REST)


def _is_final(outcome: SendError) -> bool:
    """Whether the next attempt is bound to fail, too, until somebody changes something."""
    return isinstance(outcome, Refused) or (isinstance(outcome, Unavailable) and outcome.ours)


@dataclass(frozen=True, slots=True)
class HealthChange:
    """A channel before and after an attempt."""

    before: Health = Health()
    after: Health = Health()


def evaluate(
    tx: Session, message: Message, outcome: Sent | SendError, *, counts: bool
) -> HealthChange:
    """Health of a channel after an attempt. Mail is left out: its server has a pause of its own.

    A notice, which may be somebody's test, can close the breaker but not open it. ``counts``: False
    for one of several deliveries of one message, of which another counts.
    """
    if message.lane is not Lane.FAST or (
        message.notice and not (isinstance(outcome, Sent) and message.service in SERVICES)
    ):
        return HealthChange()
    columns = (Recipient.refusals, Recipient.failing_since, Recipient.sick_since)
    refusals, since, sick_since = tx.execute(
        select(*columns).where(Recipient.id == message.recipient_id)
    ).one()
    before = Health(refusals, since, sick_since is not None)
    return HealthChange(before, before.after(outcome, now(tx)) if counts else before)


def persist(tx: Session, message: Message, pulse: HealthChange, words: str) -> None:
    """Store a changed health, and notify the operators when the breaker opens or closes.

    ``words`` are the remote's reply. A recovered channel takes the next message at its usual pace.
    """
    if pulse.after == pulse.before:
        return
    channel = update(Recipient).where(Recipient.id == message.recipient_id)
    tx.execute(channel.values(refusals=pulse.after.refusals, failing_since=pulse.after.since))
    if pulse.after.open:
        opens = channel.where(Recipient.sick_since.is_(None))
        _turn(tx, message, "sick", opens.values(sick_since=now(tx), reason=words), words)
    elif pulse.before.open:
        service = SERVICES.get(message.service)
        next_at = now(tx) + timedelta(seconds=service.pace_seconds if service else 0)
        closes = channel.where(Recipient.sick_since.is_not(None))
        _turn(
            tx, message, "healed", closes.values(sick_since=None, reason="", next_at=next_at), words
        )


def _turn(tx: Session, message: Message, notice: str, turn: Update, reply: str) -> None:
    if rows_changed(tx, turn.execution_options(synchronize_session=False)):
        log.warning("channel %s: %s (%s)", discreet(message.address), notice, discreet(reply))
        masked = tx.scalar(select(Recipient.masked_url).where(Recipient.id == message.recipient_id))
        tell_operators(
            tx, notice, {"channel": message.address, "masked_url": masked, "words": reply}
        )
