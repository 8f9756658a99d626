"""Feeds: built for each request, and answered by the rules of HTTP in `feeds.http`."""

from datetime import UTC, datetime

from flask import Blueprint, Response, request
from flask.typing import ResponseReturnValue

from feeds.address import Scope, Topic
from feeds.document import Format
from feeds.http import conditional, etag, last_modified, response_headers
from feeds.load import FeedLoader
from feeds.render import render
from web.context import service

feeds = Blueprint("feeds", __name__)

_FILES = {fmt.file_name: fmt for fmt in Format}
_ANY = f"<any({', '.join(repr(name) for name in _FILES)}):name>"


@feeds.get(f"/{_ANY}")
@feeds.get(f"/streams/<slug:slug>/{_ANY}")
def feed(name: str, slug: str | None = None) -> ResponseReturnValue:
    """A feed of one story, or of all."""
    document = FeedLoader(service().db, service().settings).load(Topic(Scope.STREAM, slug) if slug else Topic())
    body = render(document, _FILES[name])
    tag, modified = etag(body), last_modified(document.changed, datetime.now(UTC))
    status = conditional(request.headers, tag, modified)
    response = Response(body if status == 200 else b"", status, content_type=_FILES[name].content_type)
    response.headers.update(response_headers(tag, modified, document.max_age))
    return response
