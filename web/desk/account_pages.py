"""Accounts: list, invitations, roles, deactivation."""

from collections.abc import Mapping

from flask import Blueprint, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from models.accounts.accounts import list_accounts
from models.accounts.invitations import InvitedAccount, invite
from models.accounts.staff import change_role, end_account, get_account, reopen_account
from models.db.clock import now
from models.tables.people import Account, Role
from models.text.errors import ServiceError
from web.context import service
from web.desk.forms import choice
from web.desk.guard import requires
from web.error_pages import on_form_error
from web.language import field_errors
from web.login import current_actor

bp = Blueprint("accounts", __name__)

_PATH = "/accounts/<int(max=9223372036854775807):account_id>"
_SHOWN = "link shown once"


@bp.get("/accounts")
@requires(Role.ADMIN)
def show() -> ResponseReturnValue:
    return _list({})


@bp.post("/accounts")
@requires(Role.ADMIN)
def send() -> ResponseReturnValue:
    sent = request.form
    with on_form_error(_list, sent):
        invited = invite(
            service().db,
            service().keys,
            current_actor(),
            sent.get("email", ""),
            sent.get("name", ""),
            choice(Role, "role", sent.get("role", "")),
        )
    return _invited(invited)


@bp.get(_PATH)
@requires(Role.ADMIN)
def one(account_id: int) -> ResponseReturnValue:
    """One account; without e-mail set up, also its invitation link, shown once."""
    return _one(account_id)


@bp.post(f"{_PATH}/role")
@requires(Role.ADMIN)
def give_role(account_id: int) -> ResponseReturnValue:
    with on_form_error(_one, account_id):
        role = choice(Role, "role", request.form.get("role", ""))
        change_role(service().db, current_actor(), account_id, role)
    return _to(account_id)


@bp.post(f"{_PATH}/end")
@requires(Role.ADMIN)
def end(account_id: int) -> ResponseReturnValue:
    with on_form_error(_one, account_id):
        end_account(service().db, current_actor(), account_id)
    return _to(account_id)


@bp.post(f"{_PATH}/reopen")
@requires(Role.ADMIN)
def reopen(account_id: int) -> ResponseReturnValue:
    reopen_account(service().db, current_actor(), account_id)
    return _to(account_id)


@bp.post(f"{_PATH}/invite")
@requires(Role.ADMIN)
def again(account_id: int) -> ResponseReturnValue:
    account = _account(account_id)
    with on_form_error(_one, account_id):
        invited = invite(
            service().db,
            service().keys,
            current_actor(),
            account.email or "",
            account.name,
            account.role,
        )
    return _invited(invited)


def _invited(invited: InvitedAccount) -> ResponseReturnValue:
    if not (invited.mailed and service().settings.mail_url.get_secret_value()):
        session[_SHOWN] = [
            invited.account.id,
            f"{service().settings.base_url}/login/password/{invited.token}",
        ]
    return _to(invited.account.id)


def _to(account_id: int) -> ResponseReturnValue:
    return redirect(url_for("desk.accounts.one", account_id=account_id), 303)


def _account(account_id: int) -> Account:
    with service().db.read() as tx:
        return get_account(tx, account_id)


def _list(values: Mapping[str, str], error: ServiceError | None = None) -> str:
    accounts = list_accounts(service().db)
    with service().db.read() as tx:
        current_time = now(tx)
    return render_template(
        "desk/accounts.html",
        at="accounts",
        accounts=accounts,
        roles=Role,
        now=current_time,
        values=values,
        error=error,
        wrong=field_errors(error),
    )


def _one(account_id: int, error: ServiceError | None = None) -> str:
    account = _account(account_id)
    invited_id, link = session.pop(_SHOWN, (None, ""))
    if invited_id != account_id:
        link = ""
    return render_template(
        "desk/account_of.html", at="accounts", found=account, roles=Role, error=error, link=link
    )
