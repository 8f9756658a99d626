"""Log-in by password, or by a link that works once.  The cookie holds a token only."""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from flask import (
    Blueprint,
    Flask,
    Response,
    after_this_request,
    current_app,
    make_response,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from flask.typing import ResponseReturnValue
from flask_babel import gettext  # type: ignore[import-untyped]
from flask_login import (  # type: ignore[import-untyped]
    LoginManager,
    current_user,
    login_user,
    logout_user,
)
from markupsafe import escape

from models.accounts.accounts import log_in, use_login_link
from models.accounts.sessions import log_out, session_account
from models.tables.people import Account, Role
from models.text.actor import Actor
from models.text.errors import Conflict, Gone
from models.text.tokens import browser_token, is_browser_of
from web.context import service
from web.form_values import first_values
from web.middleware.browsers import browser_name

login = Blueprint("login", __name__)

BROWSER_LIFE = timedelta(days=365)
"""Time that a browser stays known to an account: guesses from elsewhere don't lock it out."""
KEPT = "kept."  # before the names of fields that were sent while nobody was logged in
_SHOWN = ("title", "dek", "body", "overview", "note")
MAX_EMAIL = 320  # characters: RFC 3696 section 3 (64 of the local part, @, 255 of the domain)
# The page may be longer than the form in it by so much: a quotation mark is five bytes in HTML, and
# one or three in a form.
_MAX_GROWTH_BYTES = 16_384
_DESK_PATH = re.compile(r"/desk(?:/[A-Za-z0-9_-]+)*(?:\?[A-Za-z0-9_=&-]*)?")


@dataclass(frozen=True)
class LoggedIn:
    """Flask-Login's user."""

    account: Account
    token: str
    is_authenticated = is_active = True
    is_anonymous = False

    def get_id(self) -> str:
        return self.token


def set_up_login(app: Flask) -> None:
    """Provide `current_user`, without `LoginManager.init_app`.

    That reads the session after every request and before every template, so even public pages
    would vary by cookie.
    """
    manager = LoginManager()
    manager.session_protection = None
    manager.user_loader(_load)
    app.login_manager = manager  # type: ignore[attr-defined]


def _load(token: str) -> LoggedIn | None:
    account = session_account(service().db, token)
    if account is None:
        return None
    return LoggedIn(account, token)


def logged_in() -> bool:
    return bool(current_user.is_authenticated)


def current_account() -> Account:
    account: Account = current_user.account
    return account


def current_actor() -> Actor:
    return Actor.of(current_account())


def may_publish() -> bool:
    """True for editors: an author's post is submitted for review."""
    return current_account().role.includes(Role.EDITOR)


def ask_to_log_in() -> ResponseReturnValue:
    """Redirect to the log-in and back; a submitted form is kept in the page meanwhile."""
    if request.method in {"GET", "HEAD"}:
        path = request.path
        if request.query_string:
            path += f"?{request.query_string.decode('ascii', 'replace')}"
        return redirect(url_for("login.form", next=desk_path(path)), 303)
    fields = first_values(request.form)
    fields.pop("csrf_token", None)
    return _form(
        401,
        next_path=request.path,
        form_fields={KEPT + name: value for name, value in fields.items()},
        message=gettext("You’ve been logged out. Your text is safe: log in to continue."),
    )


def desk_path(value: str) -> str:
    """``value`` if it is a path of the desk, else the desk's own: no open redirect."""
    if _DESK_PATH.fullmatch(value):
        return value
    return "/desk"


@login.get("/login")
def form() -> ResponseReturnValue:
    next_path = desk_path(request.args.get("next", ""))
    if logged_in():
        return redirect(next_path, 303)
    return _form(200, next_path=next_path)


@login.post("/login")
def enter() -> ResponseReturnValue:
    """Log in by e-mail and password; then offer a form that was submitted before, or redirect."""
    email = request.form.get("email", "").replace("\x00", "")
    password = request.form.get("password", "")
    next_path = desk_path(request.form.get("next", ""))
    client = request.remote_addr or ""
    form_fields = {name: value for name, value in request.form.items() if name.startswith(KEPT)}
    token = log_in(
        service().db, email, password, client, this_browser(), known_browser=known_browser(email)
    )
    if token is None:
        message = gettext("Wrong e-mail address or password.")
        return _form(
            422, next_path=next_path, form_fields=form_fields, email=email, message=message
        )
    begin_session(token)
    if form_fields:
        fields = {name.removeprefix(KEPT): value for name, value in form_fields.items()}
        return send_again(next_path, fields, gettext("You are logged in again."))
    return redirect(next_path, 303)


@login.get("/login/<token:token>")
def link(token: str) -> ResponseReturnValue:
    """A page with a button: programs that open links in e-mails and chats must not use them up."""
    return _no_store(make_response(render_template("login_link.html", token=token)))


@login.post("/login/<token:token>")
def enter_by_link(token: str) -> ResponseReturnValue:
    opened = use_login_link(service().db, token, this_browser())
    if opened is None:
        raise Gone(
            "link",
            "log-in",
            "This log-in link has been used or is older than 15 minutes. Ask for a new one.",
        )
    begin_session(opened)
    return redirect("/desk", 303)


@login.post("/logout")
def leave_desk() -> ResponseReturnValue:
    """Log out.  Needs no token: requests from other sites are refused by their headers."""
    if logged_in():
        log_out(service().db, current_user.token)
        logout_user()
    session.clear()
    return redirect(url_for("login.form"), 303)


def send_again(path: str, fields: dict[str, str], message: str) -> Response:
    """A page that shows a submitted form, with a button that submits it again."""
    visible = {name: value for name, value in fields.items() if name in _SHOWN and value}
    page = render_template(
        "desk/again.html", path=path, fields=fields, shown=visible, message=message
    )
    return _no_store(make_response(page))


def this_browser() -> str:
    """The browser's name, for people."""
    return browser_name(request.user_agent.string)


def known_browser(email: str) -> str:
    """The browser's token, if it has logged in with that address before; else empty."""
    token = request.cookies.get(_browser_cookie(), "")
    if is_browser_of(service().keys, token, email):
        return token
    return ""


def _browser_cookie() -> str:
    return f"{current_app.config['SESSION_COOKIE_NAME']}-browser"


def begin_session(token: str) -> None:
    """Log this browser in by the token of a new session, and mark it as known to the account."""
    session.clear()  # nothing of an earlier session lives on, its CSRF token neither
    session.permanent = True
    account = session_account(service().db, token)
    if account is None:  # a new password or the end of the account has ended it meanwhile
        raise Conflict("This account has just been changed. Log in again.")
    login_user(LoggedIn(account, token))
    email = account.email or ""
    if known_browser(email):
        return
    cookie = browser_token(service().keys, email)

    @after_this_request
    def _remember_browser(response: Response) -> Response:
        secure: bool = current_app.config["SESSION_COOKIE_SECURE"]
        options: dict[str, Any] = {
            "max_age": BROWSER_LIFE,
            "secure": secure,
            "httponly": True,
            "samesite": "Lax",
        }
        response.set_cookie(_browser_cookie(), cookie, **options)
        return response


def _form(
    status: int,
    *,
    next_path: str,
    message: str = "",
    email: str = "",
    form_fields: dict[str, str] | None = None,
) -> Response:
    """The log-in page with a submitted form, unless that would be much longer than the request."""
    form_fields = form_fields or {}
    size = sum(len(escape(name)) + len(escape(value)) for name, value in form_fields.items())
    if size > (request.content_length or 0) + _MAX_GROWTH_BYTES:
        form_fields = {}
        message = gettext(
            "You’ve been logged out, and your text is too long to keep here. Log in, go back and"
            " submit it again."
        )
    page = render_template(
        "login.html",
        next_path=desk_path(next_path),
        message=message,
        email=email[:MAX_EMAIL],
        kept=form_fields,
        shown=_SHOWN,
    )
    return _no_store(make_response(page, status))


def _no_store(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    return response
