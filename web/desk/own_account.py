"""The reader's own account: name, password, sessions."""

from collections.abc import Mapping

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user  # type: ignore[import-untyped]

from models.accounts.accounts import change_own_password
from models.accounts.sessions import end_other_sessions, end_own_session, hash_token, own_sessions
from models.accounts.staff import change_own_name
from models.db.clock import now
from models.tables.people import Role
from models.text.errors import ServiceError
from web.context import service
from web.desk.guard import requires
from web.error_pages import on_form_error
from web.language import field_errors
from web.login import current_account, current_actor

bp = Blueprint("account", __name__)


@bp.get("/account")
@requires(Role.AUTHOR)
def show() -> ResponseReturnValue:
    return _page()


@bp.post("/account/name")
@requires(Role.AUTHOR)
def rename() -> ResponseReturnValue:
    with on_form_error(_page, values=request.form):
        change_own_name(service().db, current_actor(), request.form.get("name", ""))
    return _to_page()


@bp.post("/account/password")
@requires(Role.AUTHOR)
def new_password() -> ResponseReturnValue:
    present = request.form.get("present", "")
    password = request.form.get("password", "")
    with on_form_error(_page):
        change_own_password(service().db, current_actor(), current_user.token, present, password)
    return _to_page()


@bp.post("/account/sessions/end")
@requires(Role.AUTHOR)
def end() -> ResponseReturnValue:
    end_own_session(service().db, current_actor(), request.form.get("session", ""))
    return _to_page()


@bp.post("/account/sessions/end-others")
@requires(Role.AUTHOR)
def end_others() -> ResponseReturnValue:
    end_other_sessions(service().db, current_actor(), current_user.token)
    return _to_page()


def _to_page() -> ResponseReturnValue:
    return redirect(url_for("desk.account.show"), 303)


def _page(*, error: ServiceError | None = None, values: Mapping[str, str] | None = None) -> str:
    with service().db.read() as tx:
        sessions = own_sessions(tx, current_actor())
        current_time = now(tx)
    return render_template(
        "desk/account.html",
        at="account",
        sessions=sessions,
        here=hash_token(current_user.token),
        now=current_time,
        error=error,
        wrong=field_errors(error),
        values=values or {"name": current_account().name},
    )
