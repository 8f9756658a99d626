"""Requests for a mailed link, and choosing a password by it."""

from flask import Blueprint, make_response, redirect, render_template, request
from flask.typing import ResponseReturnValue

from models.accounts.invitations import (
    account_of_password_link,
    choose_password,
    request_password_reset,
)
from models.text.errors import Invalid, ServiceError
from web.context import service
from web.error_pages import on_form_error
from web.language import reason
from web.login import MAX_EMAIL, begin_session, known_browser, this_browser
from web.private_response import private_response

passwords = Blueprint("passwords", __name__)


@passwords.get("/login/forgotten")
def forgotten() -> ResponseReturnValue:
    return _ask()


@passwords.post("/login/forgotten")
def send() -> ResponseReturnValue:
    """Mail a link if an account has that address; the page is the same if none has."""
    email = request.form.get("email", "")[: MAX_EMAIL + 1]  # the page shows it again
    client = request.remote_addr or ""
    with on_form_error(_ask, email):
        request_password_reset(
            service().db, service().keys, email, client, known_browser=known_browser(email)
        )
    service().ring()
    return private_response(
        make_response(render_template("login_forgotten.html", sent=True, email=email))
    )


@passwords.get("/login/password/<token:token>")
def form(token: str) -> ResponseReturnValue:
    """A page with a form, because programs that open links in mails must not change anything."""
    return _choose(token)


@passwords.post("/login/password/<token:token>")
def choose(token: str) -> ResponseReturnValue:
    """Set the password and log in."""
    password = request.form.get("password", "")
    with on_form_error(_choose, token):
        begin_session(choose_password(service().db, token, password, this_browser()))
    return redirect("/desk", 303)


def _ask(email: str = "", error: ServiceError | None = None) -> ResponseReturnValue:
    return private_response(
        make_response(render_template("login_forgotten.html", sent=False, email=email, error=error))
    )


def _choose(token: str, error: ServiceError | None = None) -> ResponseReturnValue:
    with service().db.read() as tx:
        account = account_of_password_link(tx, token)
    wrong = {"password": reason(error)} if isinstance(error, Invalid) else {}
    return private_response(
        make_response(
            render_template("login_password.html", token=token, found=account, wrong=wrong)
        )
    )
