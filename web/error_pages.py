"""Error pages: one handler for each family of errors, so that views need no `try`."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus

from flask import Flask, Response, current_app, g, make_response, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext  # type: ignore[import-untyped]
from sqlalchemy.exc import DataError, IntegrityError, OperationalError
from werkzeug.exceptions import HTTPException

from config.languages import mark
from models.text.errors import (
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
    ServiceError,
    TooManyAttempts,
)
from web.language import at_desk, said

_STATUS: dict[type[ServiceError], int] = {
    Invalid: 422,
    Forbidden: 403,
    NotFound: 404,
    Gone: 410,
    Conflict: 409,
    TooManyAttempts: 429,
}
_SENTENCES = {
    400: mark("We couldn’t read that request. Go back and try again."),
    403: mark("You don’t have permission to do this."),
    404: mark("This page doesn’t exist."),
    405: mark("This page can’t be used that way."),
    413: mark("That’s too long. Shorten it and try again."),
    500: mark("Something went wrong on our side. We’ve logged it. Please try again in a moment."),
    503: mark("The site is temporarily unavailable. Try again in a moment."),
}
# Python's phrases for these two changed with RFC 9110.
_TITLES = {413: mark("Content too large"), 422: mark("Unprocessable content")}
_PHRASES = (  # of HTTPStatus, listed for the translation
    mark("Bad request"),
    mark("Forbidden"),
    mark("Not found"),
    mark("Method not allowed"),
    mark("Conflict"),
    mark("Gone"),
    mark("Too many requests"),
    mark("Internal server error"),
    mark("Service unavailable"),
)


class _LogOnceAMinute:
    """Keeps a busy site from filling its disk during an outage of the database."""

    def __init__(self) -> None:
        self._next = 0.0

    def error(self, message: str, *values: object) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + 60
            current_app.logger.error(message, *values)


_outage_log = _LogOnceAMinute()


@contextmanager
def on_form_error(
    page: Callable[..., ResponseReturnValue], *args: object, **options: object
) -> Iterator[None]:
    """Answer an Invalid or Conflict raised inside by ``page(*args, **options, error=...)``, which
    shows the form as it was submitted.
    """
    outer = g.get("form_page")
    g.form_page = partial(page, *args, **options)
    yield
    g.form_page = outer


def add_error_pages(app: Flask) -> None:
    """Register a handler for each family, for HTTP's errors and for the database's."""
    for family in _STATUS:
        app.register_error_handler(family, _service_error)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(OperationalError, _database_unavailable)
    app.register_error_handler(IntegrityError, _unique_violation)
    app.register_error_handler(DataError, _invalid_value)


def error_page(status: int, sentence: str) -> Response:
    title = gettext(_TITLES.get(status) or HTTPStatus(status).phrase.capitalize())
    response = make_response(
        render_template(
            "sentence.html", status=status, title=title, sentence=sentence, at_desk=at_desk()
        ),
        status,
    )
    response.headers["Cache-Control"] = "no-store"
    return response


def _service_error(error: ServiceError) -> ResponseReturnValue:
    status = next(status for family, status in _STATUS.items() if isinstance(error, family))
    page: Callable[..., ResponseReturnValue] | None = g.pop("form_page", None)
    if page is not None and isinstance(error, (Invalid, Conflict)):
        try:
            return make_response(page(error=error), status)
        except ServiceError as exc:  # the subject of the page does not exist
            return _service_error(exc)
    response = error_page(status, said(error))
    if isinstance(error, TooManyAttempts):
        response.headers["Retry-After"] = str(error.retry_after)
    return response


def _http_error(error: HTTPException) -> ResponseReturnValue:
    status = error.code or 500
    if 300 <= status < 400:
        return error
    sentence = _SENTENCES.get(status, HTTPStatus(status).description + ".")
    if error.description and error.description != type(error).description:
        sentence = error.description
    response = error_page(status, gettext(sentence))
    for name, value in error.get_headers(request.environ):
        if name.lower() not in {"content-type", "content-length"}:
            response.headers[name] = value
    return response


def _database_unavailable(error: OperationalError) -> ResponseReturnValue:
    _outage_log.error("the database did not answer: %s (said once a minute)", error.orig)
    response = error_page(503, gettext(_SENTENCES[503]))
    response.headers["Retry-After"] = "5"
    return response


def _unique_violation(error: IntegrityError) -> ResponseReturnValue:
    """Two requests created the same row on PostgreSQL; this one lost and changed nothing.

    Any other violation is a bug: it is logged with its traceback and answered with 500.
    """
    if not _is_unique_violation(error):
        raise error
    current_app.logger.warning("two requests met: %s", str(error.orig).partition("\n")[0])
    return _service_error(Conflict("Someone else just did the same. Reload and try again."))


def _is_unique_violation(error: IntegrityError) -> bool:
    if isinstance(error.orig, sqlite3.IntegrityError):
        return error.orig.sqlite_errorcode in {
            sqlite3.SQLITE_CONSTRAINT_UNIQUE,
            sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY,
        }
    # unique_violation, PostgreSQL appendix A
    return getattr(error.orig, "sqlstate", None) == "23505"


def _invalid_value(error: DataError) -> ResponseReturnValue:
    """A value that the database cannot store, such as a number out of range.

    In a URL it means that nothing is there.
    """
    current_app.logger.warning(
        "a value was refused by the database: %s", str(error.orig).partition("\n")[0]
    )
    if request.method in {"GET", "HEAD"}:
        return error_page(404, gettext(_SENTENCES[404]))
    return _service_error(
        Invalid("form", "a value can’t be stored. Go back, change it and try again.")
    )
