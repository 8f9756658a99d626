"""What holds for every page of the desk."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from flask import Response, request
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError, CSRFProtect  # type: ignore[import-untyped]

from models.people import Role
from web.context import service
from web.login import ask_to_log_in, current_actor, logged_in, send_again
from web.security import sent_from_here
from web.sent import once

P = ParamSpec("P")

csrf = CSRFProtect()


def guard() -> ResponseReturnValue | None:
    """Ask who is not logged in to log in, and take forms only with the token of this log-in.

    The log-in comes first: who was logged out while writing gets the text back, not an error.
    """
    if not logged_in():
        return ask_to_log_in()
    try:
        csrf.protect()
    except CSRFError:
        if not sent_from_here():
            raise
        fields = {name: value for name, value in once(request.form).items() if name != "csrf_token"}
        message = "This page was opened before you last logged in. Nothing is lost: look at it and send it again."
        response = send_again(request.path, fields, message)
        response.status_code = 400
        return response
    return None


def tell_workers(response: Response) -> Response:
    """Ring after a change, and keep the desk out of every cache."""
    if request.method == "POST" and response.status_code == 303:
        service().ring()
    response.headers.setdefault("Cache-Control", "no-store")
    return response


def requires(role: Role) -> Callable[[Callable[P, ResponseReturnValue]], Callable[P, ResponseReturnValue]]:
    """A view for that role and those above it; for what only looks, since every change asks for its role in `models`."""

    def decorate(view: Callable[P, ResponseReturnValue]) -> Callable[P, ResponseReturnValue]:
        @wraps(view)
        def checked(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
            current_actor().must_be(role)
            return view(*args, **kwargs)

        return checked

    return decorate
