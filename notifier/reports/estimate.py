"""Rate of an alert's deliveries and time left, estimated from samples of its tallies."""

from collections.abc import Sequence
from dataclasses import dataclass

WINDOW = 20.0
"""Seconds that are looked back: long enough to span a worker's pauses, short enough to notice that
it slowed down."""


@dataclass(frozen=True, slots=True)
class ProgressSample:
    """Deliveries that had ended at a time ``at``, in seconds of any clock."""

    at: float
    ended: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """Deliveries a second, and remaining seconds; None where unknown."""

    rate: float | None = None
    seconds_left: float | None = None


def estimate(
    looks: Sequence[ProgressSample], owed: int | None, *, window: float = WINDOW
) -> Estimate:
    """Estimate by the samples of the last ``window`` seconds, oldest first.

    ``owed``: number of all deliveries; None while it still grows. Where deliveries were queued
    again meanwhile, only later samples count.
    """
    first = last = looks[-1] if looks else None
    for look in reversed(looks):
        if last is None or first is None or look.ended > first.ended or last.at - look.at > window:
            break
        first = look
    if first is None or last is None or last.at <= first.at:
        return Estimate()
    rate = (last.ended - first.ended) / (last.at - first.at)
    if owed == last.ended:
        return Estimate(rate, 0.0)
    if owed is None or rate <= 0:
        return Estimate(rate)
    return Estimate(rate, (owed - last.ended) / rate)
