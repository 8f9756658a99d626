"""What follows an attempt, as a table."""

from datetime import timedelta

import pytest

from models import DeliveryState
from notifier.ledger.retry import (
    FIRST_WAIT,
    LONGEST_WAIT,
    REPLY,
    Attempt,
    Next,
    backoff,
    decide_after,
)
from notifier.message.send_errors import Refused, RenderError, SendError, Sent, Unavailable, Unknown

SENT, QUEUED, FAILED, UNKNOWN = (
    DeliveryState.SENT,
    DeliveryState.QUEUED,
    DeliveryState.FAILED,
    DeliveryState.UNKNOWN,
)
HOUR = timedelta(hours=1)


def after(
    outcome: Sent | SendError,
    *,
    attempts: int = 1,
    age: timedelta = timedelta(0),
    jitter: float = 1.0,
    **rules: object,
) -> Next:
    return decide_after(
        outcome, Attempt(attempts=attempts, age=age, max_age=24 * HOUR, jitter=jitter, **rules)
    )  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("outcome", "rules", "state", "wait"),
    [
        (Sent("250 ok"), {}, SENT, 0),
        (Refused("554 no"), {}, FAILED, 0),
        (Unavailable("451 later"), {}, QUEUED, 30),
        (Unavailable("451 later"), {"attempts": 2}, QUEUED, 60),
        (Unavailable("451 later"), {"attempts": 3, "jitter": 0.5}, QUEUED, 60),
        (Unavailable("451 later"), {"jitter": 0.0}, QUEUED, 0),
        (Unavailable("451 later"), {"attempts": 1000}, QUEUED, 3600),
        (Unavailable("429", retry_after=300), {}, QUEUED, 300),
        (Unavailable("429", retry_after=5), {}, QUEUED, 30),
        (Unavailable("429", retry_after=1e12), {}, QUEUED, 3600),
        (Unavailable("429", retry_after=float("nan")), {}, QUEUED, 30),
        (Unavailable("429", retry_after=-5), {}, QUEUED, 30),
        (Unavailable("451 later"), {"age": 24 * HOUR}, FAILED, 0),
        (Unavailable("451 later"), {"age": 24 * HOUR - timedelta(seconds=10)}, QUEUED, 10),
        (
            Unavailable("429", retry_after=3600),
            {"age": 24 * HOUR - timedelta(seconds=10)},
            QUEUED,
            10,
        ),
        (Unavailable("451 later"), {"age": 24 * HOUR - timedelta(seconds=31)}, QUEUED, 30),
        (Unknown("broke off"), {}, UNKNOWN, 0),
        (Unknown("broke off"), {"tries_if_unknown": 2}, QUEUED, 30),
        (Unknown("broke off"), {"tries_if_unknown": 2, "attempts": 2}, UNKNOWN, 0),
        (Unknown("broke off"), {"tries_if_unknown": None, "attempts": 90}, QUEUED, 3600),
        (
            Unknown("broke off"),
            {"tries_if_unknown": None, "attempts": 90, "age": 24 * HOUR},
            UNKNOWN,
            0,
        ),
        (RenderError("TypeError"), {"attempts": 2}, QUEUED, 60),
        (RenderError("TypeError"), {"attempts": 3}, FAILED, 0),
        (Refused("400 no"), {"rest": HOUR}, QUEUED, 3600),
    ],
)
def test_each_outcome_has_one_consequence(
    outcome: Sent | SendError, rules: dict[str, object], state: DeliveryState, wait: float
) -> None:
    found = after(outcome, **rules)  # type: ignore[arg-type]
    assert (found.state, found.wait.total_seconds(), found.counted) == (state, wait, True)


def test_only_a_refused_address_is_suppressed() -> None:
    assert after(Refused("550 5.1.1 no such user", ends_address=True)).suppress
    assert not after(Refused("554 5.6.0 no")).suppress


def test_an_unreachable_server_costs_no_attempt() -> None:
    away = Unavailable("connection refused", stage="connect")
    found = after(away, server_shared=True)
    assert (found.state, found.counted, found.server_away, found.wait) == (
        QUEUED,
        False,
        True,
        timedelta(0),
    )
    own = after(Unavailable("connection refused", stage="connect"))
    assert (own.state, own.counted, own.server_away) == (QUEUED, True, False)
    assert after(away, server_shared=True, age=24 * HOUR).state is FAILED


def test_a_busy_target_is_retried_after_its_retry_after() -> None:
    assert after(Unavailable("429", retry_after=90)).hold_target == timedelta(seconds=90)
    assert after(Unavailable("429", retry_after=1e12)).hold_target == HOUR
    assert after(Unavailable("500")).hold_target == timedelta(0)


def test_the_remote_reply_is_stored_and_truncated() -> None:
    assert after(Sent("250 " + "x" * 900)).reply == ("250 " + "x" * 900)[:REPLY]
    assert after(Refused("550 no")).reply == "550 no"


def test_waits_double_up_to_an_hour() -> None:
    assert [backoff(attempts) / FIRST_WAIT for attempts in (1, 2, 3, 4)] == [1, 2, 4, 8]
    assert backoff(50) == LONGEST_WAIT
    with pytest.raises(ValueError, match="no attempt"):
        backoff(0)
