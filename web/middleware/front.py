"""The WSGI layer for rules of every response: one Host, and security headers."""

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
# Only later versions require a Host (RFC 9112 section 3.2); granian writes the second form.
_WITHOUT_HOST = {"HTTP/1.0", "HTTP/1"}


def always_sent(base_url: str) -> tuple[tuple[str, str], ...]:
    """The headers of every response: over HTTPS Strict-Transport-Security (RFC 6797, 7.1)."""
    if base_url.startswith("https:"):
        return (("Strict-Transport-Security", "max-age=31536000"),)
    return ()


class FrontLayer:
    """Refuses requests without exactly one Host, and adds the headers ``always``.

    Pages and feeds have their own security headers; a response without any is plain text.
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
            required = self._always if NO_SNIFFING in headers else (*_ONLY_TEXT, *self._always)
            missing = [field for field in required if field not in headers]
            # A new list, because all requests for a cached response share its list of headers.
            return start_response(status, [*headers, *missing], exc_info)

        if not has_one_host(environ):
            return refuse_request(
                environ, start, "400 Bad Request", "Send the request with one Host."
            )
        return self._app(environ, start)


def has_one_host(environ: "WSGIEnvironment") -> bool:
    """Whether a request has one Host; granian joins several by commas."""
    host = environ.get("HTTP_HOST")
    if host:
        return "," not in host
    return environ["SERVER_PROTOCOL"] in _WITHOUT_HOST
