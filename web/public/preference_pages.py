"""What reaches a recipient, and when, without an account: by the link in each mail, and for more by
a fresh one.
"""

import zoneinfo
from functools import cache

from flask import Blueprint, jsonify, make_response, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext  # type: ignore[import-untyped]
from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict

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
"""Stories that somebody may add, the latest first, beside those that they follow."""
MOST_ASKED = 10
"""Stories that the form has fields of their own for: it may send 200 fields in all."""


@preferences.get("/<token:token>")
def show(token: str) -> ResponseReturnValue:
    """The settings; looking changes nothing."""
    return _page(token)


@preferences.post("/<token:token>")
def save(token: str) -> ResponseReturnValue:
    """Save them."""
    with on_form_error(_page, token, fields=request.form):
        return _save(token)


def _save(token: str) -> ResponseReturnValue:
    with service().db.read() as tx:
        came, recipient, streams = _state(tx, token)
        present, former = (
            fields_of(tx, *recipient_with_subscriptions(tx, came.uid)),
            preferences_of(tx, recipient),
        )
    _must_be_open(came, recipient)
    wanted = preferences_from(request.form, streams, recipient, present)
    if not wanted.follows:
        raise Conflict("Choose at least one story. To stop all e-mail, unsubscribe below.")
    set_preferences(
        service().db, came.uid, with_unseen(wanted, former, {stream.id for stream in streams})
    )
    return _page(token, saved=gettext("Your changes apply from the next e-mail."))


@preferences.post("/<token:token>/leave")
def leave(token: str) -> ResponseReturnValue:
    """Leave the story that the mail was about, or everything."""
    with service().db.read() as tx:
        came, recipient, _ = _state(tx, token)
    _must_be_open(came, recipient)
    leave_that(
        service().db, came.uid, came.scope if request.form.get("scope") == "story" else ALL_STREAMS
    )
    return _page(token, saved=gettext("You’re unsubscribed."))


@preferences.post("/<token:token>/fresh")
def fresh(token: str) -> ResponseReturnValue:
    """Mail a fresh link to the address itself."""
    send_fresh_link(service().db, service().keys, token, request.remote_addr or "", "data")
    service().ring()
    return _page(token, sent_to="")


@preferences.post("/<token:token>/shared")
def shared(token: str) -> ResponseReturnValue:
    """Say that several people read this mailbox, or that one does."""
    set_shared(service().db, service().keys, token, shared=bool(request.form.get("shared")))
    return _page(token, saved=gettext("Your changes apply from the next e-mail."))


@preferences.post("/<token:token>/address")
def address(token: str) -> ResponseReturnValue:
    """Ask at another address whether the mails may come there."""
    email, blocked = request.form.get("email", ""), service().settings.blocked_mail_domains
    with on_form_error(_page, token):
        there = request_move(
            service().db, service().keys, token, email, request.remote_addr or "", blocked=blocked
        )
    service().ring()
    return _page(token, sent_to=there)


@preferences.get("/<token:token>/data.json")
def data(token: str) -> ResponseReturnValue:
    """All that is stored about who holds a fresh link."""
    with service().db.read() as tx:
        found = export_own_data(tx, require_owner(tx, service().keys, token))
    response = private_response(jsonify(found))
    response.headers["Content-Disposition"] = 'attachment; filename="my-data.json"'
    return response


@preferences.post("/<token:token>/erase")
def erase(token: str) -> ResponseReturnValue:
    """Forget them, once they have ticked that they mean it."""
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
    """A page with a button."""
    recipient = confirm_move(service().db, service().keys, token, "", look=True)
    speak(recipient.language)
    return private_response(
        make_response(render_template("preferences_move.html", masked=masked(recipient)))
    )


@preferences.post("/move/<token:token>")
def moved(token: str) -> ResponseReturnValue:
    """Move there."""
    speak(confirm_move(service().db, service().keys, token, request.remote_addr or "").language)
    return _told(
        gettext("Address changed"),
        gettext(
            "E-mails will come to this address from now on. Links in older e-mails no longer work."
        ),
    )


def _state(tx: Session, token: str) -> tuple[LinkAccess, Recipient, list[Stream]]:
    """Who came, and the stories that they follow or may add; hidden ones are not named."""
    came = resolve_link(tx, service().keys, token)
    recipient, subscriptions = read_followed(tx, came.uid)
    own = [one.stream for one in subscriptions if one.stream is not None and one.stream.is_public]
    running = [one for one in list_streams(tx, public=True) if one.state is not StreamState.ENDED]
    return came, recipient, own + [one for one in running if one not in own][:MOST_OFFERED]


def _must_be_open(came: LinkAccess, recipient: Recipient) -> None:
    if recipient.shared and not came.fresh:
        raise Forbidden("This is a shared mailbox. Request a new link below to make changes.")
    if recipient.state is not RecipientState.CONFIRMED:
        raise Gone("link", "", "You’ve unsubscribed. You can subscribe again at any time.")


def _page(
    token: str,
    *,
    fields: MultiDict[str, str] | None = None,
    error: ServiceError | None = None,
    saved: str = "",
    sent_to: str | None = None,
) -> ResponseReturnValue:
    """``sent_to``: the other address that a link went to, or nothing where a fresh one went to
    their own.
    """
    with service().db.read() as tx:
        came, recipient, streams = _state(tx, token)
        subscriptions = recipient_with_subscriptions(tx, came.uid)[1]
        shown: Fields = (
            fields
            if fields is not None and "cadence" in fields
            else fields_of(tx, recipient, subscriptions)
        )
        story = reached(tx, subscriptions, came.scope)
    known = {ALL_STREAMS, *(stream.uid for stream in streams)}
    asked = [
        name
        for name in dict.fromkeys((*shown.getlist("own"), *shown.getlist("follow")))
        if name in known
    ]
    page = render_template(
        "preferences.html",
        token=token,
        came=came,
        recipient=recipient,
        masked=masked(recipient),
        streams=streams,
        subscriptions=subscriptions,
        story=story,
        fields=shown,
        zones=_zones(),
        languages=language_names(),
        asked=asked[:MOST_ASKED],
        error=error,
        saved=saved,
        sent_to=sent_to,
    )
    return private_response(make_response(page))


def _told(title: str, sentence: str) -> ResponseReturnValue:
    return private_response(
        make_response(render_template("sentence.html", title=title, sentence=sentence))
    )


@cache
def _zones() -> list[str]:
    """Those that are named by a place, and UTC."""
    names = (
        name
        for name in zoneinfo.available_timezones()
        if "/" in name and not name.startswith(("Etc/", "SystemV/", "US/"))
    )
    return ["UTC", *sorted(names)]
