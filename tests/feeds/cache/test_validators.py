"""Validators and conditional requests, RFC 9110 sections 8.8 and 13."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from feeds.cache.validators import cache_control, conditional, etag, last_modified, response_headers

TAG = '"abc"'
NOON = datetime(2026, 3, 14, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("field", "status"),
    [
        ('"abc"', 304),
        ('W/"abc"', 304),  # what a compressing proxy makes of ours
        ('"x", "abc"', 304),
        ('"x",W/"abc" , "y"', 304),
        (', ,"abc",', 304),  # empty elements (RFC 9110 section 5.6.1.2)
        ('"x,y", "abc"', 304),  # a comma within a tag
        ("*", 304),
        (" * ", 304),
        ('"abcd"', 200),
        ('"ab"', 200),
        ('"ABC"', 200),
        ('"x", "y"', 200),
        ("abc", 200),
        ('"abc', 200),
        ('*, "x"', 200),
        ("", 200),
        ('"', 200),
        ("\x00\xff", 200),
        ('"' * 10_000, 200),
    ],
)
def test_if_none_match(field, status):
    assert conditional({"If-None-Match": field}, TAG, NOON) == status


@pytest.mark.parametrize(
    ("field", "status"),
    [
        ("Sat, 14 Mar 2026 12:00:00 GMT", 304),
        ("Sat, 14 Mar 2026 12:00:01 GMT", 304),
        ("Saturday, 14-Mar-26 12:00:00 GMT", 304),  # RFC 850's form
        ("Sat Mar 14 12:00:00 2026", 304),  # asctime's
        ("Sat, 14 Mar 2026 11:59:59 GMT", 200),
        ("", 200),
        ("0", 200),
        ("-1", 200),
        ("Thu, 99 Foo", 200),
        ("Thu, 99 Foo 2026 99:99:99 GMT", 200),
        ("Sat, 14 Mar 99999999 12:00:00 GMT", 200),
        ("Sat, 14 Mar 2026 12:00:00 +9999999", 200),
        ("2026-03-14", 200),
        ("\xff\x00", 200),
        ("x" * 100_000, 200),
    ],
)
def test_if_modified_since(field, status):
    assert conditional({"If-Modified-Since": field}, TAG, NOON) == status


@pytest.mark.parametrize(
    ("none_match", "since", "status"),
    [
        # the tag wins over a date that would match
        ('"old"', "Sat, 14 Mar 2026 12:00:00 GMT", 200),
        ("", "Sat, 14 Mar 2026 12:00:00 GMT", 200),
        ('"abc"', "Sat, 14 Mar 2020 12:00:00 GMT", 304),
        ('"abc"', "Thu, 99 Foo", 304),
    ],
)
def test_if_none_match_wins_over_if_modified_since(none_match, since, status):
    assert (
        conditional({"If-None-Match": none_match, "If-Modified-Since": since}, TAG, NOON) == status
    )


def test_without_conditions_the_answer_is_whole():
    assert conditional({}, TAG, NOON) == 200


def test_a_date_matches_nothing_while_the_document_has_none():
    assert conditional({"If-Modified-Since": "Sat, 14 Mar 2026 12:00:00 GMT"}, TAG, None) == 200


@pytest.mark.parametrize(
    ("changed", "now", "expected"),
    [
        (NOON, NOON, None),
        (NOON, NOON + timedelta(microseconds=999_999), None),
        (NOON + timedelta(microseconds=1), NOON + timedelta(microseconds=2), None),
        (NOON, NOON + timedelta(seconds=1), NOON),
        (NOON + timedelta(microseconds=5), NOON + timedelta(seconds=1), NOON),
        (NOON + timedelta(hours=1), NOON, None),  # a date ahead of the clock would freeze the feed
        (NOON.astimezone(timezone(timedelta(hours=2))), NOON + timedelta(days=1), NOON),
    ],
)
def test_last_modified_is_omitted_within_its_second(changed, now, expected):
    assert last_modified(changed, now) == expected


def test_an_etag_is_strong_and_follows_the_bytes():
    assert etag(b"a") == etag(b"a") != etag(b"b")
    assert etag(b"a").startswith('"')
    assert conditional({"If-None-Match": etag(b"a")}, etag(b"a"), None) == 304


def test_headers_of_an_answer():
    assert response_headers(TAG, NOON, cache_control(60)) == {
        "ETag": '"abc"',
        "Cache-Control": "public, max-age=60, stale-while-revalidate=60, stale-if-error=86400",
        "Last-Modified": "Sat, 14 Mar 2026 12:00:00 GMT",
    }
    assert "Last-Modified" not in response_headers(TAG, None, cache_control(60))
