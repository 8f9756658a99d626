"""Public pages for the response cache: the application's own answers, read once for each change."""

import re
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import select
from werkzeug.test import create_environ
from werkzeug.wrappers import Response

from feeds.cache.cached_response import FinishedResponse, Rendered
from feeds.cache.response_cache import Loader
from models import Stream
from models.db.database import Database
from models.db.site import current_seq
from web.url_converters import SlugConverter, UidConverter, WordsConverter

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

# There is no cacheable page: the application shall answer this request itself.
PASS_THROUGH = FinishedResponse("", "")
_PATH = re.compile(
    "/"
    rf"|/streams/(?P<stream>{SlugConverter.regex})(?:/entries/{UidConverter.regex})?"
    rf"|/(?:tags|contributors)/{WordsConverter.regex}"
)
_HEADERS_OF_CACHE = {"content-type", "content-length", "cache-control", "etag"}


class CachedPages:
    """Finds the loaders of the pages that look the same to everybody.

    ``app`` is the application without any layer in front.
    """

    def __init__(self, db: Database, app: "WSGIApplication", base_url: str) -> None:
        self._db = db
        self._app = app
        self._base_url = base_url

    def __call__(self, path: str) -> Loader | None:
        """The loader of the page at that decoded path; None where none can be."""
        match = _PATH.fullmatch(path)
        return partial(self._load, path, match["stream"]) if match else None

    def _load(self, path: str, stream: str | None, _reread: bool) -> Rendered | FinishedResponse:
        # Read before the page, so that it is never newer than what the page shows.
        seq = self._seq(stream)
        response = Response.from_app(self._app, create_environ(path, self._base_url))
        if response.status_code >= 500:
            raise RuntimeError(f"the application answered {response.status}")
        if response.status_code != 200:
            return PASS_THROUGH
        body = response.get_data()
        headers = tuple(
            (name, value)
            for name, value in response.headers
            if name.lower() not in _HEADERS_OF_CACHE
        )
        return Rendered(
            render=lambda: body,
            fingerprint=hash((body, headers)),
            content_type=response.headers["Content-Type"],
            cache_control=response.headers["Cache-Control"],
            seq=seq,
            stream=stream,
            headers=headers,
        )

    def _seq(self, stream: str | None) -> int:
        with self._db.read() as tx:
            if stream is None:
                return current_seq(tx)
            return tx.scalar(select(Stream.seq).where(Stream.slug == stream)) or 0
