"""Rules of the next step after an attempt, without database, clock or randomness of their own."""

from dataclasses import dataclass
from datetime import timedelta

from models import DeliveryState
from notifier.message.send_errors import Refused, RenderError, SendError, Sent, Unavailable, Unknown

MAX_RENDER_TRIES = 3
FIRST_WAIT = timedelta(seconds=30)
LONGEST_WAIT = timedelta(hours=1)
REPLY = 500  # characters of the remote's words that are kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One finished attempt: the ``attempts``-th (1 or more) of a delivery that has been owed for
    ``age``.
    """

    attempts: int
    age: timedelta
    max_age: timedelta
    jitter: float  # from 0 to 1, drawn by the caller
    # attempts after which a message that may have arrived is not sent again; None: no limit
    tries_if_unknown: int | None = 1
    # the channel's breaker is open: nothing is sent there for so long, and what it refused waits,
    # too
    rest: timedelta = timedelta(0)
    # one server takes all: when it cannot be reached, this message is not to blame
    server_shared: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Next:
    """The state that the ledger shall show; QUEUED means again after ``wait``."""

    state: DeliveryState
    reply: str
    wait: timedelta = timedelta(0)
    counted: bool = True  # False: the attempt is given back
    suppress: bool = False  # nothing more is ever sent to this address
    server_away: bool = False  # everything waits for the server
    hold_target: timedelta = timedelta(0)  # the target asked for so long a rest


def decide_after(outcome: Sent | SendError, attempt: Attempt) -> Next:
    """Sent, failed, unknown, or queued again with exponential back-off, full jitter and no less
    than Retry-After.
    """
    if isinstance(outcome, Sent):
        return Next(state=DeliveryState.SENT, reply=outcome.reply[:REPLY])
    reply = outcome.reason[:REPLY]
    if isinstance(outcome, RenderError) and attempt.attempts >= MAX_RENDER_TRIES:
        return Next(state=DeliveryState.FAILED, reply=reply)
    if isinstance(outcome, Refused) and not attempt.rest:
        return Next(state=DeliveryState.FAILED, reply=reply, suppress=outcome.ends_address)
    tries = attempt.tries_if_unknown
    if isinstance(outcome, Unknown) and tries is not None and attempt.attempts >= tries:
        return Next(state=DeliveryState.UNKNOWN, reply=reply, hold_target=attempt.rest)
    asked = attempt.rest
    away = False
    if isinstance(outcome, Unavailable):
        asked = max(asked, timedelta(seconds=outcome.retry_after))
        away = attempt.server_shared and outcome.stage == "connect"
    wait = timedelta(0) if away else max(asked, backoff(attempt.attempts) * attempt.jitter)
    remaining = attempt.max_age - attempt.age
    if remaining <= timedelta(0):
        ended = DeliveryState.UNKNOWN if isinstance(outcome, Unknown) else DeliveryState.FAILED
        return Next(state=ended, reply=reply, server_away=away, hold_target=asked)
    wait = min(wait, remaining)  # a long wait must not cost the last try
    return Next(
        state=DeliveryState.QUEUED,
        reply=reply,
        wait=wait,
        counted=not away,
        server_away=away,
        hold_target=asked,
    )


def backoff(attempts: int) -> timedelta:
    """Longest wait before attempt ``attempts + 1``: doubles from FIRST_WAIT up to LONGEST_WAIT. No
    jitter: the caller adds it.
    """
    if attempts < 1:
        raise ValueError("no attempt was made yet")
    return min(FIRST_WAIT * (1 << min(attempts - 1, 20)), LONGEST_WAIT)
