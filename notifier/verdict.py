"""Whether a claimed message is still wanted: a pure rule on what the ledger says at that moment."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from models import DeliveryState, EntryState, RecipientState, RevisionKind, SkipReason, StreamState
from models.ledger import HELD
from models.steering import STOPPED

_TOLD = (DeliveryState.SENT, DeliveryState.UNKNOWN)
_SHORT = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Send:
    """It is to be sent.  ``told``: its recipient heard of an earlier revision of the entry."""

    told: bool


@dataclass(frozen=True, slots=True)
class Skip:
    """It is not sent at all."""

    reason: SkipReason
    words: str = ""


@dataclass(frozen=True, slots=True)
class Wait:
    """It is not sent before ``until``."""

    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is so of the thing that an alert tells.  ``retraction_at``: when a pending retraction becomes one."""

    revision: RevisionKind
    entry: EntryState
    stream: StreamState
    stopped: bool
    held: bool = False
    retraction_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is so of one recipient.  ``earlier`` and ``later`` are its deliveries of other revisions of the same entry."""

    recipient: RecipientState
    subscribed: bool
    earlier: Sequence[DeliveryState] = ()
    later: Sequence[RevisionKind] = ()


def judge(standing: Standing, wish: Wish, moment: datetime) -> Send | Skip | Wait:
    """Send it, skip it with its reason, or wait."""
    if standing.stopped:
        return Skip(SkipReason.CANCELLED, STOPPED)
    if wish.recipient is not RecipientState.CONFIRMED:
        return Skip(SkipReason.SUPPRESSED if wish.recipient is RecipientState.SUPPRESSED else SkipReason.CANCELLED)
    if not wish.subscribed:
        return Skip(SkipReason.CANCELLED)
    if standing.stream in (StreamState.HIDDEN, StreamState.DELETED):
        return Skip(SkipReason.CANCELLED, f"The story is {standing.stream.value}.")
    if wish.later:
        return Skip(SkipReason.RETRACTED if RevisionKind.RETRACTION in wish.later else SkipReason.SUPERSEDED)
    if standing.held:
        return Wait(HELD)
    if DeliveryState.CLAIMED in wish.earlier:
        return Wait(moment + _SHORT)
    told = any(state in _TOLD for state in wish.earlier)
    if standing.revision is RevisionKind.RETRACTION:
        return _retraction(standing, told)
    if standing.entry is EntryState.RETRACTED:
        # Hidden at once, but for its undo time nobody knows whether it stays so.
        pending = standing.retraction_at
        return Skip(SkipReason.RETRACTED) if pending is None else Wait(max(pending, moment) + _SHORT)
    return Send(told)


def judge_notice(recipient: RecipientState, *, stopped: bool) -> Send | Skip | Wait:
    """A notice asks for no subscription: it goes to whom it is for, unless mail to that address comes back."""
    if stopped:
        return Skip(SkipReason.CANCELLED, STOPPED)
    return Skip(SkipReason.SUPPRESSED) if recipient is RecipientState.SUPPRESSED else Send(told=False)


def _retraction(standing: Standing, told: bool) -> Send | Skip:
    if standing.entry is not EntryState.RETRACTED:
        return Skip(SkipReason.CANCELLED, "The entry was restored.")
    return Send(told) if told else Skip(SkipReason.RETRACTED)
