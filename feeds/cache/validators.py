"""Validators, conditional requests and freshness as pure functions (RFC 9110, RFC 9111)."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from functools import lru_cache
from hashlib import sha256
from typing import Literal, Protocol

from feeds.document.clean import clean_time

# The opaque part of an entity-tag, which may hold commas (RFC 9110 section 8.8.3); W/ does not
# matter to a weak comparison.
_ENTITY_TAG = re.compile(r'("[!#-~\x80-\xff]*")')
_MAX_DATE_CHARACTERS = 64


class Headers(Protocol):
    """Request headers by the names of RFC 9110: a dictionary, or Werkzeug's."""

    def get(self, key: str, /) -> str | None: ...


def etag(body: bytes) -> str:
    """A strong validator of these bytes, with its quotes."""
    return f'"{sha256(body).hexdigest()[:32]}"'


def last_modified(changed: datetime, now: datetime) -> datetime | None:
    """The second of the last change, or None while that second still runs.

    A second change within it would have the same date, and readers that compare dates, such as
    newsboat, then discard the newer document (RFC 9110 section 8.8.2.2: a date is a weak
    validator).  A date ahead of the clock gives None, too.
    """
    second = clean_time(changed)
    return second if second < clean_time(now) else None


def cache_control(max_age: int) -> str:
    """Public, fresh for ``max_age`` seconds.

    Stale copies may be used for a minute while the cache revalidates, for a day during an outage.
    """
    return f"public, max-age={max_age}, stale-while-revalidate=60, stale-if-error=86400"


def response_headers(tag: str, modified: datetime | None, cache_control: str) -> dict[str, str]:
    """The headers that a 200 and its 304 have in common (RFC 9110 section 15.4.5)."""
    headers = {"ETag": tag, "Cache-Control": cache_control}
    if modified:
        headers["Last-Modified"] = format_datetime(modified, usegmt=True)
    return headers


def conditional(request_headers: Headers, tag: str, modified: datetime | None) -> Literal[200, 304]:
    """The status for a GET or HEAD of a document that has one encoding."""
    known = known_tag(
        request_headers.get("If-None-Match"),
        request_headers.get("If-Modified-Since"),
        (tag,),
        modified,
    )
    return 304 if known else 200


def known_tag(
    if_none_match: str | None,
    if_modified_since: str | None,
    tags: Sequence[str],
    modified: datetime | None,
) -> str | None:
    """The first of the document's ``tags`` that the reader has, for a 304; None for a 200.

    Follows RFC 9110 section 13.2.2.  A field that cannot be read counts as absent: it costs a full
    answer, never an error.
    """
    # The date must then be ignored (RFC 9110 section 13.1.3).
    if if_none_match is not None:
        return _first_match(if_none_match, tags)
    since = _date(if_modified_since or "")
    return tags[0] if since and modified and modified <= since else None


def _first_match(field: str, tags: Sequence[str]) -> str | None:
    if field.strip() == "*":
        return tags[0]
    # Weak comparison (section 8.8.3.2): proxies that compress turn our tags into weak ones.
    reader_tags = set(_ENTITY_TAG.findall(field))
    return next((tag for tag in tags if tag in reader_tags), None)


def _date(field: str) -> datetime | None:
    return _parse_date(field) if len(field) <= _MAX_DATE_CHARACTERS else None


@lru_cache(256)
def _parse_date(field: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(field)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
