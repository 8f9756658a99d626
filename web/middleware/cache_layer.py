"""Feeds and pages from the shelf: a WSGI layer in front of all else, since a hit costs less than
any framework's first look at it.
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
from feeds.cache.cached_response import CachedResponse, FinishedResponse, HeaderList, Rendered
from feeds.cache.changes import read_changes
from feeds.cache.encodings import choose
from feeds.cache.feed_maker import FeedLoaderForCache
from feeds.cache.live import LiveDocumentLoader
from feeds.cache.response_cache import UNAVAILABLE, Make, ResponseCache
from feeds.cache.validators import known_tag
from models.db.database import Database
from notifier.worker.log_once import LogOnce
from web.middleware.front import always_sent, has_one_host
from web.middleware.page_maker import ELSEWHERE, PageLoader

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

log = logging.getLogger(__name__)

# of the memory that is set for the shelf; entries as they were read and written have the rest
SHARE = 0.5

_METHODS = "GET, HEAD, OPTIONS"
_ONLY_READ = FinishedResponse(
    "405 Method Not Allowed", "This can only be read.", (("Allow", _METHODS),)
)
_OPTIONS = FinishedResponse("204 No Content", "", (("Allow", _METHODS),))


def make_shelf(
    settings: Settings,
    db: Database,
    pages: "WSGIApplication",
    clock: Callable[[], float] = time.time,
) -> ResponseCache:
    """The shelf of a process: the site's feeds, live documents, and of what ``pages`` answers the
    public pages.
    """
    return ResponseCache(
        _by_wsgi_path(
            always_sent(settings.base_url),
            FeedLoaderForCache(db, settings),
            LiveDocumentLoader(db),
            PageLoader(db, pages, settings.base_url),
        ),
        partial(read_changes, db),
        most_bytes=int(settings.shelf_megabytes * 1_000_000 * SHARE),
        threads=settings.web_threads,
        troubles=LogOnce(log),
        clock=clock,
    )


class MemoryLayer:
    """Answers what nearly all readers ask, in as few steps as there can be: a whole document that
    is in memory and ready to be sent, or whether theirs is the present one. It hands everything
    else to the application.
    """

    def __init__(self, app: "WSGIApplication", shelf: ResponseCache) -> None:
        self._app = app
        self.shelf = shelf
        self.sent, self.unchanged = Count(), Count()

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        kept = self.shelf.ready(environ["PATH_INFO"])
        if (
            kept is not None
            and environ["REQUEST_METHOD"] == "GET"
            and has_one_host(environ)
            and not _asks_for_part(environ)
        ):
            tag = environ.get("HTTP_IF_NONE_MATCH")
            if tag is not None:
                if unchanged := kept.unchanged.get(tag):
                    self.unchanged.add()
                    start_response("304 Not Modified", unchanged)
                    return []  # granian has a short way for lists
            elif "HTTP_IF_MODIFIED_SINCE" not in environ and (
                copy := kept.copies.get(choose(environ.get("HTTP_ACCEPT_ENCODING")))
            ):
                self.sent.add()
                start_response("200 OK", copy.headers)
                return copy.chunks
        return self._app(environ, start_response)


class Count:
    """A counter that any number of threads add to without a lock, which each answer would have to
    wait for.
    """

    def __init__(self) -> None:
        self._numbers = count()
        self.add = self._numbers.__next__
        self._lock = threading.Lock()
        self._readings = 0

    def read(self) -> int:
        """How often `add` was called. Reading takes a number itself, so the readings are
        subtracted.
        """
        with self._lock:
            self._readings += 1
            return self.add() - self._readings + 1


class CacheLayer:
    """Answers by all rules of HTTP what a shelf knows, and hands everything else to the
    application.

    A query makes no other feed or page: readers that put a number behind the address, to get past
    caches, get the same bytes. Only ``before`` asks for another part of a page. The last part of a
    feed's address has a dot, that of a page has none.
    """

    def __init__(self, app: "WSGIApplication", shelf: ResponseCache) -> None:
        self._app = app
        self.shelf = shelf

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        if _asks_for_part(environ):
            return self._app(environ, start_response)
        is_page = "." not in path
        found = self.shelf.find(path) if method in {"GET", "HEAD"} or not is_page else None
        if found is None or found is ELSEWHERE or (found is UNAVAILABLE and is_page):
            return self._app(environ, start_response)
        if method not in {"GET", "HEAD"}:
            found = _OPTIONS if method == "OPTIONS" else _ONLY_READ
        if isinstance(found, FinishedResponse):
            return _answer(found, method, start_response)
        coding = choose(environ.get("HTTP_ACCEPT_ENCODING"))
        unchanged = _unchanged(found, coding, environ)
        if unchanged is not None:
            start_response("304 Not Modified", unchanged)
            return []
        copy = found.copies.get(coding) or self.shelf.copy(found, coding)
        start_response("200 OK", copy.headers)
        return copy.chunks if method == "GET" else []


def _asks_for_part(environ: "WSGIEnvironment") -> bool:
    """Whether a request asks for an older part of a page."""
    query = environ.get("QUERY_STRING") or ""
    return (
        "before=" in query
        and "." not in environ["PATH_INFO"]
        and any(field.startswith("before=") for field in query.split("&"))
    )


def _unchanged(found: CachedResponse, coding: str, environ: "WSGIEnvironment") -> HeaderList | None:
    """The fields of a 304 to a reader who has the document, in whatever coding; None where it has
    to be sent.
    """
    tags, since = environ.get("HTTP_IF_NONE_MATCH"), environ.get("HTTP_IF_MODIFIED_SINCE")
    if tags is None and since is None:
        return None
    own = found.tags[coding]
    known = known_tag(
        tags, since, (own, *(tag for tag in found.unchanged if tag != own)), found.modified
    )
    return found.unchanged[known] if known else None


def _answer(
    answer: FinishedResponse, method: str, start_response: "StartResponse"
) -> Iterable[bytes]:
    body = f"{answer.text}\n".encode() if answer.text else b""
    fields = (
        [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))]
        if body
        else []
    )
    start_response(answer.status, [*fields, *answer.headers])
    return [body] if method != "HEAD" else []


def _by_wsgi_path(
    always: tuple[tuple[str, str], ...], *makers: Callable[[str], Make | None]
) -> Callable[[str], Make | None]:
    """The first that knows a path, which WSGI hands in with a character for each byte (PEP 3333);
    what is not UTF-8 is nobody's.

    Documents get the fields ``always``, so that nothing has to be added while they are sent.
    """

    def find(path: str) -> Make | None:
        try:
            decoded = path if path.isascii() else path.encode("latin-1").decode()
        except ValueError:
            return None
        make = next((make for maker in makers if (make := maker(decoded))), None)
        return partial(_complete, make, always) if make and always else make

    return find


def _complete(
    make: Make, always: tuple[tuple[str, str], ...], anew: bool
) -> Rendered | FinishedResponse:
    made = make(anew)
    return replace(made, headers=(*made.headers, *always)) if isinstance(made, Rendered) else made
