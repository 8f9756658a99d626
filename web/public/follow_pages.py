"""Pages with the ways to follow, the OPML file, and redirects from addresses that people guess."""

from flask import Blueprint, redirect, render_template
from flask.typing import ResponseReturnValue
from flask_babel import gettext  # type: ignore[import-untyped]
from sqlalchemy import select

from feeds.cache.cached_response import ANY_ORIGIN
from feeds.cache.validators import cache_control
from feeds.document.feed_address import FeedTopic, Scope
from feeds.document.feed_document import Format
from feeds.formats.opml import CONTENT_TYPE, Folder, Outline, opml
from models.streams.streams import get_stream, list_streams
from models.tables.stories import Site, Stream, StreamState
from web.context import service
from web.language import speak
from web.links import feed_url, page_url
from web.private_response import answer

following = Blueprint("following", __name__)

_OPML_MAX_AGE = 900  # seconds
_GUESSES = {
    "feed": Format.ATOM,
    "atom": Format.ATOM,
    "rss": Format.RSS,
    "index.xml": Format.RSS,
    "feed.xml": Format.RSS,
}
_ANY = f"<any({', '.join(repr(guess) for guess in _GUESSES)}):guess>"


@following.get("/follow")
def follow_site() -> ResponseReturnValue:
    with service().db.read() as tx:
        streams = [
            stream
            for stream in list_streams(tx, public=True)
            if stream.state is not StreamState.ENDED
        ]
    return answer(render_template("follow.html", topic=FeedTopic(), stream=None, streams=streams))


@following.get("/streams/<slug:slug>/follow")
def follow_stream(slug: str) -> ResponseReturnValue:
    with service().db.read() as tx:
        stream = get_stream(tx, slug, public=True)
    speak(stream.language)
    return answer(
        render_template("follow.html", topic=FeedTopic(Scope.STREAM, slug), stream=stream)
    )


@following.get("/opml.xml")
def all_feeds() -> ResponseReturnValue:
    """The feeds of all stories as OPML."""
    with service().db.read() as tx:
        streams = list_streams(tx, public=True)
        site = tx.scalars(select(Site)).one()
    settings = service().settings
    whole = Outline(
        settings.site_name,
        settings.site_language,
        feed_url(FeedTopic(), Format.ATOM),
        page_url(FeedTopic()),
        site.created_at,
    )
    running = [_outline(stream) for stream in streams if stream.state is not StreamState.ENDED]
    ended = [_outline(stream) for stream in streams if stream.state is StreamState.ENDED]
    folder = [Folder(gettext("Ended"), ended)] if ended else []
    modified = max([site.created_at, *(stream.changed_at for stream in streams)])
    body = opml(settings.site_name, page_url(FeedTopic()), modified, [whole, *running, *folder])
    response = answer(body, content_type=CONTENT_TYPE, cache_control=cache_control(_OPML_MAX_AGE))
    response.headers.set(*ANY_ORIGIN)
    return response


def _outline(stream: Stream) -> Outline:
    topic = FeedTopic(Scope.STREAM, stream.slug)
    return Outline(
        stream.title,
        stream.language,
        feed_url(topic, Format.ATOM),
        page_url(topic),
        stream.created_at,
    )


@following.get(f"/{_ANY}")
@following.get(f"/streams/<slug:slug>/{_ANY}")
def guessed(guess: str, slug: str | None = None) -> ResponseReturnValue:
    """Redirect from a feed address that other software uses."""
    if slug is None:
        return redirect(feed_url(FeedTopic(), _GUESSES[guess]), 301)
    with service().db.read() as tx:
        get_stream(tx, slug, public=True)
    return redirect(feed_url(FeedTopic(Scope.STREAM, slug), _GUESSES[guess]), 301)
