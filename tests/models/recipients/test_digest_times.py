"""When a digest is due next."""

from datetime import UTC, datetime, time, timedelta
from itertools import pairwise

import pytest

from models.recipients.digest_times import next_slot
from models.tables.ledger import Cadence


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "at", "after", "slots"),
    [
        # The clocks go forward: 08:00 comes an hour sooner, and 02:30, which they skip, at 03:30.
        (
            "Europe/Berlin",
            "08:00",
            "2026-03-28T00:00",
            ["2026-03-28T07:00", "2026-03-29T06:00", "2026-03-30T06:00"],
        ),
        (
            "Europe/Berlin",
            "02:30",
            "2026-03-28T00:00",
            ["2026-03-28T01:30", "2026-03-29T01:30", "2026-03-30T00:30"],
        ),
        (
            "America/New_York",
            "08:00",
            "2026-03-07T06:00",
            ["2026-03-07T13:00", "2026-03-08T12:00", "2026-03-09T12:00"],
        ),
        (
            "America/New_York",
            "02:30",
            "2026-03-07T06:00",
            ["2026-03-07T07:30", "2026-03-08T07:30", "2026-03-09T06:30"],
        ),
        # They go back: 02:30 (01:30) comes twice, the digest once.
        (
            "Europe/Berlin",
            "08:00",
            "2026-10-24T00:00",
            ["2026-10-24T06:00", "2026-10-25T07:00", "2026-10-26T07:00"],
        ),
        (
            "Europe/Berlin",
            "02:30",
            "2026-10-24T00:00",
            ["2026-10-24T00:30", "2026-10-25T00:30", "2026-10-26T01:30"],
        ),
        (
            "America/New_York",
            "08:00",
            "2026-10-31T06:00",
            ["2026-10-31T12:00", "2026-11-01T13:00", "2026-11-02T13:00"],
        ),
        (
            "America/New_York",
            "01:30",
            "2026-10-31T05:00",
            ["2026-10-31T05:30", "2026-11-01T05:30", "2026-11-02T06:30"],
        ),
        # A day that never was: its digest comes with the next one, once.
        (
            "Pacific/Apia",
            "12:00",
            "2011-12-29T21:00",
            ["2011-12-29T22:00", "2011-12-30T22:00", "2011-12-31T22:00"],
        ),
    ],
)
def test_a_daily_digest_comes_once_a_day_also_when_the_clocks_change(
    zone: str, at: str, after: str, slots: list[str]
) -> None:
    moment, found = _utc(after), []
    for _ in slots:
        moment = next_slot(Cadence.DAILY, None, time.fromisoformat(at), None, zone, moment)
        found.append(moment)
    assert found == [_utc(slot) for slot in slots]


def test_a_whole_year_of_minutes_has_one_daily_slot_a_day() -> None:
    for zone in ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe"):
        moment, end = _utc("2026-01-01T00:00"), _utc("2027-01-01T00:00")
        slots = []
        while (moment := next_slot(Cadence.DAILY, None, time(1, 45), None, zone, moment)) < end:
            slots.append(moment)
        assert 364 <= len(slots) <= 366
        assert all(
            timedelta(hours=22) <= later - sooner <= timedelta(hours=26)
            for sooner, later in pairwise(slots)
        )


@pytest.mark.parametrize(
    ("cadence", "minutes", "day", "slot"),
    [
        (Cadence.INTERVAL, 15, None, "2026-03-28T10:15"),
        (Cadence.INTERVAL, 90, None, "2026-03-28T10:30"),
        (Cadence.HOURLY, None, None, "2026-03-28T11:00"),
        (Cadence.WEEKLY, None, 6, "2026-03-29T06:00"),  # the Sunday on which the clocks go forward
        (Cadence.WEEKLY, None, 5, "2026-04-04T06:00"),  # today is Saturday, and 08:00 is over
    ],
)
def test_other_digests_come_when_they_are_due_next(
    cadence: Cadence, minutes: int | None, day: int | None, slot: str
) -> None:
    assert next_slot(
        cadence, minutes, time(8), day, "Europe/Berlin", _utc("2026-03-28T10:00")
    ) == _utc(slot)


def test_a_slot_is_later_than_the_moment_that_it_follows() -> None:
    for cadence in (Cadence.INTERVAL, Cadence.HOURLY, Cadence.DAILY, Cadence.WEEKLY):
        slot = next_slot(cadence, 20, time(8), 2, "Europe/Kyiv", _utc("2026-05-01T00:00"))
        assert next_slot(cadence, 20, time(8), 2, "Europe/Kyiv", slot) > slot
    with pytest.raises(ValueError, match="no slot"):
        next_slot(Cadence.AT_ONCE, None, None, None, "UTC", _utc("2026-05-01T00:00"))
