"""Refusals by the WSGI layers in front of the application, in plain text."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

# The key in a WSGI environment of the route that answered, for `web.middleware.request_metrics`.
ROUTE = "storywire.route"


def refuse_request(
    environ: "WSGIEnvironment", start_response: "StartResponse", status: str, sentence: str
) -> Iterable[bytes]:
    """Answer with ``status`` and end the connection, because the rest of the request is unread."""
    environ[ROUTE] = "refused"
    body = f"{sentence}\n".encode()
    headers = [
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
        ("Connection", "close"),
    ]
    if status.startswith("503"):
        headers.append(("Retry-After", "5"))
    start_response(status, headers)
    return [body]
