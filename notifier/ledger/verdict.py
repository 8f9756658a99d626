"""Whether a claimed message is still wanted: a pure rule on what the ledger says at that moment."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from models import DeliveryState, EntryState, RecipientState, RevisionKind, SkipReason, StreamState

_TOLD = (DeliveryState.SENT, DeliveryState.UNKNOWN)
_SHORT = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class SendNow:
    """It is to be sent.  ``told``: its recipient heard of an earlier revision of the entry."""

    told: bool


@dataclass(frozen=True, slots=True)
class SkipDelivery:
    """It is not sent at all."""

    reason: SkipReason
    words: str = ""


@dataclass(frozen=True, slots=True)
class WaitUntil:
    """It is not sent before ``until``."""

    until: datetime


@dataclass(frozen=True, slots=True)
class HoldDelivery:
    """Not sent before somebody resumes or approves its alert."""


NotNow = SkipDelivery | WaitUntil | HoldDelivery


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertFacts:
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
class DeliveryPreferences:
    """What is so of one recipient. ``earlier`` and ``later`` are its deliveries of other revisions
    of the same entry.
    """

    recipient: RecipientState
    subscribed: bool
    earlier: Sequence[DeliveryState] = ()
    later: Sequence[RevisionKind] = ()
    paused: bool = False
    quiet_until: datetime | None = None  # its quiet hours, which hold back this


def judge(standing: AlertFacts, wish: DeliveryPreferences, moment: datetime) -> SendNow | NotNow:
    """Send it, skip it with its reason, or wait."""
    return _refused(wish, stopped=standing.stopped) or _respect_pause_and_quiet_hours(
        _judge(standing, wish, moment), wish
    )


def judge_digest(
    wish: DeliveryPreferences, *, stopped: bool, busy_until: datetime | None
) -> SendNow | NotNow:
    """The same of a digest. ``busy_until``: an earlier one of its recipient is not settled, so
    nobody knows what it will have told.
    """
    return _refused(wish, stopped=stopped) or _respect_pause_and_quiet_hours(
        SendNow(told=False) if busy_until is None else WaitUntil(busy_until), wish
    )


def judge_ending(
    wish: DeliveryPreferences, *, stopped: bool, stream: StreamState
) -> SendNow | NotNow:
    """The same of a story's last word, which is none where the story was opened again."""
    ended = (
        SendNow(told=False)
        if stream is StreamState.ENDED
        else SkipDelivery(SkipReason.CANCELLED, "The story goes on.")
    )
    return _refused(wish, stopped=stopped) or _respect_pause_and_quiet_hours(ended, wish)


def _refused(wish: DeliveryPreferences, *, stopped: bool) -> SkipDelivery | None:
    if stopped:
        return SkipDelivery(SkipReason.STOPPED)
    if wish.recipient is not RecipientState.CONFIRMED:
        return SkipDelivery(
            SkipReason.SUPPRESSED
            if wish.recipient is RecipientState.SUPPRESSED
            else SkipReason.CANCELLED
        )
    return None if wish.subscribed else SkipDelivery(SkipReason.CANCELLED)


def _respect_pause_and_quiet_hours(
    verdict: SendNow | NotNow, wish: DeliveryPreferences
) -> SendNow | NotNow:
    """What is to be sent goes to nobody in a pause, and to nobody before the end of quiet hours
    that hold it back.
    """
    if not isinstance(verdict, SendNow):
        return verdict
    if wish.paused:
        return SkipDelivery(SkipReason.QUIET, "Its recipient pauses.")
    return verdict if wish.quiet_until is None else WaitUntil(wish.quiet_until)


def _judge(standing: AlertFacts, wish: DeliveryPreferences, moment: datetime) -> SendNow | NotNow:
    if standing.stream in (StreamState.HIDDEN, StreamState.DELETED):
        return SkipDelivery(SkipReason.CANCELLED, f"The story is {standing.stream.value}.")
    if wish.later:
        return SkipDelivery(
            SkipReason.RETRACTED if RevisionKind.RETRACTION in wish.later else SkipReason.SUPERSEDED
        )
    if standing.held:
        return HoldDelivery()
    if DeliveryState.CLAIMED in wish.earlier:
        return WaitUntil(moment + _SHORT)
    told = any(state in _TOLD for state in wish.earlier)
    if standing.revision is RevisionKind.RETRACTION:
        return _retraction(standing, told)
    if standing.entry is EntryState.RETRACTED:
        # Hidden at once, but for its undo time nobody knows whether it stays so.
        pending = standing.retraction_at
        return (
            SkipDelivery(SkipReason.RETRACTED)
            if pending is None
            else WaitUntil(max(pending, moment) + _SHORT)
        )
    return SendNow(told)


def judge_notice(recipient: RecipientState, *, stopped: bool) -> SendNow | NotNow:
    """A notice asks for no subscription: it goes to whom it is for, unless mail to that address
    comes back.
    """
    if stopped:
        return SkipDelivery(SkipReason.STOPPED)
    return (
        SkipDelivery(SkipReason.SUPPRESSED)
        if recipient is RecipientState.SUPPRESSED
        else SendNow(told=False)
    )


def _retraction(standing: AlertFacts, told: bool) -> SendNow | SkipDelivery:
    if standing.entry is not EntryState.RETRACTED:
        return SkipDelivery(SkipReason.CANCELLED, "The entry was restored.")
    return SendNow(told) if told else SkipDelivery(SkipReason.RETRACTED)
