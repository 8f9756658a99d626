"""Channels: the list, their addresses masked, and a new one."""

from collections.abc import Mapping

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from models.audience import Target, add_channel, list_recipients
from models.errors import Invalid, ServiceError
from models.ledger import RecipientKind
from models.people import Role
from models.streams import list_streams
from notifier.channels import check_url
from web.context import service
from web.desk.guard import requires
from web.errors import show_again
from web.login import current_actor

bp = Blueprint("channels", __name__)


@bp.get("/channels")
@requires(Role.ADMIN)
def show() -> ResponseReturnValue:
    """All channels and the form of a new one."""
    return _page({})


@bp.post("/channels")
@requires(Role.ADMIN)
def send() -> ResponseReturnValue:
    """Add a channel.  Its URL is a secret: it is stored encrypted and no page ever shows it again."""
    sent = request.form
    show_again(lambda error: _page(sent, error))
    url, name = sent.get("url", "").strip(), sent.get("name", "")
    with service().db.read() as tx:
        streams = {stream.slug for stream in list_streams(tx)}
        taken = {channel.address for channel in list_recipients(tx, RecipientKind.CHANNEL)}
    if sent.get("stream") and sent["stream"] not in streams:
        raise Invalid("stream", "choose one of the stories.")
    if " ".join(name.split()) in taken:
        raise Invalid("name", "another channel has this name already.")
    try:
        checked = check_url(url, service().settings.allow_private_hosts)
    except ValueError as exc:
        raise Invalid("url", str(exc)) from exc
    target = Target(url, checked.service, checked.masked)
    add_channel(service().db, current_actor(), service().keys, name, target, stream=sent.get("stream") or None)
    return redirect(url_for("desk.channels.show"), 303)


def _page(values: Mapping[str, str], error: ServiceError | None = None) -> str:
    with service().db.read() as tx:
        channels, streams = list_recipients(tx, RecipientKind.CHANNEL), list_streams(tx)
    kept = {name: values.get(name, "") for name in ("name", "stream")}  # not the URL, which is a secret even when it is wrong
    wrong = {error.field: error.reason} if isinstance(error, Invalid) else {}
    return render_template("desk/channels.html", at="channels", channels=channels, streams=streams, values=kept, error=error, wrong=wrong)
