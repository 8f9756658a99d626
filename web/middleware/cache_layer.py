"""Feeds and pages from the response cache, in WSGI layers in front of Flask.

A hit costs less than any framework's first look at a request.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

from config.settings import Settings
from feeds.cache.cached_feeds import CachedFeeds
from feeds.cache.cached_response import CachedResponse, FinishedResponse, HeaderList, Rendered
from feeds.cache.changes import read_changes
from feeds.cache.encodings import choose
from feeds.cache.live_documents import LiveDocuments
from feeds.cache.response_cache import UNAVAILABLE, Loader, ResponseCache
from feeds.cache.validators import known_tag
from models.db.database import Database
from notifier.worker.log_once import LogOnce
from web.middleware.cached_pages import PASS_THROUGH, CachedPages
from web.middleware.front import always_sent, has_one_host

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

log = logging.getLogger(__name__)

# Of the memory set for feeds; entries as they were read and rendered take the rest.
_SHARE_OF_MEMORY = 0.5

_METHODS = "GET, HEAD, OPTIONS"
_READ_ONLY = FinishedResponse(
    "405 Method Not Allowed", "This can only be read.", (("Allow", _METHODS),)
)
_OPTIONS = FinishedResponse("204 No Content", "", (("Allow", _METHODS),))
_HeaderFields = tuple[tuple[str, str], ...]


def make_response_cache(
    settings: Settings,
    db: Database,
    app: "WSGIApplication",
    clock: Callable[[], float] = time.time,
) -> ResponseCache:
    """The cache of a process: feeds, live documents, and public pages as ``app`` answers them."""
    return ResponseCache(
        _loader_of_wsgi_path(
            always_sent(settings.base_url),
            CachedFeeds(db, settings),
            LiveDocuments(db),
            CachedPages(db, app, settings.base_url),
        ),
        partial(read_changes, db),
        max_bytes=int(settings.shelf_megabytes * 1_000_000 * _SHARE_OF_MEMORY),
        threads=settings.web_threads,
        outages=LogOnce(log),
        clock=clock,
    )


class MemoryLayer:
    """Answers nearly all requests in as few steps as possible.

    That is a 200 of a fresh response, or a 304 to a reader that has it.  Everything else is for
    the application.
    """

    def __init__(self, app: "WSGIApplication", cache: ResponseCache) -> None:
        self._app = app
        self.cache = cache
        self.sent = Count()
        self.not_modified = Count()

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        response = self.cache.get_fresh(environ["PATH_INFO"])
        if (
            response is not None
            and environ["REQUEST_METHOD"] == "GET"
            and has_one_host(environ)
            and not _asks_for_older_part(environ)
        ):
            tag = environ.get("HTTP_IF_NONE_MATCH")
            if tag is not None:
                if headers := response.not_modified.get(tag):
                    self.not_modified.add()
                    start_response("304 Not Modified", headers)
                    return []  # granian has a short way for lists
            elif "HTTP_IF_MODIFIED_SINCE" not in environ and (
                copy := response.copies.get(choose(environ.get("HTTP_ACCEPT_ENCODING")))
            ):
                self.sent.add()
                start_response("200 OK", copy.headers)
                return copy.chunks
        return self._app(environ, start_response)


class Count:
    """A counter without a lock in `add`, for which each answer would have to wait."""

    def __init__(self) -> None:
        self._numbers = count()
        self.add = self._numbers.__next__
        self._lock = threading.Lock()
        self._readings = 0

    def read(self) -> int:
        """How often `add` was called.  Reading takes a number too, so readings are subtracted."""
        with self._lock:
            self._readings += 1
            return self.add() - self._readings + 1


class CacheLayer:
    """Answers what the response cache has by all rules of HTTP; the rest is for the application.

    Any query gets the same feed or page: some readers add a number to the address to get past
    caches.  Only ``before`` asks for an older part of a page.  The last part of a feed's path has
    a dot, that of a page has none.
    """

    def __init__(self, app: "WSGIApplication", cache: ResponseCache) -> None:
        self._app = app
        self.cache = cache

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        method = environ["REQUEST_METHOD"]
        is_page = "." not in path
        is_read = method in {"GET", "HEAD"}
        if _asks_for_older_part(environ) or (is_page and not is_read):
            return self._app(environ, start_response)
        response = self.cache.get(path)
        # Without the database the application has an error page in the site's language.
        if response is None or response is PASS_THROUGH or (is_page and response is UNAVAILABLE):
            return self._app(environ, start_response)
        if not is_read:
            response = _OPTIONS if method == "OPTIONS" else _READ_ONLY
        if isinstance(response, FinishedResponse):
            return _send_finished(response, method, start_response)
        return self._send_cached(response, environ, start_response)

    def _send_cached(
        self,
        response: CachedResponse,
        environ: "WSGIEnvironment",
        start_response: "StartResponse",
    ) -> Iterable[bytes]:
        coding = choose(environ.get("HTTP_ACCEPT_ENCODING"))
        not_modified = _not_modified(response, coding, environ)
        if not_modified is not None:
            start_response("304 Not Modified", not_modified)
            return []
        copy = response.copies.get(coding) or self.cache.encode(response, coding)
        start_response("200 OK", copy.headers)
        if environ["REQUEST_METHOD"] == "HEAD":
            return []
        return copy.chunks


def _asks_for_older_part(environ: "WSGIEnvironment") -> bool:
    query = environ.get("QUERY_STRING") or ""
    return (
        "before=" in query
        and "." not in environ["PATH_INFO"]
        and any(field.startswith("before=") for field in query.split("&"))
    )


def _not_modified(
    response: CachedResponse, coding: str, environ: "WSGIEnvironment"
) -> HeaderList | None:
    """The headers of a 304, if the reader has the document in any coding; else None."""
    tags = environ.get("HTTP_IF_NONE_MATCH")
    since = environ.get("HTTP_IF_MODIFIED_SINCE")
    if tags is None and since is None:
        return None
    own = response.tags[coding]
    preferred_first = (own, *(tag for tag in response.not_modified if tag != own))
    known = known_tag(tags, since, preferred_first, response.modified)
    if known is None:
        return None
    return response.not_modified[known]


def _send_finished(
    response: FinishedResponse, method: str, start_response: "StartResponse"
) -> Iterable[bytes]:
    headers = list(response.headers)
    body = b""
    if response.text:
        body = f"{response.text}\n".encode()
        headers.insert(0, ("Content-Type", "text/plain; charset=utf-8"))
        headers.insert(1, ("Content-Length", str(len(body))))
    start_response(response.status, headers)
    if method == "HEAD":
        return []
    return [body]


def _loader_of_wsgi_path(
    always: _HeaderFields, *sources: Callable[[str], Loader | None]
) -> Callable[[str], Loader | None]:
    """Asks the sources in turn for the loader of a path.

    WSGI hands in a character for each byte (PEP 3333); a path that is not UTF-8 has no loader.
    Documents get the fields ``always`` here, so that nothing has to be added when they are sent.
    """

    def loader_of(path: str) -> Loader | None:
        try:
            decoded = path if path.isascii() else path.encode("latin-1").decode()
        except ValueError:
            return None
        for source in sources:
            loader = source(decoded)
            if loader:
                return partial(_load_with_headers, loader, always)
        return None

    return loader_of


def _load_with_headers(
    loader: Loader, always: _HeaderFields, reread: bool
) -> Rendered | FinishedResponse:
    rendered = loader(reread)
    if isinstance(rendered, Rendered):
        return replace(rendered, headers=(*rendered.headers, *always))
    return rendered
