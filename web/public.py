"""Pages for readers: they look at no session, so one copy serves all."""

from flask import Blueprint, Response, make_response, redirect, render_template, request
from flask.typing import ResponseReturnValue

from feeds.http import conditional, etag
from models.errors import Gone, NotFound
from models.reading import front_page, page_of_entry, page_of_stream
from models.texts import slugify
from web.context import service
from web.links import entry_url
from web.routing import number

public = Blueprint("public", __name__)

# A click shows what is there now, at the price of a 304; while we are down a cache may go on for a day.
_CACHE_CONTROL = "public, max-age=0, stale-if-error=86400"


@public.get("/")
def index() -> ResponseReturnValue:
    """All stories."""
    with service().db.read() as tx:
        page = front_page(tx)
    return _answer(render_template("index.html", page=page))


@public.get("/streams/<slug:slug>")
def stream(slug: str) -> ResponseReturnValue:
    """A story: overview and timeline, newest first."""
    before = number(request.args.get("before"))
    with service().db.read() as tx:
        page = page_of_stream(tx, slug, before=before)
    return _answer(render_template("stream.html", page=page, stream=page.stream, before=before))


@public.get("/streams/<slug:slug>/entries/<name>")
def entry(slug: str, name: str) -> ResponseReturnValue:
    """An entry by its uid; a title after it is decoration, and a wrong one leads to the right address."""
    uid, hyphen, title = name.partition("-")
    if not (uid.isascii() and uid.isalnum()):
        raise NotFound("entry", name)
    with service().db.read() as tx:
        page = page_of_entry(tx, uid)
    found = page.entry
    if slug != found.stream.slug or (hyphen and title != slugify(found.title)):
        return redirect(entry_url(found.stream.slug, found.uid), 301)
    return _answer(render_template("entry.html", page=page, entry=found, stream=found.stream))


@public.errorhandler(Gone)
def gone(error: Gone) -> ResponseReturnValue:
    """What stood here was withdrawn: say so, and why where somebody wrote it down."""
    slug = (request.view_args or {}).get("slug") if error.kind == "entry" else None
    return make_response(render_template("gone.html", error=error, slug=slug), 410)


def _answer(html: str) -> Response:
    """The page, or 304 where the reader has it already."""
    body = html.encode()
    tag = etag(body)
    status = conditional(request.headers, tag, None)
    response = Response(body if status == 200 else b"", status, content_type="text/html; charset=utf-8")
    response.headers["ETag"] = tag
    response.headers["Cache-Control"] = _CACHE_CONTROL
    return response
