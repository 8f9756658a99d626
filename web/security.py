"""What every answer says to browsers, and which requests are refused before anything else is looked
at.
"""

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

# of a form: 100,000 characters of any script, percent-encoded, with room
MOST_BYTES = 4 * 1024 * 1024
MOST_WITH_PICTURES = MOST_BYTES + MAX_PICTURE_BYTES
MOST_FIELDS = 200
MAX_PUBLIC_BYTES = 64 * 1024  # of a form outside the desk: an address and some choices
# of a form of the desk from somebody whose log-in has ended, and of the log-in that carries it on
MAX_STRANGER_BYTES = 300_000

# The forms of the desk that may bring a picture.
_WITH_PICTURES = re.compile(
    r"/desk/(?:pictures|post|entries/[0-9a-z]+/(?:draft|revise)|streams/[a-z0-9-]+(?:/edit)?)"
)

_SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
# No inline script or style anywhere; a page that needs more says so itself.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; frame-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


class RequestWithoutNul(Request):
    """A request whose fields hold U+FFFE for each NUL, which PostgreSQL can neither store nor
    compare.

    No text or name may hold either, so what refuses the one refuses the other.
    """

    @cached_property
    def args(self) -> MultiDict[str, str]:
        """The fields of the query."""
        return _without_nul(super().args)

    def _load_form_data(self) -> None:
        super()._load_form_data()
        self.__dict__["form"] = _without_nul(self.__dict__["form"])


def _without_nul(fields: MultiDict[str, str]) -> MultiDict[str, str]:
    if not any("\x00" in text for pair in fields.items(multi=True) for text in pair):
        return fields
    return ImmutableMultiDict(
        [
            (name.replace("\x00", "\ufffe"), text.replace("\x00", "\ufffe"))
            for name, text in fields.items(multi=True)
        ]
    )


def max_bytes(app: Flask, environ: "WSGIEnvironment") -> int:
    """How much a request may send: little outside the desk, and at the desk as much as it takes
    from those logged in there.
    """
    path = environ["PATH_INFO"]
    at_desk = path == "/desk" or path.startswith("/desk/")
    if not at_desk and path != "/login":
        return MAX_PUBLIC_BYTES
    if not at_desk or not _has_log_in(app, environ):
        return MAX_STRANGER_BYTES
    brings_picture = environ.get("CONTENT_TYPE", "").startswith(
        "multipart/form-data"
    ) and _WITH_PICTURES.fullmatch(path)
    return MOST_WITH_PICTURES if brings_picture else MOST_BYTES


def _has_log_in(app: Flask, environ: "WSGIEnvironment") -> bool:
    """Whether the request bears a session cookie that a log-in here has signed, which may have
    ended since.
    """
    session = app.session_interface.open_session(app, app.request_class(environ))
    return session is not None and "_user_id" in session


def protect(app: Flask, settings: Settings) -> None:
    """Give ``app`` its headers, limits and cookie rules."""
    app.request_class = RequestWithoutNul
    https = settings.base_url.startswith("https:")
    app.config.update(
        # The prefix makes browsers refuse a cookie of that name from a neighbouring host (RFC
        # 6265bis section 4.1.3.2).
        SESSION_COOKIE_NAME="__Host-storywire" if https else "storywire",
        SESSION_COOKIE_SECURE=https,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_REFRESH_EACH_REQUEST=False,  # else every public page would set the cookie again
        PERMANENT_SESSION_LIFETIME=SESSION_LIFE,
        MAX_CONTENT_LENGTH=MOST_BYTES,
        MAX_FORM_MEMORY_SIZE=MOST_BYTES,
        MAX_FORM_PARTS=MOST_FIELDS,
        # the desk checks its forms itself, once it knows who is logged in
        WTF_CSRF_CHECK_DEFAULT=False,
        WTF_CSRF_TIME_LIMIT=None,  # a token lives as long as its log-in
        # `sent_from_elsewhere` looks at what browsers send for this today
        WTF_CSRF_SSL_STRICT=False,
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
        if (
            request.method not in _SAFE_METHODS
            and request.blueprint != "leave"
            and sent_from_elsewhere()
        ):
            abort(403, "This form was submitted from another site. Open it here and try again.")
        if (
            request.mimetype == "application/x-www-form-urlencoded"
            and request.get_data().count(b"&") >= MOST_FIELDS
        ):
            abort(413)

    @app.after_request
    def _add_headers(response: Response) -> Response:
        for name, value in headers.items():
            response.headers.setdefault(name, value)
        return response


def sent_from_elsewhere() -> bool:
    """True where a browser says that another site's page sent this request; a program that says
    nothing is no browser.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site not in {"same-origin", "none"}
    origin = request.headers.get("Origin")
    return (
        origin is not None
        and origin != service().settings.base_url
        and origin.partition("://")[2] != request.host
    )


def sent_from_here() -> bool:
    """True where a browser says that one of our pages sent this request."""
    return (
        "Sec-Fetch-Site" in request.headers or "Origin" in request.headers
    ) and not sent_from_elsewhere()
