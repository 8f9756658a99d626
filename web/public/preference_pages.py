"""Readers' settings, without an account: by the link in each e-mail.

A fresh link, mailed on request, allows more: moving to another address, export and deletion.
"""

import zoneinfo
from functools import cache

from flask import Blueprint, jsonify, make_response, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext  # type: ignore[import-untyped]
from sqlalchemy.orm import Session

from models.membership.channels import preferences_of
from models.membership.own_data import (
    LinkAccess,
    confirm_move,
    erase_own_data,
    export_own_data,
    request_move,
    require_owner,
    resolve_link,
    send_fresh_link,
    set_shared,
)
from models.recipients.audience import recipient_with_subscriptions
from models.recipients.audience import unsubscribe as leave_that
from models.recipients.preferences import set_preferences
from models.streams.streams import list_streams
from models.tables.ledger import Recipient, RecipientState
from models.tables.stories import Stream, StreamState
from models.text.errors import Conflict, Forbidden, Gone, ServiceError
from models.text.tokens import ALL_STREAMS
from web.context import service
from web.error_pages import on_form_error
from web.language import language_names, speak
from web.private_response import private_response
from web.public.leave import masked, reached, read_followed
from web.public.preference_fields import Fields, fields_of, preferences_from, with_unseen

preferences = Blueprint("preferences", __name__, url_prefix="/p")

MOST_OFFERED = 30
"""Stories that a reader may add, the latest first, beside those already followed."""
MOST_ASKED = 10
"""Stories that have their own fields: a form may send 200 fields in all."""


@preferences.get("/<token:token>")
def show(token: str) -> ResponseReturnValue:
    return _page(token)


@preferences.post("/<token:token>")
def save(token: str) -> ResponseReturnValue:
    with on_form_error(_page, token, fields=request.form):
        return _save(token)


def _save(token: str) -> ResponseReturnValue:
    with service().db.read() as tx:
        access, recipient, streams = _state(tx, token)
        present = fields_of(tx, *recipient_with_subscriptions(tx, access.uid))
        former = preferences_of(tx, recipient)
    _must_be_open(access, recipient)
    wanted = preferences_from(request.form, streams, recipient, present)
    if not wanted.follows:
        raise Conflict("Choose at least one story. To stop all e-mail, unsubscribe below.")
    listed_ids = {stream.id for stream in streams}
    set_preferences(service().db, access.uid, with_unseen(wanted, former, listed_ids))
    return _page(token, saved=gettext("Your changes apply from the next e-mail."))


@preferences.post("/<token:token>/leave")
def leave(token: str) -> ResponseReturnValue:
    """Unsubscribe from the story that the e-mail was about, or from everything."""
    with service().db.read() as tx:
        access, recipient, _ = _state(tx, token)
    _must_be_open(access, recipient)
    scope = ALL_STREAMS
    if request.form.get("scope") == "story":
        scope = access.scope
    leave_that(service().db, access.uid, scope)
    return _page(token, saved=gettext("You’re unsubscribed."))


@preferences.post("/<token:token>/fresh")
def fresh(token: str) -> ResponseReturnValue:
    """Mail a fresh link to the address itself."""
    send_fresh_link(service().db, service().keys, token, request.remote_addr or "", "data")
    service().ring()
    return _page(token, sent_to="")


@preferences.post("/<token:token>/shared")
def shared(token: str) -> ResponseReturnValue:
    """Mark the mailbox as shared by several people, or as personal."""
    set_shared(service().db, service().keys, token, shared=bool(request.form.get("shared")))
    return _page(token, saved=gettext("Your changes apply from the next e-mail."))


@preferences.post("/<token:token>/address")
def address(token: str) -> ResponseReturnValue:
    """Mail a link to a new address, to confirm the move there."""
    email = request.form.get("email", "")
    client = request.remote_addr or ""
    blocked = service().settings.blocked_mail_domains
    with on_form_error(_page, token):
        new_address = request_move(
            service().db, service().keys, token, email, client, blocked=blocked
        )
    service().ring()
    return _page(token, sent_to=new_address)


@preferences.get("/<token:token>/data.json")
def data(token: str) -> ResponseReturnValue:
    """All stored data about the holder of a fresh link."""
    with service().db.read() as tx:
        stored = export_own_data(tx, require_owner(tx, service().keys, token))
    response = private_response(jsonify(stored))
    response.headers["Content-Disposition"] = 'attachment; filename="my-data.json"'
    return response


@preferences.post("/<token:token>/erase")
def erase(token: str) -> ResponseReturnValue:
    """Delete the recipient's data, if the box to confirm that is ticked."""
    with on_form_error(_page, token):
        return _erase(token)


def _erase(token: str) -> ResponseReturnValue:
    if not request.form.get("sure"):
        raise Conflict("Tick the box to confirm. This can’t be undone.")
    with service().db.read() as tx:
        _state(tx, token)
    erase_own_data(service().db, service().keys, token)
    return _told(
        gettext("Your data has been deleted"), gettext("We no longer store anything about you.")
    )


@preferences.get("/move/<token:token>")
def look_at_move(token: str) -> ResponseReturnValue:
    """A page with a button: programs that open links in e-mails must not change anything."""
    recipient = confirm_move(service().db, service().keys, token, "", look=True)
    speak(recipient.language)
    page = render_template("preferences_move.html", masked=masked(recipient))
    return private_response(make_response(page))


@preferences.post("/move/<token:token>")
def moved(token: str) -> ResponseReturnValue:
    recipient = confirm_move(service().db, service().keys, token, request.remote_addr or "")
    speak(recipient.language)
    return _told(
        gettext("Address changed"),
        gettext(
            "E-mails will come to this address from now on. Links in older e-mails no longer work."
        ),
    )


def _state(tx: Session, token: str) -> tuple[LinkAccess, Recipient, list[Stream]]:
    """The link's access, its recipient, and the public stories that they follow or may add."""
    access = resolve_link(tx, service().keys, token)
    recipient, subscriptions = read_followed(tx, access.uid)
    followed = []
    for subscription in subscriptions:
        if subscription.stream is not None and subscription.stream.is_public:
            followed.append(subscription.stream)
    offered = []
    for stream in list_streams(tx, public=True):
        if stream.state is not StreamState.ENDED and stream not in followed:
            offered.append(stream)
    return access, recipient, followed + offered[:MOST_OFFERED]


def _must_be_open(access: LinkAccess, recipient: Recipient) -> None:
    if recipient.shared and not access.fresh:
        raise Forbidden("This is a shared mailbox. Request a new link below to make changes.")
    if recipient.state is not RecipientState.CONFIRMED:
        raise Gone("link", "", "You’ve unsubscribed. You can subscribe again at any time.")


def _page(
    token: str,
    *,
    fields: Fields | None = None,
    error: ServiceError | None = None,
    saved: str = "",
    sent_to: str | None = None,
) -> ResponseReturnValue:
    """The settings page.

    ``sent_to`` is the new address that a link was mailed to, or empty for a fresh link to the
    recipient's own address.
    """
    with service().db.read() as tx:
        access, recipient, streams = _state(tx, token)
        subscriptions = recipient_with_subscriptions(tx, access.uid)[1]
        if fields is None or "cadence" not in fields:
            fields = fields_of(tx, recipient, subscriptions)
        story = reached(tx, subscriptions, access.scope)
    known = {ALL_STREAMS, *(stream.uid for stream in streams)}
    names = dict.fromkeys((*fields.getlist("own"), *fields.getlist("follow")))
    asked = [name for name in names if name in known]
    page = render_template(
        "preferences.html",
        token=token,
        came=access,
        recipient=recipient,
        masked=masked(recipient),
        streams=streams,
        subscriptions=subscriptions,
        story=story,
        fields=fields,
        zones=_zones(),
        languages=language_names(),
        asked=asked[:MOST_ASKED],
        error=error,
        saved=saved,
        sent_to=sent_to,
    )
    return private_response(make_response(page))


def _told(title: str, sentence: str) -> ResponseReturnValue:
    page = render_template("sentence.html", title=title, sentence=sentence)
    return private_response(make_response(page))


@cache
def _zones() -> list[str]:
    """UTC, and the time zones named for a place."""
    names = []
    for name in zoneinfo.available_timezones():
        if "/" in name and not name.startswith(("Etc/", "SystemV/", "US/")):
            names.append(name)
    return ["UTC", *sorted(names)]
