"""Feeds from the shelf: a WSGI layer in front of everything else, since a hit costs less than any framework's first look at it."""

import logging
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING

from config.settings import Settings
from feeds.changes import read_moves
from feeds.encodings import choose
from feeds.http import known_tag
from feeds.maker import FeedMaker
from feeds.shelf import Shelf
from feeds.shelved import Answer, HeaderList, Shelved
from models.database import Database
from notifier.troubles import Troubles

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

log = logging.getLogger(__name__)

SHARE = 0.5  # of the memory that is set for feeds; entries as they were read and written have the rest

_METHODS = "GET, HEAD, OPTIONS"
_ONLY_READ = Answer("405 Method Not Allowed", "A feed can only be read.", (("Allow", _METHODS),))
_OPTIONS = Answer("204 No Content", "", (("Allow", _METHODS),))


def make_shelf(settings: Settings, db: Database, clock: Callable[[], float] = time.time) -> Shelf:
    """The shelf of a process, with the site's feeds on it."""
    return Shelf(
        FeedMaker(db, settings),
        partial(read_moves, db),
        most_bytes=int(settings.shelf_megabytes * 1_000_000 * SHARE),
        threads=settings.web_threads,
        troubles=Troubles(log),
        clock=clock,
    )


class ShelfLayer:
    """Answers what a shelf knows, by path alone, and hands everything else to the application.

    A query makes no other document: readers that put a number behind the address, to get past caches, get the same bytes.
    """

    def __init__(self, app: "WSGIApplication", shelf: Callable[[], Shelf]) -> None:
        self._app = app
        self._shelf = shelf

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if not path.isascii():
            path = _decoded(path)
        shelf = self._shelf()
        found = shelf.ready(path) or shelf.find(path)
        if found is None:
            return self._app(environ, start_response)
        method = environ["REQUEST_METHOD"]
        if method not in {"GET", "HEAD"}:
            found = _OPTIONS if method == "OPTIONS" else _ONLY_READ
        if isinstance(found, Answer):
            return _answer(found, method, start_response)
        coding = choose(environ.get("HTTP_ACCEPT_ENCODING"))
        unchanged = _unchanged(found, coding, environ)
        if unchanged is not None:
            start_response("304 Not Modified", unchanged)
            return []
        copy = found.copies.get(coding) or shelf.copy(found, coding)
        start_response("200 OK", copy.headers)
        return copy.chunks if method == "GET" else []


def _unchanged(found: Shelved, coding: str, environ: "WSGIEnvironment") -> HeaderList | None:
    """The fields of a 304 to a reader who has the document, in whatever coding; None where it has to be sent."""
    tags, since = environ.get("HTTP_IF_NONE_MATCH"), environ.get("HTTP_IF_MODIFIED_SINCE")
    if tags is None and since is None:
        return None
    if headers := found.unchanged.get(tags or ""):
        return headers
    own = found.tags[coding]
    known = known_tag(tags, since, (own, *(tag for tag in found.unchanged if tag != own)), found.modified)
    return found.unchanged[known] if known else None


def _answer(answer: Answer, method: str, start_response: "StartResponse") -> Iterable[bytes]:
    body = f"{answer.text}\n".encode() if answer.text else b""
    fields = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))] if body else []
    start_response(answer.status, [*fields, ("X-Content-Type-Options", "nosniff"), *answer.headers])
    return [body] if method != "HEAD" else []


def _decoded(path: str) -> str:
    """A path as WSGI hands it in, a character for each byte (PEP 3333); what is not UTF-8 is nobody's path."""
    try:
        return path.encode("latin-1").decode()
    except ValueError:
        return ""
