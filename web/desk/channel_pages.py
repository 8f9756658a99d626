"""Channels: the list, a new one, and one of them: what it is told, a test, and a hand where it
refuses messages.
"""

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from models.db.clock import now
from models.membership.channels import (
    edit_channel,
    get_channel,
    last_deliveries,
    list_channels,
    preferences_of,
    retry_channel,
    send_test_message,
    subscriptions_by_recipient,
)
from models.recipients.audience import ChannelTarget, add_channel, remove_recipient, signing_secret
from models.recipients.subscriber_lists import told
from models.streams.streams import list_streams
from models.tables.ledger import RecipientKind
from models.tables.people import Role
from models.text.errors import Invalid, ServiceError
from notifier.content.channel_test import trial
from notifier.content.render import Sender
from notifier.reports.delivery_report import why_waiting
from notifier.transport.channel_sender import check_url
from notifier.transport.service_catalogue import Offer, build_url, catalogue, web_url
from web.context import service
from web.desk.delivery_fields import WishForm, said
from web.desk.guard import requires
from web.error_pages import on_form_error
from web.login import current_actor

bp = Blueprint("channels", __name__)

_LATEST = 20
_PATIENCE = 60  # seconds that a page asks again what became of a test


@bp.get("/channels")
@requires(Role.ADMIN)
def show() -> ResponseReturnValue:
    """All channels, and the ways to add one."""
    return _list({})


@bp.get("/channels/new/<slug:name>")
@requires(Role.ADMIN)
def new(name: str) -> ResponseReturnValue:
    """The form of one service."""
    return _form(catalogue().get(name) or abort(404), {})


@bp.post("/channels")
@requires(Role.ADMIN)
def send() -> ResponseReturnValue:
    """Add a channel.  Its URL is a secret: it is stored encrypted and no page ever shows it again."""
    sent = request.form
    offer = catalogue().get(sent.get("service", ""))
    on_form_error(lambda error: _form(offer, sent, error) if offer else _list(sent, error))
    name = sent.get("name", "")
    with service().db.read() as tx:
        streams = {stream.slug for stream in list_streams(tx)}
        taken = {channel.address for channel in list_channels(tx)}
    if sent.get("stream") and sent["stream"] not in streams:
        raise Invalid("stream", "choose one of the stories.")
    if " ".join(name.split()) in taken:
        raise Invalid("name", "another channel already has this name.")
    target = _target(offer, sent)
    where, language = sent.get("stream") or None, service().settings.site_language
    found = add_channel(
        service().db, current_actor(), service().keys, name, target, stream=where, language=language
    )
    return _to(found.uid)


@bp.get("/channels/<uid:uid>")
@requires(Role.ADMIN)
def one(uid: str) -> ResponseReturnValue:
    """One channel."""
    return _one(uid)


@bp.post("/channels/<uid:uid>")
@requires(Role.ADMIN)
def save(uid: str) -> ResponseReturnValue:
    """Change its name, what it is told, or where it leads."""
    sent, form = request.form, WishForm.read(request.form)
    on_form_error(lambda error: _one(uid, sent.get("name", ""), form, error))
    with service().db.read() as tx:
        base, streams = preferences_of(tx, get_channel(tx, uid)), list_streams(tx)
    target = _target(None, sent) if sent.get("url") else None
    wanted = form.preferences(base, streams)
    edit_channel(
        service().db, current_actor(), service().keys, uid, sent.get("name", ""), target, wanted
    )
    return _to(uid)


@bp.post("/channels/<uid:uid>/test")
@requires(Role.ADMIN)
def test(uid: str) -> ResponseReturnValue:
    """Send it the latest entry, marked as a test."""
    _test(uid)
    return _to(uid)


@bp.post("/channels/<uid:uid>/again")
@requires(Role.ADMIN)
def again(uid: str) -> ResponseReturnValue:
    """Try a sick one now: by what waits for it, else by a test."""
    if not retry_channel(service().db, current_actor(), uid):
        _test(uid)
    return _to(uid)


@bp.post("/channels/<uid:uid>/remove")
@requires(Role.ADMIN)
def remove(uid: str) -> ResponseReturnValue:
    """Tell it nothing more."""
    with service().db.read() as tx:
        name = get_channel(tx, uid).address
    remove_recipient(service().db, current_actor(), RecipientKind.CHANNEL, name, "removed")
    return redirect(url_for("desk.channels.show"), 303)


def _to(uid: str) -> ResponseReturnValue:
    return redirect(url_for("desk.channels.one", uid=uid), 303)


def _test(uid: str) -> None:
    with service().db.read() as tx:
        values = trial(tx, Sender.of(service().settings))
    send_test_message(service().db, current_actor(), uid, values)


def _target(offer: Offer | None, sent: Mapping[str, str]) -> ChannelTarget:
    """Where the form leads; raises Invalid, which quotes nothing that could be secret."""
    url = sent.get("url", "").strip()
    try:
        if offer is not None:
            url = build_url(offer.name, sent) if offer.parts else web_url(offer.name, url)
        checked = check_url(url, service().settings.allow_private_hosts)
    except ValueError as exc:
        raise Invalid(offer.parts[0].name if offer and offer.parts else "url", str(exc)) from exc
    return ChannelTarget(url, checked.service, checked.masked)


def _wrong(error: ServiceError | None) -> dict[str, str]:
    return (
        {error.field.replace("time zone", "timezone"): error.reason}
        if isinstance(error, Invalid)
        else {}
    )


def _kept(offer: Offer | None, values: Mapping[str, str]) -> dict[str, str]:
    """What a refused form gets back: not the URL nor any part of it that is a secret, even when it
    is wrong.
    """
    parts = [part.name for part in offer.parts if not part.private] if offer else []
    return {name: values.get(name, "") for name in ("name", "stream", *parts)}


def _list(values: Mapping[str, str], error: ServiceError | None = None) -> str:
    with service().db.read() as tx:
        channels, streams = list_channels(tx), list_streams(tx)
        ids = [channel.id for channel in channels]
        follows, words, moment = (
            subscriptions_by_recipient(tx, ids),
            last_deliveries(tx, ids),
            now(tx),
        )
    shown: dict[str, Any] = {
        "now": moment,
        "streams": streams,
        "values": _kept(None, values),
        "error": error,
        "wrong": _wrong(error),
    }
    offers = catalogue().values()
    return render_template(
        "desk/channels.html",
        at="channels",
        channels=channels,
        said=said,
        follows=follows,
        words=words,
        offers=offers,
        **shown,
    )


def _form(offer: Offer, values: Mapping[str, str], error: ServiceError | None = None) -> str:
    with service().db.read() as tx:
        streams = list_streams(tx)
    shown: dict[str, Any] = {"values": _kept(offer, values), "error": error, "wrong": _wrong(error)}
    return render_template(
        "desk/channel_new.html", at="channels", offer=offer, streams=streams, **shown
    )


def _one(
    uid: str,
    name: str | None = None,
    form: WishForm | None = None,
    error: ServiceError | None = None,
) -> str:
    with service().db.read() as tx:
        channel, streams = get_channel(tx, uid), list_streams(tx)
        follows = subscriptions_by_recipient(tx, [channel.id])
        wanted = form or WishForm.of(preferences_of(tx, channel), streams)
        sent, held, moment = told(tx, channel.id, limit=_LATEST), why_waiting(tx), now(tx)
    tests = [one for one in sent if one.notice == "test"]
    waits = bool(tests) and tests[0].settled_at is None
    ask_again = waits and (moment - tests[0].created_at).total_seconds() < _PATIENCE and not held
    return render_template(
        "desk/channel.html",
        at="channels",
        channel=channel,
        name=channel.address if name is None else name,
        form=wanted,
        follows=said(follows, channel.id),
        streams=streams,
        sent=sent,
        trial=tests[0] if tests else None,
        ask_again=ask_again,
        secret=signing_secret(service().keys, channel.uid) if channel.service == "webhook" else "",
        held=held,
        now=moment,
        error=error,
        wrong=_wrong(error),
    )
