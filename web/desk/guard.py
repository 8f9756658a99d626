"""Access checks for every page of the desk."""

from collections.abc import Callable
from dataclasses import dataclass

from flask import Response, current_app, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext  # type: ignore[import-untyped]
from flask_wtf.csrf import CSRFError, CSRFProtect  # type: ignore[import-untyped]

from models.streams.entries import get_entry
from models.tables.people import Role
from models.tables.stories import Entry
from models.text.actor import Actor
from web.context import service
from web.form_values import first_values
from web.login import ask_to_log_in, current_actor, logged_in, send_again
from web.security import is_same_site

View = Callable[..., ResponseReturnValue]
Owns = Callable[[Entry, Actor], bool]

csrf = CSRFProtect()


@dataclass(frozen=True)
class Access:
    """Accounts that may use a view: ``role`` and above, and owners of the entry by ``or_own``."""

    role: Role
    or_own: Owns | None = None


_UNSTATED = Access(Role.ADMIN)
_ACCESS = "storywire_access"


def requires(role: Role, *, or_own: Owns | None = None) -> Callable[[View], View]:
    """State who may use a view of the desk.  `guard` checks it before reading the request."""

    def mark(view: View) -> View:
        setattr(view, _ACCESS, Access(role, or_own))
        return view

    return mark


def guard() -> ResponseReturnValue | None:
    """Refuse a request of the desk before its form is read: without a log-in, without the role,
    without the CSRF token.

    The log-in comes first: who was logged out while writing gets the text back, not an error.
    """
    if not logged_in():
        return ask_to_log_in()
    _must_have_access()
    try:
        csrf.protect()
    except CSRFError:
        if not is_same_site():
            raise
        fields = {
            name: value
            for name, value in first_values(request.form).items()
            if name != "csrf_token"
        }
        message = gettext(
            "You’ve logged in again since opening this page. Your text is safe: check it and submit"
            " again."
        )
        response = send_again(request.path, fields, message)
        response.status_code = 400
        return response
    return None


def _must_have_access() -> None:
    """Raise Forbidden unless the account may use the view; a view without a stated role needs an
    administrator.
    """
    view = current_app.view_functions[request.endpoint or ""]
    access: Access = getattr(view, _ACCESS, _UNSTATED)
    actor = current_actor()
    if access.or_own is not None and not actor.role.includes(access.role):
        with service().db.read() as tx:
            if access.or_own(get_entry(tx, (request.view_args or {})["uid"]), actor):
                return
    actor.must_be(access.role)


def tell_workers(response: Response) -> Response:
    """Wake workers after a change, and forbid caching."""
    if request.method == "POST" and response.status_code == 303:
        service().ring()
    response.headers.setdefault("Cache-Control", "no-store")
    return response
