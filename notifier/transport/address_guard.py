"""Which addresses outgoing requests may go to, and the connect that holds to the one it checked."""

import socket
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address


class PrivateAddress(OSError):
    """The host resolves to no address that a request may go to."""


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """True for a global unicast address; an IPv4 address inside an IPv6 one is judged itself."""
    if isinstance(address, IPv6Address):
        inner = _embedded_ipv4(address)
        if inner is not None:
            return is_public(inner)
        if address.is_site_local:
            return False
    return address.is_global and not (
        address.is_multicast or address.is_reserved or address.is_unspecified
    )


def _embedded_ipv4(address: IPv6Address) -> IPv4Address | None:
    if address in NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour


def literal_address(host: str) -> IPv4Address | IPv6Address | None:
    """The address that ``host`` spells out, also as 2130706433, 0x7f000001 or 127.1; None for a
    name.
    """
    try:
        return ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(host))
    except (OSError, UnicodeError):
        return None


def is_allowed(host: str, port: int, allow_hosts: Iterable[str]) -> bool:
    """True if the operator lists this host: ``host`` means each of its ports, ``host:port`` that
    one alone.
    """
    name = host.lower().strip("[]")
    written = f"[{name}]" if ":" in name else name
    return not {name, written, f"{written}:{port}"}.isdisjoint(allow_hosts)


def connect(
    host: str,
    port: int,
    *,
    allow_hosts: Iterable[str],
    timeout: float | None,
    source: tuple[str, int] | None = None,
    options: Sequence[tuple[int, int, int | bytes]] = (),
) -> socket.socket:
    """Resolve once, leave out addresses that are not public, and connect to one that was checked.

    A name that resolves differently a moment later gains nothing by it. Raises PrivateAddress when
    no address remains.
    """
    try:
        addresses = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    except UnicodeError as exc:
        raise OSError(f"{host!r} is not a host name") from exc
    if not is_allowed(host, port, allow_hosts):
        addresses = [
            info for info in addresses if is_public(ip_address(str(info[4][0]).partition("%")[0]))
        ]
        if not addresses:
            raise PrivateAddress(f"{host} is a private address")
    failure: OSError = OSError(f"{host} has no address")
    for family, kind, protocol, _, where in addresses:
        sock = socket.socket(family, kind, protocol)
        try:
            for option in options:
                sock.setsockopt(*option)
            sock.settimeout(timeout)
            if source:
                sock.bind(source)
            sock.connect(where)
        except OSError as exc:
            sock.close()
            failure = exc
        else:
            return sock
    raise failure
