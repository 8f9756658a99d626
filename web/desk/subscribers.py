"""Subscribers: list, details, blocked addresses, export."""

import logging
from collections.abc import Mapping
from itertools import chain

from flask import Blueprint, Response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from models.alerts.daily_numbers import last_days
from models.db.clock import now
from models.membership.channels import preferences_of, subscriptions_by_recipient
from models.membership.suppression import erase_address, lift_suppression, suppress_address
from models.recipients.audience import recipient_with_subscriptions, remove_recipient
from models.recipients.subscriber_lists import PAGE, Page, as_csv, browse, export, search, told
from models.streams.streams import list_streams
from models.tables.ledger import Recipient, RecipientKind, RecipientState
from models.tables.people import Role
from models.text.errors import NotFound, ServiceError
from web import plots
from web.context import service
from web.desk.delivery_fields import followed_stories
from web.desk.forms import choice
from web.desk.guard import requires
from web.error_pages import on_form_error
from web.language import field_errors
from web.login import current_account, current_actor
from web.url_converters import number

log = logging.getLogger(__name__)

bp = Blueprint("subscribers", __name__)

_FILE = "subscribers.csv"


@bp.get("/subscribers")
@requires(Role.ADMIN)
def show() -> ResponseReturnValue:
    state, text, after = (request.args.get(name, "") for name in ("state", "q", "after"))
    wanted = choice(RecipientState, "state", state) if state else None
    days = []
    with service().db.read() as tx:
        page = _page(tx, wanted, text, after)
        follows = subscriptions_by_recipient(tx, [recipient.id for recipient in page.recipients])
        streams = list_streams(tx)
        current_time = now(tx)
        if not (state or text or after):
            days = last_days(tx)
    return render_template(
        "desk/subscribers.html",
        at="subscribers",
        page=page,
        now=current_time,
        days=days,
        plots=plots,
        follows=follows,
        followed_stories=followed_stories,
        streams=streams,
        state=wanted,
        text=text,
        after=after,
    )


@bp.get("/subscribers/export")
@requires(Role.ADMIN)
def download() -> ResponseReturnValue:
    parts = as_csv(export(service().db, request.args.get("stream") or None))
    first = next(parts)  # raises NotFound for an unknown story before the response starts
    log.info(
        "subscribers exported by account %s from %s", current_account().id, request.remote_addr
    )
    headers = {"Content-Disposition": f'attachment; filename="{_FILE}"'}
    return Response(chain([first], parts), mimetype="text/csv", headers=headers)


@bp.get("/subscribers/suppressed")
@requires(Role.ADMIN)
def suppressed() -> ResponseReturnValue:
    return _suppressed({})


@bp.post("/subscribers/suppressed")
@requires(Role.ADMIN)
def suppress() -> ResponseReturnValue:
    sent = request.form
    with on_form_error(_suppressed, sent):
        suppress_address(
            service().db, current_actor(), sent.get("email", ""), sent.get("reason", "")
        )
    return redirect(url_for("desk.subscribers.suppressed"), 303)


@bp.get("/subscribers/<uid:uid>")
@requires(Role.ADMIN)
def one(uid: str) -> ResponseReturnValue:
    with service().db.read() as tx:
        recipient = _subscriber(tx, uid)
        sent = told(tx, recipient.id, before=number(request.args.get("before")), limit=PAGE + 1)
        subscriptions = recipient_with_subscriptions(tx, uid)[1]
        preferences = preferences_of(tx, recipient)
        current_time = now(tx)
    return render_template(
        "desk/subscriber.html",
        at="subscribers",
        found=recipient,
        now=current_time,
        follows=zip(subscriptions, preferences.follows, strict=True),
        sent=sent[:PAGE],
        more=len(sent) > PAGE,
    )


@bp.post("/subscribers/<uid:uid>/lift")
@requires(Role.ADMIN)
def let_go(uid: str) -> ResponseReturnValue:
    lift_suppression(service().db, current_actor(), uid)
    return redirect(url_for("desk.subscribers.suppressed"), 303)


@bp.post("/subscribers/<uid:uid>/end")
@requires(Role.ADMIN)
def end(uid: str) -> ResponseReturnValue:
    remove_recipient(service().db, current_actor(), RecipientKind.MAIL, _address(uid), "removed")
    return redirect(url_for("desk.subscribers.one", uid=uid), 303)


@bp.post("/subscribers/<uid:uid>/erase")
@requires(Role.ADMIN)
def forget(uid: str) -> ResponseReturnValue:
    erase_address(service().db, current_actor(), _address(uid))
    return redirect(url_for("desk.subscribers.show"), 303)


def _page(tx: Session, state: RecipientState | None, text: str, after: str) -> Page:
    if text.strip():
        return search(tx, text, after=after)
    return browse(tx, state, after=number(after))


def _subscriber(tx: Session, uid: str) -> Recipient:
    recipient = recipient_with_subscriptions(tx, uid)[0]
    if recipient.kind is not RecipientKind.MAIL:
        raise NotFound("subscriber", uid)
    return recipient


def _address(uid: str) -> str:
    with service().db.read() as tx:
        return _subscriber(tx, uid).address


def _suppressed(values: Mapping[str, str], error: ServiceError | None = None) -> str:
    with service().db.read() as tx:
        after = number(request.args.get("after"))
        page = browse(tx, RecipientState.SUPPRESSED, after=after)
        current_time = now(tx)
    return render_template(
        "desk/suppressed.html",
        at="subscribers",
        page=page,
        now=current_time,
        values=values,
        error=error,
        wrong=field_errors(error),
    )
