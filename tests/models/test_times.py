"""Times as people write them."""

import pytest

from models.errors import Invalid
from models.times import parse_time, zone_name


@pytest.mark.parametrize(
    ("written", "zone", "utc"),
    [
        ("2026-03-14T09:42", "Europe/Berlin", "2026-03-14T08:42:00+00:00"),
        ("2026-03-14 09:42:30", "Europe/Kyiv", "2026-03-14T07:42:30+00:00"),
        ("2026-03-14T09:42+05:30", "Europe/Berlin", "2026-03-14T04:12:00+00:00"),
        ("2026-03-14T09:42Z", "America/New_York", "2026-03-14T09:42:00+00:00"),
        ("2026-10-25T02:30", "Europe/Berlin", "2026-10-25T00:30:00+00:00"),  # comes twice: the first
    ],
)
def test_a_time_without_offset_is_local(written: str, zone: str, utc: str) -> None:
    assert parse_time("at", written, zone).isoformat() == utc


@pytest.mark.parametrize(
    ("written", "zone", "neighbours"),
    [
        ("2026-03-29T02:30", "Europe/Berlin", "01:59 and 03:00"),
        ("2026-03-08T02:00", "America/New_York", "01:59 and 03:00"),
        ("2026-10-04T02:10", "Australia/Lord_Howe", "01:59 and 02:30"),
        ("2011-12-30T12:00", "Pacific/Apia", "23:59 and 00:00"),
    ],
)
def test_a_time_that_the_clocks_skip_is_refused_with_its_neighbours(written: str, zone: str, neighbours: str) -> None:
    with pytest.raises(Invalid, match=f"does not exist in {zone} that night. Nearest: {neighbours}"):
        parse_time("at", written, zone)


@pytest.mark.parametrize("written", ["", "tomorrow", "2026-02-30T10:00", "2026-03-14T25:00", "9999-12-31T23:59-14:00", "\ud800"])
def test_no_time_is_refused_with_how_to_write_one(written: str) -> None:
    with pytest.raises(Invalid, match="write it like 2026-03-14T09:42"):
        parse_time("at", written, "Europe/Berlin")


@pytest.mark.parametrize(
    "name",
    ["", "Mars/Olympus", "../../etc/passwd", "Europe", "x" * 5000, "a\x00b", "localtime", "posixrules", "right/UTC", "europe/berlin"],
)
def test_a_zone_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(Invalid, match="is not a time zone"):
        zone_name("timezone", name)
