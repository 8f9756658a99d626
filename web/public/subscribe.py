"""Signing up by mail: a question on public pages, and the page that the mail leads to."""

from flask import Blueprint, make_response, render_template, request
from flask.typing import ResponseReturnValue

from feeds.document.feed_address import FeedTopic, Scope
from models.membership.signup import SignupRequest, confirm_signup, read_signup, request_signup
from models.streams.streams import get_stream, stream_language
from models.text.errors import ServiceError
from web.context import service
from web.error_pages import on_form_error
from web.language import speak
from web.login import MAX_EMAIL
from web.private_response import answer, private_response

subscribe = Blueprint("subscribe", __name__)


@subscribe.get("/subscribe")
def form() -> ResponseReturnValue:
    """The question alone, about all stories."""
    return answer(render_template("subscribe.html", topic=FeedTopic(), stream=None, error=None))


@subscribe.post("/subscribe")
def send() -> ResponseReturnValue:
    """Send the mail that confirms. A program that fills in what people do not see gets the same
    answer, and nobody a mail.
    """
    slug = request.form.get("stream") or None
    with on_form_error(_again, slug=slug):
        return _request(slug)


def _request(slug: str | None) -> ResponseReturnValue:
    if slug is not None:
        with service().db.read() as tx:
            speak(stream_language(tx, slug))
    settings = service().settings
    wish = SignupRequest(
        email=request.form.get("email", ""),
        stream=slug,
        choice=request.form.get("choice", ""),
        page=request.form.get("page", ""),
        client=request.remote_addr or "",
        language=settings.site_language,
        timezone=settings.site_timezone,
    )
    address = wish.email[:MAX_EMAIL]
    if not request.form.get("website"):
        address = request_signup(
            service().db, service().keys, wish, blocked=settings.blocked_mail_domains
        )
        service().ring()
    return private_response(make_response(render_template("subscribe_sent.html", address=address)))


@subscribe.get("/subscribe/<token:token>")
def question(token: str) -> ResponseReturnValue:
    """A page with a button: programs look at links in mails, and a look changes nothing."""
    with service().db.read() as tx:
        invitation = read_signup(tx, service().keys, token)
    speak(invitation.recipient.language)
    return private_response(
        make_response(
            render_template("subscribe_confirm.html", invitation=invitation, done=invitation.used)
        )
    )


@subscribe.post("/subscribe/<token:token>")
def confirmed(token: str) -> ResponseReturnValue:
    """Confirm; doing it again answers the same."""
    invitation = confirm_signup(service().db, service().keys, token, request.remote_addr or "")
    speak(invitation.recipient.language)
    return private_response(
        make_response(render_template("subscribe_confirm.html", invitation=invitation, done=True))
    )


def _again(error: ServiceError, slug: str | None) -> ResponseReturnValue:
    stream = None
    if slug is not None:
        with service().db.read() as tx:
            stream = get_stream(tx, slug, public=True)
    topic = FeedTopic(Scope.STREAM, slug) if slug is not None else FeedTopic()
    return private_response(
        make_response(render_template("subscribe.html", topic=topic, stream=stream, error=error))
    )
