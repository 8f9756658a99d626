"""Signing up by mail: a question on public pages, and the page that the mail leads to."""

from flask import Blueprint, make_response, render_template, request
from flask.typing import ResponseReturnValue

from feeds.document.feed_address import Scope, Topic
from models.membership.signup import Wish, ask, confirm, read_invitation
from models.streams.streams import get_stream, language_of
from models.text.errors import ServiceError
from web.context import service
from web.error_pages import show_again
from web.language import speak
from web.login import MAX_EMAIL
from web.private_response import answer, unshared

subscribe = Blueprint("subscribe", __name__)


@subscribe.get("/subscribe")
def form() -> ResponseReturnValue:
    """The question alone, about all stories."""
    return answer(render_template("subscribe.html", topic=Topic(), stream=None, error=None))


@subscribe.post("/subscribe")
def send() -> ResponseReturnValue:
    """Send the mail that confirms. A program that fills in what people do not see gets the same
    answer, and nobody a mail.
    """
    slug = request.form.get("stream") or None
    show_again(lambda error: _again(error, slug))
    if slug is not None:
        with service().db.read() as tx:
            speak(language_of(tx, slug))
    settings = service().settings
    wish = Wish(
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
        address = ask(service().db, service().keys, wish, blocked=settings.blocked_mail_domains)
        service().ring()
    return unshared(make_response(render_template("subscribe_sent.html", address=address)))


@subscribe.get("/subscribe/<token:token>")
def question(token: str) -> ResponseReturnValue:
    """A page with a button: programs look at links in mails, and a look changes nothing."""
    with service().db.read() as tx:
        invitation = read_invitation(tx, service().keys, token)
    speak(invitation.recipient.language)
    return unshared(
        make_response(
            render_template("subscribe_confirm.html", invitation=invitation, done=invitation.used)
        )
    )


@subscribe.post("/subscribe/<token:token>")
def confirmed(token: str) -> ResponseReturnValue:
    """Confirm; doing it again answers the same."""
    invitation = confirm(service().db, service().keys, token, request.remote_addr or "")
    speak(invitation.recipient.language)
    return unshared(
        make_response(render_template("subscribe_confirm.html", invitation=invitation, done=True))
    )


def _again(error: ServiceError, slug: str | None) -> ResponseReturnValue:
    stream = None
    if slug is not None:
        with service().db.read() as tx:
            stream = get_stream(tx, slug, public=True)
    topic = Topic(Scope.STREAM, slug) if slug is not None else Topic()
    return unshared(
        make_response(render_template("subscribe.html", topic=topic, stream=stream, error=error))
    )
