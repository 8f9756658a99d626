"""Leaving: the signed link at the foot of every mail, which its List-Unsubscribe header holds, too."""

from flask import Blueprint, make_response, render_template, request
from flask.typing import ResponseReturnValue

from models.audience import followed
from models.audience import leave as leave_all_that
from models.errors import NotFound
from models.tokens import ALL, read_leave_token
from web.context import service

leave = Blueprint("leave", __name__)


@leave.get("/u/<token:token>")
def ask(token: str) -> ResponseReturnValue:
    """A page with a button; looking at it changes nothing, because programs look at links in mails."""
    return _page(token, done=False)


@leave.post("/u/<token:token>")
def go(token: str) -> ResponseReturnValue:
    """Leave at once (RFC 8058 section 3.1): no cookie, no redirect, and the token is the only authority, wherever it comes from.

    Doing it again answers the same.
    """
    leave_all_that(service().db, *_read(token))
    service().ring()
    return _page(token, done=True)


def _page(token: str, *, done: bool) -> ResponseReturnValue:
    recipient_uid, scope = _read(token)
    with service().db.read() as tx:
        recipient, subscriptions = followed(tx, recipient_uid)
    name, _, host = recipient.address.partition("@")
    masked = f"{name[:1]}•••@{host}"  # the mail may have been forwarded
    ending = [one for one in subscriptions if one.stream is None or scope in (ALL, one.stream.uid)]
    staying = [one for one in subscriptions if one not in ending]
    page = render_template("leave.html", masked=masked, ending=ending, staying=staying, everything=scope == ALL, done=done)
    response = make_response(page)
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Robots-Tag"] = "noindex"
    return response


def _read(token: str) -> tuple[str, str]:
    read = read_leave_token(service().keys, token)
    if read is None:
        raise NotFound("link", request.path)
    return read
