"""The accounts of the desk: who works here, invitations, roles, and who has left."""

from collections.abc import Mapping

from flask import Blueprint, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from models.accounts.accounts import list_accounts
from models.accounts.invitations import InvitedAccount, invite
from models.accounts.staff import change_role, end_account, get_account, reopen_account
from models.db.clock import now
from models.tables.people import Account, Role
from models.text.errors import Invalid, ServiceError
from web.context import service
from web.desk.forms import choice
from web.desk.guard import requires
from web.error_pages import on_form_error
from web.login import current_actor

bp = Blueprint("accounts", __name__)

_PATH = "/accounts/<int(max=9223372036854775807):account_id>"
_SHOWN = "link shown once"


@bp.get("/accounts")
@requires(Role.ADMIN)
def show() -> ResponseReturnValue:
    """All of them, and a form to invite somebody."""
    return _list({})


@bp.post("/accounts")
@requires(Role.ADMIN)
def send() -> ResponseReturnValue:
    """Invite somebody."""
    sent = request.form
    on_form_error(lambda error: _list(sent, error))
    role = choice(Role, "role", sent.get("role", ""))
    invited = invite(
        service().db,
        service().keys,
        current_actor(),
        sent.get("email", ""),
        sent.get("name", ""),
        role,
    )
    return _invited(invited)


@bp.get(_PATH)
@requires(Role.ADMIN)
def one(account_id: int) -> ResponseReturnValue:
    """One account; where no mail goes to it, also the link of its invitation, once."""
    return _one(account_id)


@bp.post(f"{_PATH}/role")
@requires(Role.ADMIN)
def give_role(account_id: int) -> ResponseReturnValue:
    """Let it do more or less."""
    on_form_error(lambda error: _one(account_id, error))
    change_role(
        service().db,
        current_actor(),
        account_id,
        choice(Role, "role", request.form.get("role", "")),
    )
    return _to(account_id)


@bp.post(f"{_PATH}/end")
@requires(Role.ADMIN)
def end(account_id: int) -> ResponseReturnValue:
    """Let it in no more."""
    on_form_error(lambda error: _one(account_id, error))
    end_account(service().db, current_actor(), account_id)
    return _to(account_id)


@bp.post(f"{_PATH}/reopen")
@requires(Role.ADMIN)
def reopen(account_id: int) -> ResponseReturnValue:
    """Let it in again."""
    reopen_account(service().db, current_actor(), account_id)
    return _to(account_id)


@bp.post(f"{_PATH}/invite")
@requires(Role.ADMIN)
def again(account_id: int) -> ResponseReturnValue:
    """Send its invitation again; the earlier link ends."""
    on_form_error(lambda error: _one(account_id, error))
    found = _account(account_id)
    return _invited(
        invite(
            service().db, service().keys, current_actor(), found.email or "", found.name, found.role
        )
    )


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
        moment = now(tx)
    wrong = (
        {error.field.replace("e-mail", "email"): error.reason} if isinstance(error, Invalid) else {}
    )
    return render_template(
        "desk/accounts.html",
        at="accounts",
        accounts=accounts,
        roles=Role,
        now=moment,
        values=values,
        error=error,
        wrong=wrong,
    )


def _one(account_id: int, error: ServiceError | None = None) -> str:
    found = _account(account_id)
    for_whom, link = session.pop(_SHOWN, (None, ""))
    shown = link if for_whom == account_id else ""
    return render_template(
        "desk/account_of.html", at="accounts", found=found, roles=Role, error=error, link=shown
    )
