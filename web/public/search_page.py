"""The search for readers: a form and its results, by the URL alone."""

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from models.streams.search import search
from models.streams.streams import get_stream
from models.text.normalize import MAX_QUERY_CHARS
from web.context import service
from web.language import speak
from web.private_response import answer
from web.public.highlight import marked, snippet
from web.url_converters import number

finder = Blueprint("search", __name__)

_CACHED = "public, max-age=30"


@finder.get("/search")
def page() -> ResponseReturnValue:
    """Published entries that contain the words of ``q``: of all stories, or of one (``stream``)."""
    typed = request.args.get("q", "")[:MAX_QUERY_CHARS]
    slug = request.args.get("stream", "")
    with service().db.read() as tx:
        stream = get_stream(tx, slug, public=True) if slug else None
        results = search(tx, typed, stream=stream, before=number(request.args.get("before")))
    speak(stream.language if stream else None)
    document = render_template(
        "search.html",
        typed=typed.strip(),
        stream=stream,
        found=results,
        marked=marked,
        snippet=snippet,
    )
    response = answer(document, cache_control=_CACHED)
    response.headers["X-Robots-Tag"] = "noindex"
    return response
