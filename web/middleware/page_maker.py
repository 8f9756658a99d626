"""Public pages for the shelf: what the application answers at a page's one address, asked once for
each change.
"""

import re
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import select
from werkzeug.test import create_environ
from werkzeug.wrappers import Response

from feeds.cache.cached_response import FinishedResponse, Rendered
from feeds.cache.response_cache import Make
from models import Stream
from models.db.database import Database
from models.db.site import current_seq
from web.url_converters import SlugConverter, UidConverter, WordsConverter

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

# no document lies there: the application shall answer this reader itself
ELSEWHERE = FinishedResponse("", "")
_PAGES = re.compile(
    rf"/|/streams/(?P<stream>{SlugConverter.regex})(?:/entries/{UidConverter.regex})?|/(?:tags|contributors)/{WordsConverter.regex}"
)
_OWN = {"content-type", "content-length", "cache-control", "etag"}  # which the shelf writes


class PageLoader:
    """Makes the pages that look the same to everybody. ``app`` is the application without any layer
    in front.
    """

    def __init__(self, db: Database, app: "WSGIApplication", base_url: str) -> None:
        self._db, self._app, self._base_url = db, app, base_url

    def __call__(self, path: str) -> Make | None:
        """How the page at that decoded path is made; None where none can lie there."""
        found = _PAGES.fullmatch(path)
        return partial(self._make, path, found["stream"]) if found else None

    def _make(self, path: str, stream: str | None, _anew: bool) -> Rendered | FinishedResponse:
        # before it is read, so it is never younger than what stands on the page
        stamp = self._stamp(stream)
        response = Response.from_app(self._app, create_environ(path, self._base_url))
        if response.status_code >= 500:
            raise RuntimeError(f"the application answered {response.status}")
        if response.status_code != 200:
            return ELSEWHERE
        body, headers = (
            response.get_data(),
            tuple((name, value) for name, value in response.headers if name.lower() not in _OWN),
        )
        return Rendered(
            render=lambda: body,
            same=hash((body, headers)),
            content_type=response.headers["Content-Type"],
            cache_control=response.headers["Cache-Control"],
            stamp=stamp,
            stream=stream,
            headers=headers,
        )

    def _stamp(self, stream: str | None) -> int:
        with self._db.read() as tx:
            if stream is None:
                return current_seq(tx)
            return tx.scalar(select(Stream.seq).where(Stream.slug == stream)) or 0
