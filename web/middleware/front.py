"""The outermost WSGI layer: what holds for every answer, whichever part of the service gives it."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from web.middleware.plain_refusal import refuse_request

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

NO_SNIFFING = ("X-Content-Type-Options", "nosniff")
_ONLY_TEXT = [
    NO_SNIFFING,
    ("Content-Security-Policy", "default-src 'none'"),
    ("Referrer-Policy", "same-origin"),
]
# RFC 9112 section 3.2 asks only later versions for one; granian writes the latter
_WITHOUT_HOST = {"HTTP/1.0", "HTTP/1"}


def always_sent(base_url: str) -> tuple[tuple[str, str], ...]:
    """The header fields of every answer of a site: over HTTPS Strict-Transport-Security (RFC 6797
    section 7.1).
    """
    return (
        (("Strict-Transport-Security", "max-age=31536000"),)
        if base_url.startswith("https:")
        else ()
    )


class FrontLayer:
    """Refuses requests without exactly one Host, and completes the header of every answer with the
    fields ``always``.

    Pages and feeds bring the other security headers that suit them; an answer without any is plain
    text, and says so to browsers.
    """

    def __init__(self, app: "WSGIApplication", always: tuple[tuple[str, str], ...] = ()) -> None:
        self._app = app
        self._always = always

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        def start(
            status: str, headers: list[tuple[str, str]], exc_info: Any = None, /
        ) -> Callable[[bytes], object]:
            wanted = self._always if NO_SNIFFING in headers else (*_ONLY_TEXT, *self._always)
            # A new list: that of a document in memory, which is complete, is used by every request
            # for it.
            return start_response(
                status, [*headers, *(field for field in wanted if field not in headers)], exc_info
            )

        if not has_one_host(environ):
            return refuse_request(
                environ, start, "400 Bad Request", "Send the request with one Host."
            )
        return self._app(environ, start)


def has_one_host(environ: "WSGIEnvironment") -> bool:
    """Whether a request names one host; granian joins several by commas."""
    host = environ.get("HTTP_HOST")
    return "," not in host if host else environ["SERVER_PROTOCOL"] in _WITHOUT_HOST
