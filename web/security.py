"""Security headers, and requests that are refused before any view runs."""

import re
from typing import TYPE_CHECKING

from flask import Flask, Request, Response, abort, request
from werkzeug.datastructures import ImmutableMultiDict, MultiDict
from werkzeug.utils import cached_property

from config.settings import Settings
from models.accounts.sessions import SESSION_LIFE
from models.tables.media import MAX_PICTURE_BYTES
from web.context import service
from web.middleware.front import NO_SNIFFING

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

# A form has room for 100,000 characters of any script, percent-encoded.
MAX_FORM_BYTES = 4 * 1024 * 1024
MAX_PICTURE_FORM_BYTES = MAX_FORM_BYTES + MAX_PICTURE_BYTES
MAX_FIELDS = 200
MAX_PUBLIC_FORM_BYTES = 64 * 1024  # outside the desk: an address and some choices
# A form of the desk from a person whose login has expired, and the login that resubmits it.
MAX_LOGGED_OUT_FORM_BYTES = 300_000

_PICTURE_FORMS = re.compile(
    r"/desk/(?:pictures|post|entries/[0-9a-z]+/(?:draft|revise)|streams/[a-z0-9-]+(?:/edit)?)"
)

_SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
# No inline script or style anywhere; a page that needs more sets its own policy.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; frame-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


class RequestWithoutNul(Request):
    """A request with U+FFFE for each NUL, which PostgreSQL can neither store nor compare.

    No text or name may contain either, so the validation that rejects one rejects the other.
    """

    @cached_property
    def args(self) -> MultiDict[str, str]:
        return _without_nul(super().args)

    def _load_form_data(self) -> None:
        super()._load_form_data()
        self.__dict__["form"] = _without_nul(self.__dict__["form"])


def _without_nul(fields: MultiDict[str, str]) -> MultiDict[str, str]:
    if not any("\x00" in text for pair in fields.items(multi=True) for text in pair):
        return fields
    clean = []
    for name, text in fields.items(multi=True):
        clean.append((name.replace("\x00", "\ufffe"), text.replace("\x00", "\ufffe")))
    return ImmutableMultiDict(clean)


def max_bytes(app: Flask, environ: "WSGIEnvironment") -> int:
    """The size that a request may have: small outside the desk and without a login."""
    path = environ["PATH_INFO"]
    at_desk = path == "/desk" or path.startswith("/desk/")
    if not at_desk and path != "/login":
        return MAX_PUBLIC_FORM_BYTES
    if not at_desk or not _has_log_in(app, environ):
        return MAX_LOGGED_OUT_FORM_BYTES
    brings_picture = environ.get("CONTENT_TYPE", "").startswith(
        "multipart/form-data"
    ) and _PICTURE_FORMS.fullmatch(path)
    return MAX_PICTURE_FORM_BYTES if brings_picture else MAX_FORM_BYTES


def _has_log_in(app: Flask, environ: "WSGIEnvironment") -> bool:
    """Whether the request has a signed session cookie of a login, which may have expired."""
    session = app.session_interface.open_session(app, app.request_class(environ))
    return session is not None and "_user_id" in session


def protect(app: Flask, settings: Settings) -> None:
    """Configure headers, limits and cookies of ``app``."""
    app.request_class = RequestWithoutNul
    https = settings.base_url.startswith("https:")
    app.config.update(
        # The prefix makes browsers refuse a cookie of that name from a neighbouring host (RFC
        # 6265bis section 4.1.3.2).
        SESSION_COOKIE_NAME="__Host-storywire" if https else "storywire",
        SESSION_COOKIE_SECURE=https,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_REFRESH_EACH_REQUEST=False,  # otherwise each public page sets the cookie again
        PERMANENT_SESSION_LIFETIME=SESSION_LIFE,
        MAX_CONTENT_LENGTH=MAX_FORM_BYTES,
        MAX_FORM_MEMORY_SIZE=MAX_FORM_BYTES,
        MAX_FORM_PARTS=MAX_FIELDS,
        WTF_CSRF_CHECK_DEFAULT=False,  # the desk checks its forms after the login
        WTF_CSRF_TIME_LIMIT=None,  # a token lives as long as its login
        WTF_CSRF_SSL_STRICT=False,  # `is_cross_site` checks the newer headers
    )
    headers = {
        "Content-Security-Policy": POLICY,
        NO_SNIFFING[0]: NO_SNIFFING[1],
        "Referrer-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        "Cross-Origin-Opener-Policy": "same-origin",
    }

    @app.before_request
    def _refuse() -> None:
        if request.content_length:
            request.max_content_length = max_bytes(app, request.environ)
        if request.method not in _SAFE_METHODS and request.blueprint != "leave" and is_cross_site():
            abort(403, "This form was submitted from another site. Open it here and try again.")
        if (
            request.mimetype == "application/x-www-form-urlencoded"
            and request.get_data().count(b"&") >= MAX_FIELDS
        ):
            abort(413)

    @app.after_request
    def _add_headers(response: Response) -> Response:
        for name, value in headers.items():
            response.headers.setdefault(name, value)
        return response


def is_cross_site() -> bool:
    """Whether a browser says that another site's page sent this request.

    A client that says nothing about it is no browser.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site not in {"same-origin", "none"}
    origin = request.headers.get("Origin")
    if origin is None or origin == service().settings.base_url:
        return False
    return origin.partition("://")[2] != request.host


def is_same_site() -> bool:
    """Whether a browser says that a page of this site sent this request."""
    is_browser = "Sec-Fetch-Site" in request.headers or "Origin" in request.headers
    return is_browser and not is_cross_site()
