"""Responses with an ETag for public pages, and without a cache for private ones."""

from flask import Response, request

from feeds.cache.validators import conditional, etag

# A click shows the present page, at the price of a 304.  During an outage a cache may serve its
# copy for a day.
_PAGE_CACHE_CONTROL = "public, max-age=0, stale-if-error=86400"


def answer(
    document: str | bytes,
    *,
    content_type: str = "text/html; charset=utf-8",
    cache_control: str = _PAGE_CACHE_CONTROL,
) -> Response:
    """The document, or 304 if the reader has it already."""
    body = document.encode() if isinstance(document, str) else document
    tag = etag(body)
    status = conditional(request.headers, tag, None)
    response = Response(body if status == 200 else b"", status, content_type=content_type)
    response.headers["ETag"] = tag
    response.headers["Cache-Control"] = cache_control
    return response


def private_response(response: Response) -> Response:
    """Mark a page for the holder of its link alone: no cache stores it, no search finds it."""
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Robots-Tag"] = "noindex"
    return response
