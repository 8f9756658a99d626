"""The client's address behind proxies, from X-Forwarded-For."""

from collections.abc import Iterable
from ipaddress import IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING

from web.middleware.plain_refusal import refuse_request

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_PEER = "storywire.peer"


class ForwardedFor:
    """A WSGI layer that sets REMOTE_ADDR to the client's address behind a number of proxies.

    Each trusted proxy appends the address of its own peer, so the client's is the last value but
    ``proxies - 1``.  A shorter header, or none, comes from inside and leaves the peer's address.  A
    trusted value that is no address is refused with 400: no proxy writes one.  WSGI cannot
    distinguish X_Forwarded_For from X-Forwarded-For (both are HTTP_X_FORWARDED_FOR, and of two the
    server keeps one), so proxies have to remove the former; docs/operating.md shows how.
    """

    def __init__(self, app: "WSGIApplication", proxies: int) -> None:
        self._app = app
        self._proxies = proxies

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        values = environ.get("HTTP_X_FORWARDED_FOR", "").split(",")
        if len(values) >= self._proxies and values != [""]:
            trusted = [_address(value) for value in values[-self._proxies :]]
            if None in trusted:
                return refuse_request(
                    environ,
                    start_response,
                    "400 Bad Request",
                    "X-Forwarded-For holds something that is no address.",
                )
            environ[_PEER] = environ["REMOTE_ADDR"]
            environ["REMOTE_ADDR"] = trusted[0]
        return self._app(environ, start_response)


def peer_of(environ: "WSGIEnvironment") -> str:
    """The address at the other end of the request's connection."""
    peer: str = environ.get(_PEER) or environ["REMOTE_ADDR"]
    return peer


def client_key(address: str) -> str:
    """An IPv4 address, or the /64 network of an IPv6 address: what counts as one client."""
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, IPv6Address):
        return str(ip.ipv4_mapped or ip_network((ip, 64), strict=False))
    return str(ip)


def _address(value: str) -> str | None:
    """The address of a value, which may have a port: `192.0.2.1:4711`, `[2001:db8::1]:4711`."""
    value = value.strip()
    if value.startswith("["):
        value = value[1:].partition("]")[0]
    elif value.count(":") == 1:
        value = value.partition(":")[0]
    try:
        return str(ip_address(value))
    except ValueError:
        return None
