"""Channels: list, set-up, filters, tests and retries."""

from collections.abc import Mapping

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
from models.tables.ledger import Recipient, RecipientKind
from models.tables.people import Role
from models.text.errors import Invalid, ServiceError
from notifier.content.channel_check import trial
from notifier.content.render import Sender
from notifier.reports.delivery_report import why_waiting
from notifier.transport.channel_sender import check_url
from notifier.transport.service_catalogue import Offer, build_url, catalogue, web_url
from web.context import service
from web.desk.delivery_fields import Fields, channel_fields, channel_preferences, followed_stories
from web.desk.guard import requires
from web.error_pages import on_form_error
from web.language import reason
from web.login import current_actor

bp = Blueprint("channels", __name__)

_LATEST = 20
_PATIENCE = 60  # seconds that a page asks again what became of a test


@bp.get("/channels")
@requires(Role.ADMIN)
def show() -> ResponseReturnValue:
    return _list({})


@bp.get("/channels/new/<slug:name>")
@requires(Role.ADMIN)
def new(name: str) -> ResponseReturnValue:
    return _form(catalogue().get(name) or abort(404), {})


@bp.post("/channels")
@requires(Role.ADMIN)
def send() -> ResponseReturnValue:
    """Add a channel.  Its URL is a secret: stored encrypted and never shown again."""
    sent = request.form
    offer = catalogue().get(sent.get("service", ""))
    page = on_form_error(_form, offer, sent) if offer else on_form_error(_list, sent)
    with page:
        channel = _add(offer, sent)
    return _to(channel.uid)


def _add(offer: Offer | None, sent: Mapping[str, str]) -> Recipient:
    """Raises Invalid."""
    name = sent.get("name", "")
    story = sent.get("stream") or None
    with service().db.read() as tx:
        if story and story not in {stream.slug for stream in list_streams(tx)}:
            raise Invalid("stream", "choose one of the stories.")
        if " ".join(name.split()) in {channel.address for channel in list_channels(tx)}:
            raise Invalid("name", "another channel already has this name.")
    return add_channel(
        service().db,
        current_actor(),
        service().keys,
        name,
        _target(offer, sent),
        stream=story,
        language=service().settings.site_language,
    )


@bp.get("/channels/<uid:uid>")
@requires(Role.ADMIN)
def one(uid: str) -> ResponseReturnValue:
    return _one(uid)


@bp.post("/channels/<uid:uid>")
@requires(Role.ADMIN)
def save(uid: str) -> ResponseReturnValue:
    sent = request.form
    name = sent.get("name", "")
    with service().db.read() as tx:
        preferences = preferences_of(tx, get_channel(tx, uid))
        streams = list_streams(tx)
    with on_form_error(_one, uid, name, sent):
        target = _target(None, sent) if sent.get("url") else None
        preferences = channel_preferences(sent, preferences, streams)
        edit_channel(service().db, current_actor(), service().keys, uid, name, target, preferences)
    return _to(uid)


@bp.post("/channels/<uid:uid>/test")
@requires(Role.ADMIN)
def test(uid: str) -> ResponseReturnValue:
    _test(uid)
    return _to(uid)


@bp.post("/channels/<uid:uid>/again")
@requires(Role.ADMIN)
def again(uid: str) -> ResponseReturnValue:
    if not retry_channel(service().db, current_actor(), uid):
        _test(uid)
    return _to(uid)


@bp.post("/channels/<uid:uid>/remove")
@requires(Role.ADMIN)
def remove(uid: str) -> ResponseReturnValue:
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
    """The target in the form; raises Invalid, which quotes nothing secret."""
    url = sent.get("url", "").strip()
    try:
        if offer is not None:
            url = build_url(offer.name, sent) if offer.parts else web_url(offer.name, url)
        checked = check_url(url, service().settings.allow_private_hosts)
    except ValueError as exc:
        raise Invalid(offer.parts[0].name if offer and offer.parts else "url", str(exc)) from exc
    return ChannelTarget(url, checked.service, checked.masked)


# Fields of a form by the names under which models refuse them.
_FIELD_IDS = {
    "at once": "sooner",
    "how often": "cadence",
    "importance": "least",
    "time of the digest": "at",
    "time zone": "timezone",
}


def _wrong(error: ServiceError | None) -> dict[str, str]:
    if not isinstance(error, Invalid):
        return {}
    return {_FIELD_IDS.get(error.field, error.field): reason(error)}


def _kept(offer: Offer | None, values: Mapping[str, str]) -> dict[str, str]:
    """The values that a refused form shows again: neither the URL nor a secret part of it."""
    names = ["name", "stream"]
    if offer:
        names += [part.name for part in offer.parts if not part.private]
    return {name: values.get(name, "") for name in names}


def _list(values: Mapping[str, str], error: ServiceError | None = None) -> str:
    with service().db.read() as tx:
        channels = list_channels(tx)
        streams = list_streams(tx)
        ids = [channel.id for channel in channels]
        follows = subscriptions_by_recipient(tx, ids)
        deliveries = last_deliveries(tx, ids)
        current_time = now(tx)
    return render_template(
        "desk/channels.html",
        at="channels",
        channels=channels,
        followed_stories=followed_stories,
        follows=follows,
        words=deliveries,
        offers=catalogue().values(),
        now=current_time,
        streams=streams,
        values=_kept(None, values),
        error=error,
        wrong=_wrong(error),
    )


def _form(offer: Offer, values: Mapping[str, str], error: ServiceError | None = None) -> str:
    with service().db.read() as tx:
        streams = list_streams(tx)
    return render_template(
        "desk/channel_new.html",
        at="channels",
        offer=offer,
        streams=streams,
        values=_kept(offer, values),
        error=error,
        wrong=_wrong(error),
    )


def _one(
    uid: str,
    name: str | None = None,
    fields: Fields | None = None,
    error: ServiceError | None = None,
) -> str:
    with service().db.read() as tx:
        channel = get_channel(tx, uid)
        streams = list_streams(tx)
        follows = subscriptions_by_recipient(tx, [channel.id])
        if fields is None:
            fields = channel_fields(preferences_of(tx, channel), streams)
        sent = told(tx, channel.id, limit=_LATEST)
        hold_reasons = why_waiting(tx)
        current_time = now(tx)
    last_test = next((delivery for delivery in sent if delivery.notice == "test"), None)
    ask_again = False
    if last_test is not None and last_test.settled_at is None and not hold_reasons:
        ask_again = (current_time - last_test.created_at).total_seconds() < _PATIENCE
    secret = ""
    if channel.service == "webhook":
        secret = signing_secret(service().keys, channel.uid)
    return render_template(
        "desk/channel.html",
        at="channels",
        channel=channel,
        name=channel.address if name is None else name,
        fields=fields,
        follows=followed_stories(follows, channel.id),
        streams=streams,
        sent=sent,
        trial=last_test,
        ask_again=ask_again,
        secret=secret,
        held=hold_reasons,
        now=current_time,
        error=error,
        wrong=_wrong(error),
    )
