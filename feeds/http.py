"""Validators, conditional requests and freshness, as functions on values (RFC 9110, RFC 9111)."""

import re
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from hashlib import sha256
from typing import Literal, Protocol

from feeds.clean import clean_time

# The opaque part of an entity-tag, which may hold commas (RFC 9110 section 8.8.3); W/ does not matter to a weak comparison.
_ENTITY_TAG = re.compile(r'("[!#-~\x80-\xff]*")')


class Headers(Protocol):
    """A mapping of request headers that finds names as RFC 9110 writes them: a dictionary, or Werkzeug's."""

    def get(self, key: str, /) -> str | None: ...


def etag(body: bytes) -> str:
    """A strong validator of exactly these bytes, with its quotes."""
    return f'"{sha256(body).hexdigest()[:32]}"'


def last_modified(changed: datetime, now: datetime) -> datetime | None:
    """The second of the last change, or None while that second still runs.

    A second change within it would have the same date, and readers that compare dates, newsboat among them, then throw the
    newer document away (RFC 9110 section 8.8.2.2 says why a date is a weak validator).  A date ahead of the clock is none.
    """
    second = clean_time(changed)
    return second if second < clean_time(now) else None


def cache_control(max_age: int) -> str:
    """Public, fresh for ``max_age`` seconds; old copies serve a minute while the cache asks, a day while we are down."""
    return f"public, max-age={max_age}, stale-while-revalidate=60, stale-if-error=86400"


def response_headers(tag: str, modified: datetime | None, max_age: int) -> dict[str, str]:
    """What a 200 and its 304 have in common (RFC 9110 section 15.4.5)."""
    headers = {"ETag": tag, "Cache-Control": cache_control(max_age)}
    if modified:
        headers["Last-Modified"] = format_datetime(modified, usegmt=True)
    return headers


def conditional(request_headers: Headers, tag: str, modified: datetime | None) -> Literal[200, 304]:
    """The status for a GET or HEAD of an existing document, in the order of RFC 9110 section 13.2.2.

    A field that cannot be read counts as absent: it costs a full answer, never an error.
    """
    if_none_match = request_headers.get("If-None-Match")
    if if_none_match is not None:  # then the date must be ignored, whatever it says (section 13.1.3)
        return 304 if _matches(if_none_match, tag) else 200
    since = _date(request_headers.get("If-Modified-Since") or "")
    return 304 if since and modified and modified <= since else 200


def _matches(field: str, tag: str) -> bool:
    # Weak comparison (section 8.8.3.2): proxies that compress turn our tags into weak ones.
    return field.strip() == "*" or tag in _ENTITY_TAG.findall(field)


def _date(field: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(field)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
