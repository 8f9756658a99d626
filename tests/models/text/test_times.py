"""Times as people write them."""

import re
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from models.text.errors import Invalid
from models.text.times import iso_time, parse_time, zone_name


@pytest.mark.parametrize(
    ("written", "zone", "utc"),
    [
        ("2026-03-14T09:42", "Europe/Berlin", "2026-03-14T08:42:00+00:00"),
        ("2026-03-14 09:42:30", "Europe/Kyiv", "2026-03-14T07:42:30+00:00"),
        ("2026-03-14T09:42+05:30", "Europe/Berlin", "2026-03-14T04:12:00+00:00"),
        ("2026-03-14T09:42Z", "America/New_York", "2026-03-14T09:42:00+00:00"),
        # RFC 3339 section 5.6
        ("2026-03-14t09:42:00z", "Europe/Berlin", "2026-03-14T09:42:00+00:00"),
        ("2026-03-14t09:42:00.5+01:00", "UTC", "2026-03-14T08:42:00.500000+00:00"),
        # ISO 8601: the end of a day
        ("2026-03-14T24:00", "Europe/Berlin", "2026-03-14T23:00:00+00:00"),
        ("2026-03-14T24:00:00Z", "Europe/Berlin", "2026-03-15T00:00:00+00:00"),
        ("2026-12-31 24:00:00.000+05:30", "UTC", "2026-12-31T18:30:00+00:00"),
        ("20260314T2400", "UTC", "2026-03-15T00:00:00+00:00"),
        ("2016-12-31T23:59:60Z", "UTC", "2017-01-01T00:00:00+00:00"),  # RFC 3339 section 5.8
        # comes twice: the first
        ("2026-10-25T02:30", "Europe/Berlin", "2026-10-25T00:30:00+00:00"),
    ],
)
def test_a_time_without_offset_is_local(written: str, zone: str, utc: str) -> None:
    assert parse_time("at", written, zone).isoformat() == utc


@pytest.mark.parametrize(
    ("written", "zone", "neighbours"),
    [
        ("2026-03-29T02:30", "Europe/Berlin", "01:59 or 03:00"),
        ("2026-03-08T02:00", "America/New_York", "01:59 or 03:00"),
        ("2026-10-04T02:10", "Australia/Lord_Howe", "01:59 or 02:30"),
        ("2011-12-30T12:00", "Pacific/Apia", "23:59 or 00:00"),
    ],
)
def test_a_time_that_the_clocks_skip_is_refused_with_its_neighbours(
    written: str, zone: str, neighbours: str
) -> None:
    with pytest.raises(
        Invalid, match=f"does not exist in {zone} that night, .* Choose {neighbours}"
    ):
        parse_time("at", written, zone)


@given(
    st.datetimes(datetime(1850, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),
    st.sampled_from(
        [
            "Africa/Monrovia",
            "Europe/Amsterdam",
            "Asia/Kolkata",
            "America/New_York",
            "Europe/Dublin",
            "UTC",
        ]
    ),
)
@example(datetime(1960, 1, 1, tzinfo=UTC), "Africa/Monrovia")  # -00:44:30 until 1972
def test_a_moment_is_written_as_html_and_rfc_3339_take_it(moment: datetime, zone: str) -> None:
    written = iso_time(moment, zone)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d", written)
    assert datetime.fromisoformat(written) == moment.replace(microsecond=0)


@pytest.mark.parametrize(
    "written",
    [
        "",
        "tomorrow",
        "2026-02-30T10:00",
        "2026-03-14T25:00",
        "2026-03-14T24:01",
        "2026-03-14T24:00:01",
        "2026-03-14T09:58:60",
        "9999-12-31T24:00",
        "9999-12-31T23:59-14:00",
        "\ud800",
    ],
)
def test_no_time_is_refused_with_how_to_write_one(written: str) -> None:
    with pytest.raises(Invalid, match="Enter it like 2026-03-14T09:42"):
        parse_time("at", written, "Europe/Berlin")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Mars/Olympus",
        "../../etc/passwd",
        "Europe",
        "x" * 5000,
        "a\x00b",
        "localtime",
        "posixrules",
        "right/UTC",
        "europe/berlin",
    ],
)
def test_a_zone_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(Invalid, match="isn’t a time zone"):
        zone_name("timezone", name)
