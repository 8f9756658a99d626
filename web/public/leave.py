"""Unsubscribing by the signed link in every e-mail and its List-Unsubscribe header."""

from collections.abc import Sequence
from contextlib import suppress

from flask import Blueprint, make_response, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext  # type: ignore[import-untyped]
from sqlalchemy import select
from sqlalchemy.orm import Session

from models.membership.own_data import send_fresh_link
from models.recipients.audience import excluded_streams, recipient_with_subscriptions
from models.recipients.audience import unsubscribe as leave_all_that
from models.tables.ledger import Recipient, Subscription
from models.tables.stories import Stream
from models.text.errors import BadLink, Gone, NotFound
from models.text.tokens import ALL_STREAMS, read_unsubscribe_token
from web.context import service
from web.language import speak
from web.private_response import private_response

leave = Blueprint("leave", __name__)


@leave.get("/u/<token:token>")
def ask(token: str) -> ResponseReturnValue:
    """A GET changes nothing, because mail programs and scanners open links."""
    return _page(token)


@leave.post("/u/<token:token>")
def go(token: str) -> ResponseReturnValue:
    """Unsubscribe at once (RFC 8058 section 3.1): no cookie, no redirect, the token is the only
    authority.  Idempotent.

    A shared mailbox gets a link to confirm instead, and its e-mails offer no one-click header.
    """
    recipient_uid, scope = _read(token)
    with service().db.read() as tx:
        recipient, _ = read_followed(tx, recipient_uid)
    if recipient.shared:
        send_fresh_link(service().db, service().keys, token, request.remote_addr or "", "leave")
        service().ring()
        return _page(token, asked=True)
    if request.form.get("scope") == ALL_STREAMS:
        scope = ALL_STREAMS
    leave_all_that(service().db, recipient_uid, scope)
    service().ring()
    return _page(token, done=True)


def read_followed(tx: Session, recipient_uid: str) -> tuple[Recipient, Sequence[Subscription]]:
    """A recipient and its subscriptions; raises Gone for an erased one."""
    with suppress(NotFound):
        recipient, subscriptions = recipient_with_subscriptions(tx, recipient_uid)
        speak(recipient.language)
        if not recipient.erased:
            return recipient, subscriptions
    raise Gone(
        "link",
        "",
        "We no longer store anything about this address, and we won’t send it any e-mail.",
    )


def reached(tx: Session, subscriptions: Sequence[Subscription], scope: str) -> Stream | None:
    """The stream that a link is about, if one of the subscriptions covers it."""
    stream = tx.scalar(select(Stream).where(Stream.uid == scope))
    for each in subscriptions:
        if stream is not None and (
            each.stream_id == stream.id
            or (each.stream_id is None and stream not in excluded_streams(tx, each))
        ):
            return stream
    return None


def masked(recipient: Recipient) -> str:
    """The address shortened, since the e-mail may have been forwarded."""
    name, _, host = recipient.address.partition("@")
    if not host:
        return str(gettext("This address"))
    return f"{name[:1]}•••@{host}"


def _staying(subscriptions: Sequence[Subscription], story: Stream | None) -> list[Subscription]:
    """Subscriptions that go on without ``story``; those to hidden streams are not named."""
    return [
        each
        for each in subscriptions
        if each.stream is None or (each.stream.is_public and each.stream != story)
    ]


def _page(token: str, *, done: bool = False, asked: bool = False) -> ResponseReturnValue:
    recipient_uid, scope = _read(token)
    with service().db.read() as tx:
        recipient, subscriptions = read_followed(tx, recipient_uid)
        story = reached(tx, subscriptions, scope)
    page = render_template(
        "leave.html",
        token=token,
        recipient=recipient,
        masked=masked(recipient),
        subscriptions=subscriptions,
        staying=_staying(subscriptions, story),
        story=story,
        everything=scope == ALL_STREAMS,
        done=done,
        asked=asked,
    )
    return private_response(make_response(page))


def _read(token: str) -> tuple[str, str]:
    read = read_unsubscribe_token(service().keys, token)
    if read is None:
        raise BadLink
    return read
