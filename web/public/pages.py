"""Public pages.  They read no session, so one cached copy serves everyone."""

from flask import Blueprint, make_response, redirect, render_template, request
from flask.typing import ResponseReturnValue

from feeds.cache.live_documents import POLL_SECONDS
from feeds.document.feed_address import FeedTopic, Scope
from models.streams.listings import page_of_contributor, page_of_tag
from models.streams.page_queries import front_page, page_of_entry, page_of_stream
from models.streams.streams import stream_language
from models.text.errors import Gone, MovedPermanently, NotFound
from models.text.texts import slugify
from web.context import service
from web.language import speak
from web.links import entry_url, stream_url
from web.private_response import answer
from web.public.follow_pages import following
from web.url_converters import number

public = Blueprint("public", __name__)
public.register_blueprint(following)


@public.get("/")
def index() -> ResponseReturnValue:
    with service().db.read() as tx:
        page = front_page(tx)
    return answer(render_template("index.html", page=page, topic=FeedTopic()))


@public.get("/streams/<slug:slug>")
def stream(slug: str) -> ResponseReturnValue:
    """A story: overview and timeline, newest first."""
    before = number(request.args.get("before"))
    with service().db.read() as tx:
        page = page_of_stream(tx, slug, before=before)
    speak(page.stream.language)
    ask = 0 if before else POLL_SECONDS.get(page.stream.state, 0)
    return answer(
        render_template(
            "stream.html",
            page=page,
            stream=page.stream,
            topic=FeedTopic(Scope.STREAM, slug),
            before=before,
            ask=ask,
        )
    )


@public.get("/streams/<slug:slug>/entries/<name>")
def entry(slug: str, name: str) -> ResponseReturnValue:
    """An entry by its uid.  A title after the uid is optional; a wrong one redirects."""
    uid, hyphen, title = name.partition("-")
    if not (uid.isascii() and uid.isalnum()):
        raise NotFound("entry", name)
    with service().db.read() as tx:
        page = page_of_entry(tx, uid)
    entry = page.entry
    stream = entry.stream
    if slug != stream.slug or (hyphen and title != slugify(entry.title)):
        return redirect(entry_url(stream.slug, entry.uid), 301)
    speak(stream.language)
    return answer(
        render_template(
            "entry.html",
            page=page,
            entry=entry,
            stream=stream,
            topic=FeedTopic(Scope.STREAM, slug),
        )
    )


@public.get("/tags/<words:slug>")
def tag(slug: str) -> ResponseReturnValue:
    before = number(request.args.get("before"))
    with service().db.read() as tx:
        page = page_of_tag(tx, slug, before=before)
    return answer(
        render_template("tag.html", page=page, topic=FeedTopic(Scope.TAG, slug), before=before)
    )


@public.get("/contributors/<words:slug>")
def contributor(slug: str) -> ResponseReturnValue:
    before = number(request.args.get("before"))
    with service().db.read() as tx:
        page = page_of_contributor(tx, slug, before=before)
    return answer(
        render_template(
            "contributor.html", page=page, topic=FeedTopic(Scope.CONTRIBUTOR, slug), before=before
        )
    )


@public.errorhandler(MovedPermanently)
def moved(error: MovedPermanently) -> ResponseReturnValue:
    """Redirect to the story's current address, with the rest of the path."""
    url = stream_url(error.present) + request.path.removeprefix(f"/streams/{error.name}")
    before = number(request.args.get("before"))
    if before is not None:
        url += f"?before={before}"
    response = redirect(url, 301)
    response.headers["Cache-Control"] = "public, max-age=60"  # it may move back
    return response


@public.errorhandler(Gone)
def gone(error: Gone) -> ResponseReturnValue:
    """The page of withdrawn content, with the reason if an editor noted one."""
    stream_slug = (request.view_args or {}).get("slug", "")
    with service().db.read() as tx:
        speak(stream_language(tx, stream_slug))
    slug = stream_slug if error.kind == "entry" else None
    return make_response(render_template("gone.html", error=error, slug=slug), 410)
