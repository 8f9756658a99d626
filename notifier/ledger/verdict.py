"""Whether a claimed message is still wanted: a pure rule on what the ledger says at that moment."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from models import DeliveryState, EntryState, RecipientState, RevisionKind, SkipReason, StreamState
from models.alerts.alert_control import STOPPED
from models.tables.ledger import HELD

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
    """What is so of the thing that an alert tells. ``retraction_at``: when a pending retraction
    becomes one.
    """

    revision: RevisionKind
    entry: EntryState
    stream: StreamState
    stopped: bool
    held: bool = False
    retraction_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is so of one recipient. ``earlier`` and ``later`` are its deliveries of other revisions
    of the same entry.
    """

    recipient: RecipientState
    subscribed: bool
    earlier: Sequence[DeliveryState] = ()
    later: Sequence[RevisionKind] = ()
    paused: bool = False
    quiet_until: datetime | None = None  # its quiet hours, which hold back this


def judge(standing: Standing, wish: Wish, moment: datetime) -> Send | Skip | Wait:
    """Send it, skip it with its reason, or wait."""
    return _refused(wish, stopped=standing.stopped) or _in_peace(
        _judge(standing, wish, moment), wish
    )


def judge_digest(wish: Wish, *, stopped: bool, busy_until: datetime | None) -> Send | Skip | Wait:
    """The same of a digest. ``busy_until``: an earlier one of its recipient is not settled, so
    nobody knows what it will have told.
    """
    return _refused(wish, stopped=stopped) or _in_peace(
        Send(told=False) if busy_until is None else Wait(busy_until), wish
    )


def judge_ending(wish: Wish, *, stopped: bool, stream: StreamState) -> Send | Skip | Wait:
    """The same of a story's last word, which is none where the story was opened again."""
    ended = (
        Send(told=False)
        if stream is StreamState.ENDED
        else Skip(SkipReason.CANCELLED, "The story goes on.")
    )
    return _refused(wish, stopped=stopped) or _in_peace(ended, wish)


def _refused(wish: Wish, *, stopped: bool) -> Skip | None:
    if stopped:
        return Skip(SkipReason.CANCELLED, STOPPED)
    if wish.recipient is not RecipientState.CONFIRMED:
        return Skip(
            SkipReason.SUPPRESSED
            if wish.recipient is RecipientState.SUPPRESSED
            else SkipReason.CANCELLED
        )
    return None if wish.subscribed else Skip(SkipReason.CANCELLED)


def _in_peace(verdict: Send | Skip | Wait, wish: Wish) -> Send | Skip | Wait:
    """What is to be sent goes to nobody in a pause, and to nobody before the end of quiet hours
    that hold it back.
    """
    if not isinstance(verdict, Send):
        return verdict
    if wish.paused:
        return Skip(SkipReason.QUIET, "Its recipient pauses.")
    return verdict if wish.quiet_until is None else Wait(wish.quiet_until)


def _judge(standing: Standing, wish: Wish, moment: datetime) -> Send | Skip | Wait:
    if standing.stream in (StreamState.HIDDEN, StreamState.DELETED):
        return Skip(SkipReason.CANCELLED, f"The story is {standing.stream.value}.")
    if wish.later:
        return Skip(
            SkipReason.RETRACTED if RevisionKind.RETRACTION in wish.later else SkipReason.SUPERSEDED
        )
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
        return (
            Skip(SkipReason.RETRACTED) if pending is None else Wait(max(pending, moment) + _SHORT)
        )
    return Send(told)


def judge_notice(recipient: RecipientState, *, stopped: bool) -> Send | Skip | Wait:
    """A notice asks for no subscription: it goes to whom it is for, unless mail to that address
    comes back.
    """
    if stopped:
        return Skip(SkipReason.CANCELLED, STOPPED)
    return (
        Skip(SkipReason.SUPPRESSED) if recipient is RecipientState.SUPPRESSED else Send(told=False)
    )


def _retraction(standing: Standing, told: bool) -> Send | Skip:
    if standing.entry is not EntryState.RETRACTED:
        return Skip(SkipReason.CANCELLED, "The entry was restored.")
    return Send(told) if told else Skip(SkipReason.RETRACTED)
