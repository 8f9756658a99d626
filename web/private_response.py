"""A public document, sent once and then only confirmed; and a page that is one person's alone."""

from flask import Response, request

from feeds.cache.validators import conditional, etag

# A click shows what is there now, at the price of a 304; while we are down a cache may go on for a
# day.
_PAGE = "public, max-age=0, stale-if-error=86400"


def answer(
    document: str | bytes,
    *,
    content_type: str = "text/html; charset=utf-8",
    cache_control: str = _PAGE,
) -> Response:
    """The document, or 304 where the reader has it already."""
    body = document.encode() if isinstance(document, str) else document
    tag = etag(body)
    status = conditional(request.headers, tag, None)
    response = Response(body if status == 200 else b"", status, content_type=content_type)
    response.headers["ETag"] = tag
    response.headers["Cache-Control"] = cache_control
    return response


def private_response(response: Response) -> Response:
    """A page that only whoever holds its link may see: kept by no cache, found by no search."""
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Robots-Tag"] = "noindex"
    return response
