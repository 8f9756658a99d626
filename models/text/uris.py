"""Addresses as people and browsers write them, made URIs (RFC 3986) by the mapping of RFC 3987
section 3.1.
"""

import ipaddress
import re
import unicodedata
from urllib.parse import quote

# The parts of an address (RFC 3986 appendix B); whatever the text, this matches.
_PARTS = re.compile(r"(?:([^:/?#]+):)?(?://([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?", re.DOTALL)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")
_HOST = re.compile(r"[a-z0-9_](?:[a-z0-9._-]*[a-z0-9_.])?")
_LONE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_USER = "!$&'()*+,;=:%-._~"  # what a part may hold beside letters and digits (RFC 3986 section 3)
_PATH = _USER + "@/"
_QUERY = _PATH + "?"
MAX_LABEL = 63  # characters of a part of a host name (RFC 1035 section 2.3.4)
_WEB_PORTS = range(1, 65_536)


def to_uri(address: str) -> str | None:
    """The URI of an absolute address; None where there is none, as without a host for http and
    https.

    The scheme and the host become lower-case (RFC 3986 section 6.2.2.1), a host of other letters
    its ASCII form, and every other character that a URI may not hold is percent-encoded. A URI that
    is lower-case there stays as it is.
    """
    parts = _PARTS.fullmatch(address)
    assert parts is not None
    scheme, authority, path, query, fragment = parts.groups()
    scheme = (scheme or "").lower()
    if not _SCHEME.fullmatch(scheme):
        return None
    place = _authority(authority) if authority is not None else ""
    if place is None or (not place and (scheme in {"http", "https"} or authority is not None)):
        return None
    uri = f"{scheme}:" + (f"//{place}" if place else "") + _encoded(path, _PATH)
    if query is not None:
        uri += "?" + _encoded(query, _QUERY)
    return uri + ("#" + _encoded(fragment, _QUERY) if fragment is not None else "")


def _encoded(part: str, safe: str) -> str:
    return quote(_LONE_PERCENT.sub("%25", part), safe=safe, errors="replace")


def _authority(authority: str) -> str | None:
    user, at, place = authority.rpartition("@")
    name, colon, port = place.rpartition(":")
    if not colon or place.endswith("]"):
        name, colon, port = place, "", ""
    if port and not (
        port.isascii() and port.isdecimal() and len(port) < 6 and int(port) in _WEB_PORTS
    ):
        return None
    host = _host(name)
    return f"{_encoded(user, _USER)}{at}{host}{':' if port else ''}{port}" if host else None


def _host(name: str) -> str | None:
    """The name in ASCII (RFC 5895 section 2, RFC 3492), or an IPv6 address in its brackets."""
    if name.startswith("["):
        try:
            return (
                f"[{ipaddress.IPv6Address(name.removeprefix('[').removesuffix(']')).compressed}]"
                if name.endswith("]")
                else None
            )
        except ValueError:
            return None
    labels = unicodedata.normalize("NFKC", name).lower().replace("\u3002", ".").split(".")
    host = ".".join(
        label if label.isascii() else f"xn--{label.encode('punycode').decode()}" for label in labels
    )
    letters = all(
        unicodedata.category(char)[0] in "LMN"
        for label in labels
        for char in label
        if not char.isascii()
    )
    if (
        not letters
        or not _HOST.fullmatch(host)
        or not all(0 < len(label) <= MAX_LABEL for label in host.rstrip(".").split("."))
    ):
        return None
    return host
