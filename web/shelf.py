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
from feeds.shelf import Make, Shelf
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
        _by_wsgi_path(FeedMaker(db, settings)),
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

    def __init__(self, app: "WSGIApplication", shelf: Shelf) -> None:
        self._app = app
        self.shelf = shelf

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """What nearly all readers ask, in as few steps as there can be: the whole document, or whether theirs is the present one."""
        kept = self.shelf.ready(environ["PATH_INFO"])
        if kept is not None and environ["REQUEST_METHOD"] == "GET":
            tag = environ.get("HTTP_IF_NONE_MATCH")
            if tag is not None:
                if unchanged := kept.unchanged.get(tag):
                    start_response("304 Not Modified", unchanged)
                    return []  # granian has a short way for lists
            elif "HTTP_IF_MODIFIED_SINCE" not in environ and (copy := kept.copies.get(choose(environ.get("HTTP_ACCEPT_ENCODING")))):
                start_response("200 OK", copy.headers)
                return copy.chunks
        return self._by_all_rules(environ, start_response)

    def _by_all_rules(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        found = self.shelf.find(environ["PATH_INFO"])
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
        copy = found.copies.get(coding) or self.shelf.copy(found, coding)
        start_response("200 OK", copy.headers)
        return copy.chunks if method == "GET" else []


def _unchanged(found: Shelved, coding: str, environ: "WSGIEnvironment") -> HeaderList | None:
    """The fields of a 304 to a reader who has the document, in whatever coding; None where it has to be sent."""
    tags, since = environ.get("HTTP_IF_NONE_MATCH"), environ.get("HTTP_IF_MODIFIED_SINCE")
    if tags is None and since is None:
        return None
    own = found.tags[coding]
    known = known_tag(tags, since, (own, *(tag for tag in found.unchanged if tag != own)), found.modified)
    return found.unchanged[known] if known else None


def _answer(answer: Answer, method: str, start_response: "StartResponse") -> Iterable[bytes]:
    body = f"{answer.text}\n".encode() if answer.text else b""
    fields = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))] if body else []
    start_response(answer.status, [*fields, ("X-Content-Type-Options", "nosniff"), *answer.headers])
    return [body] if method != "HEAD" else []


def _by_wsgi_path(makers: Callable[[str], Make | None]) -> Callable[[str], Make | None]:
    """The same by paths as WSGI hands them in, a character for each byte (PEP 3333); what is not UTF-8 is nobody's path."""

    def find(path: str) -> Make | None:
        try:
            return makers(path if path.isascii() else path.encode("latin-1").decode())
        except ValueError:
            return None

    return find
