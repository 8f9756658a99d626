"""The outermost WSGI layer: what holds for every answer, whichever part of the service gives it."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from web.refusals import refuse_request

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

NO_SNIFFING = ("X-Content-Type-Options", "nosniff")
_ONLY_TEXT = [NO_SNIFFING, ("Content-Security-Policy", "default-src 'none'"), ("Referrer-Policy", "same-origin")]
_WITHOUT_HOST = {"HTTP/1.0", "HTTP/1"}  # RFC 9112 section 3.2 asks only later versions for one; granian writes the latter


class FrontLayer:
    """Refuses requests without exactly one Host, and completes the header of every answer.

    Answers over HTTPS carry Strict-Transport-Security (RFC 6797 section 7.1).  Pages and feeds bring the other security
    headers that suit them; an answer without any is plain text, and says so to browsers.
    """

    def __init__(self, app: "WSGIApplication", *, https: bool) -> None:
        self._app = app
        self._always = [("Strict-Transport-Security", "max-age=31536000")] if https else []

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None, /) -> Callable[[bytes], object]:
            # A new list: that of a document in memory is used by every request for it.
            own = self._always if NO_SNIFFING in headers else [*_ONLY_TEXT, *self._always]
            return start_response(status, [*headers, *own], exc_info)

        host = environ.get("HTTP_HOST")
        alone = "," not in host if host else environ["SERVER_PROTOCOL"] in _WITHOUT_HOST  # granian joins several by commas
        if not alone:
            return refuse_request(environ, start, "400 Bad Request", "Send the request with one Host.")
        return self._app(environ, start)
