"""Whether a claimed message is still wanted, as a table."""

from datetime import UTC, datetime, timedelta

import pytest

from models import DeliveryState, EntryState, RecipientState, RevisionKind, SkipReason, StreamState
from notifier.ledger.verdict import (
    AlertFacts,
    DeliveryPreferences,
    NotNow,
    SendNow,
    SkipDelivery,
    WaitUntil,
    judge,
)

NOW = datetime(2026, 3, 14, 8, 0, tzinfo=UTC)
CORRECTION, RETRACTION = RevisionKind.CORRECTION, RevisionKind.RETRACTION
SECOND = timedelta(seconds=1)


def verdict(**given: object) -> SendNow | NotNow:
    standing = {
        "revision": RevisionKind.PUBLISH,
        "entry": EntryState.PUBLISHED,
        "stream": StreamState.LIVE,
        "stopped": False,
    }
    wish = {"recipient": RecipientState.CONFIRMED, "subscribed": True}
    for name, value in given.items():
        (wish if name in {"recipient", "subscribed", "earlier", "later"} else standing)[name] = (
            value
        )
    return judge(AlertFacts(**standing), DeliveryPreferences(**wish), NOW)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"stopped": True}, SkipReason.STOPPED),
        ({"recipient": RecipientState.ENDED}, SkipReason.CANCELLED),
        ({"recipient": RecipientState.PENDING}, SkipReason.CANCELLED),
        ({"recipient": RecipientState.SUPPRESSED}, SkipReason.SUPPRESSED),
        ({"subscribed": False}, SkipReason.CANCELLED),
        ({"stream": StreamState.HIDDEN}, SkipReason.CANCELLED),
        ({"stream": StreamState.DELETED}, SkipReason.CANCELLED),
        ({"later": [CORRECTION]}, SkipReason.SUPERSEDED),
        ({"later": [CORRECTION, RETRACTION]}, SkipReason.RETRACTED),
        ({"entry": EntryState.RETRACTED}, SkipReason.RETRACTED),
        ({"revision": RETRACTION, "entry": EntryState.RETRACTED}, SkipReason.RETRACTED),
        ({"revision": RETRACTION, "earlier": [DeliveryState.SENT]}, SkipReason.CANCELLED),
    ],
)
def test_an_unwanted_delivery_is_skipped_with_a_reason(
    given: dict[str, object], reason: SkipReason
) -> None:
    found = verdict(**given)
    assert isinstance(found, SkipDelivery)
    assert found.reason is reason


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, False),
        ({"stream": StreamState.ENDED}, False),
        ({"revision": CORRECTION, "earlier": [DeliveryState.SENT]}, True),
        ({"revision": CORRECTION, "earlier": [DeliveryState.UNKNOWN]}, True),
        ({"revision": CORRECTION, "earlier": [DeliveryState.FAILED, DeliveryState.SKIPPED]}, False),
        (
            {
                "revision": RETRACTION,
                "entry": EntryState.RETRACTED,
                "earlier": [DeliveryState.SENT],
            },
            True,
        ),
    ],
)
def test_a_wanted_delivery_is_sent_as_new_or_as_a_change(
    given: dict[str, object], told: bool
) -> None:
    assert verdict(**given) == SendNow(told)


def test_a_revision_waits_while_an_earlier_one_is_being_sent() -> None:
    assert verdict(revision=CORRECTION, earlier=[DeliveryState.CLAIMED]) == WaitUntil(NOW + SECOND)


def test_nothing_of_an_entry_goes_out_while_its_retraction_can_be_undone() -> None:
    waiting = verdict(entry=EntryState.RETRACTED, retraction_at=NOW + 10 * SECOND)
    assert waiting == WaitUntil(NOW + 11 * SECOND)
    assert verdict(entry=EntryState.RETRACTED, retraction_at=NOW - SECOND) == WaitUntil(
        NOW + SECOND
    )
