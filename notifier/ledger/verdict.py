"""Whether a claimed message is still wanted: a pure rule on what the ledger says at that moment."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from models import DeliveryState, EntryState, RecipientState, RevisionKind, SkipReason, StreamState

_TOLD = (DeliveryState.SENT, DeliveryState.UNKNOWN)
_SHORT = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class SendNow:
    """Send the message. ``told``: its recipient was told of an earlier revision of the entry."""

    told: bool


@dataclass(frozen=True, slots=True)
class SkipDelivery:
    """Never send the message."""

    reason: SkipReason
    words: str = ""


@dataclass(frozen=True, slots=True)
class WaitUntil:
    """Send the message no earlier than ``until``."""

    until: datetime


@dataclass(frozen=True, slots=True)
class HoldDelivery:
    """Wait until somebody resumes or approves the alert."""


NotNow = SkipDelivery | WaitUntil | HoldDelivery


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertFacts:
    """States that decide whether an alert is still wanted. ``retraction_at``: when a pending
    retraction takes effect.
    """

    revision: RevisionKind
    entry: EntryState
    stream: StreamState
    stopped: bool
    held: bool = False
    retraction_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryPreferences:
    """Wishes and history of one recipient. ``earlier`` and ``later`` are its deliveries of other
    revisions of the same entry.
    """

    recipient: RecipientState
    subscribed: bool
    earlier: Sequence[DeliveryState] = ()
    later: Sequence[RevisionKind] = ()
    paused: bool = False
    quiet_until: datetime | None = None  # end of quiet hours that hold this message back


def judge(standing: AlertFacts, wish: DeliveryPreferences, now: datetime) -> SendNow | NotNow:
    """Send a message, skip it with its reason, or wait."""
    return _refused(wish, stopped=standing.stopped) or _respect_pause_and_quiet_hours(
        _judge(standing, wish, now), wish
    )


def judge_digest(
    wish: DeliveryPreferences, *, stopped: bool, busy_until: datetime | None
) -> SendNow | NotNow:
    """Judge a digest. ``busy_until``: an earlier one of its recipient is not settled, so nobody
    knows what it will have told.
    """
    verdict = SendNow(told=False) if busy_until is None else WaitUntil(busy_until)
    return _refused(wish, stopped=stopped) or _respect_pause_and_quiet_hours(verdict, wish)


def judge_ending(
    wish: DeliveryPreferences, *, stopped: bool, stream: StreamState
) -> SendNow | NotNow:
    """Judge the end of a story, which is skipped where the story was opened again."""
    verdict: SendNow | NotNow = SendNow(told=False)
    if stream is not StreamState.ENDED:
        verdict = SkipDelivery(SkipReason.CANCELLED, "The story goes on.")
    return _refused(wish, stopped=stopped) or _respect_pause_and_quiet_hours(verdict, wish)


def _refused(wish: DeliveryPreferences, *, stopped: bool) -> SkipDelivery | None:
    if stopped:
        return SkipDelivery(SkipReason.STOPPED)
    if wish.recipient is RecipientState.SUPPRESSED:
        return SkipDelivery(SkipReason.SUPPRESSED)
    if wish.recipient is not RecipientState.CONFIRMED or not wish.subscribed:
        return SkipDelivery(SkipReason.CANCELLED)
    return None


def _respect_pause_and_quiet_hours(
    verdict: SendNow | NotNow, wish: DeliveryPreferences
) -> SendNow | NotNow:
    """Skip a message to a recipient in a pause; let it wait for the end of quiet hours."""
    if not isinstance(verdict, SendNow):
        return verdict
    if wish.paused:
        return SkipDelivery(SkipReason.QUIET, "Its recipient pauses.")
    return verdict if wish.quiet_until is None else WaitUntil(wish.quiet_until)


def _judge(standing: AlertFacts, wish: DeliveryPreferences, now: datetime) -> SendNow | NotNow:
    if standing.stream in (StreamState.HIDDEN, StreamState.DELETED):
        return SkipDelivery(SkipReason.CANCELLED, f"The story is {standing.stream.value}.")
    if RevisionKind.RETRACTION in wish.later:
        return SkipDelivery(SkipReason.RETRACTED)
    if wish.later:
        return SkipDelivery(SkipReason.SUPERSEDED)
    if standing.held:
        return HoldDelivery()
    if DeliveryState.CLAIMED in wish.earlier:
        return WaitUntil(now + _SHORT)
    was_told = any(state in _TOLD for state in wish.earlier)
    if standing.revision is RevisionKind.RETRACTION:
        return _retraction(standing, was_told)
    if standing.entry is EntryState.RETRACTED:
        # Hidden at once, but for its undo time nobody knows whether it stays so.
        if standing.retraction_at is None:
            return SkipDelivery(SkipReason.RETRACTED)
        return WaitUntil(max(standing.retraction_at, now) + _SHORT)
    return SendNow(was_told)


def judge_notice(recipient: RecipientState, *, stopped: bool) -> SendNow | NotNow:
    """Judge a notice, which needs no subscription; it is skipped only where mail to the address
    bounces.
    """
    if stopped:
        return SkipDelivery(SkipReason.STOPPED)
    if recipient is RecipientState.SUPPRESSED:
        return SkipDelivery(SkipReason.SUPPRESSED)
    return SendNow(told=False)


def _retraction(standing: AlertFacts, was_told: bool) -> SendNow | SkipDelivery:
    if standing.entry is not EntryState.RETRACTED:
        return SkipDelivery(SkipReason.CANCELLED, "The entry was restored.")
    return SendNow(told=True) if was_told else SkipDelivery(SkipReason.RETRACTED)
