"""Rate of an alert's deliveries and time left, estimated from samples of its tallies."""

from collections.abc import Sequence
from dataclasses import dataclass

WINDOW = 20.0
"""Seconds that are looked back: long enough to bear the rests of a worker, short enough to see that
it slowed down."""


@dataclass(frozen=True, slots=True)
class ProgressSample:
    """Deliveries that had ended at a time ``at``, in seconds of any clock."""

    at: float
    ended: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """Deliveries a second, and seconds left; None where nobody can tell."""

    rate: float | None = None
    seconds_left: float | None = None


def estimate(
    looks: Sequence[ProgressSample], owed: int | None, *, window: float = WINDOW
) -> Estimate:
    """Judge by the looks of the last ``window`` seconds, oldest first.

    ``owed``: how many there are in all; None while that still grows. Where deliveries were owed
    anew meanwhile, only what came after counts.
    """
    first = last = looks[-1] if looks else None
    for look in reversed(looks):
        if last is None or first is None or look.ended > first.ended or last.at - look.at > window:
            break
        first = look
    if first is None or last is None or last.at <= first.at:
        return Estimate()
    rate = (last.ended - first.ended) / (last.at - first.at)
    left = (owed - last.ended) / rate if owed is not None and rate > 0 else None
    return Estimate(rate, 0.0 if owed == last.ended else left)
