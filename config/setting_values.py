"""Which values settings take.  Each check raises ValueError with what to write instead."""

import ipaddress
import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from annotated_types import Ge, Le

from config.languages import LANGUAGES, base_language
from config.mail import ADDRESS, parse_mail_url, sender_of

_HOST = re.compile(
    r"(\[(?P<ipv6>[0-9a-f:.]+)\]|(?P<name>[a-z0-9_]([a-z0-9_.-]{0,252}[a-z0-9_])?))"
    r"(:(?P<port>[0-9]{1,5}))?"
)
_DOMAIN = re.compile(r"[^\s@/:*.,]+(\.[^\s@/:*.,]+)*")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_AUTHORITY = re.compile(r"([A-Za-z0-9._-]+@)?[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")


def split_list(value: object) -> object:
    """A comma-separated text, or a list of a TOML file, as a set in lower case."""
    if isinstance(value, str):
        value = value.split(",")
    if isinstance(value, list | tuple | frozenset) and all(isinstance(part, str) for part in value):
        return frozenset(part.strip().lower() for part in value if part.strip())
    return value


def check_hosts(hosts: frozenset[str]) -> frozenset[str]:
    """Each is a host name or an address, with or without a port; no network and no wildcard."""
    for host in sorted(hosts):
        if not _is_host(host):
            raise ValueError(
                f"{host!r} is not a host; write each host by itself, like chat.example.org or"
                " 10.0.0.7:8065 (no networks, no wildcards)"
            )
    return hosts


def check_mail_domains(domains: frozenset[str]) -> frozenset[str]:
    """Each is a domain, without @ or wildcard."""
    for domain in sorted(domains):
        if not _DOMAIN.fullmatch(domain):
            raise ValueError(f"{domain!r} is not a domain; write it like mailinator.com")
    return domains


def check_language(tag: str) -> str:
    """A BCP 47 tag whose language is one that CLDR knows a name of."""
    if not _LANGUAGE.fullmatch(tag) or not _is_language(base_language(tag)):
        raise ValueError(f"{tag!r:.60} is not a language; write a tag such as en, de or pt-BR")
    return tag


def _is_language(code: str) -> bool:
    if code in LANGUAGES:
        return True
    from babel import Locale  # noqa: PLC0415  0.2 s with its list of languages, at each command

    return code in Locale("en").languages


def check_broker_url(url: str) -> str:
    """One or several AMQP URLs, separated by semicolons, that pika can read."""
    if url:
        for part in url.split(";"):
            _check_one_broker(part)
    return url


def _check_one_broker(url: str) -> None:
    # Costly, and only sites with a broker need it.
    from pika import URLParameters  # type: ignore[import-untyped]  # noqa: PLC0415

    how = "write it as amqp://user:password@host or amqps://user:password@host:port/vhost"
    try:
        parts = urlsplit(url)
        if parts.scheme not in {"amqp", "amqps"} or not parts.hostname or parts.port == 0:
            raise ValueError(how)
        URLParameters(url)
    except Exception:  # pika raises what its parsing happens to meet, and quotes the password
        raise ValueError(how) from None


def check_mail_url(url: str) -> str:
    """A URL that `parse_mail_url` reads, or nothing."""
    if url:
        _without_period(parse_mail_url, url)
    return url


def check_mail_from(sender: str) -> str:
    """A name and an address, as `sender_of` reads them."""
    _without_period(sender_of, sender)
    return sender


def _without_period(parse: Any, value: str) -> None:
    try:
        parse(value)
    except ValueError as exc:
        raise ValueError(str(exc).removesuffix(".")) from None


def check_mail_address(address: str) -> str:
    """A plain ASCII address, or nothing."""
    if address and (len(address) > 254 or not address.isascii() or not ADDRESS.fullmatch(address)):
        raise ValueError("write one address without a name, like unsubscribe@example.org")
    return address


def check_authority(authority: str) -> str:
    """A domain or an address, as tag: URIs take it (RFC 4151 section 2.1), or nothing."""
    if authority and (len(authority) > 255 or not _AUTHORITY.fullmatch(authority)):
        raise ValueError("write a domain of yours, like news.example.org")
    return authority


def check_one_line(text: str) -> str:
    """Visible text without line breaks and control characters: it goes into mail headers."""
    text = text.strip()
    if not text or not text.isprintable():
        raise ValueError("write a name in one line")
    return text


def _is_host(text: str) -> bool:
    if _is_address(text):
        return True
    found = _HOST.fullmatch(text)
    if not found or not 0 < int(found["port"] or 1) <= 65535:
        return False
    if found["ipv6"]:
        return _is_address(found["ipv6"])
    # 10.0.0 looks like a name and is none: no top-level domain is a number (RFC 3696 section 2).
    name = found["name"]
    return _is_address(name) or not name.rpartition(".")[2].isdecimal()


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def explain(error: Any, constraints: Sequence[object]) -> str:
    """What is wrong with a value that pydantic refused, in plain words without the value.

    ``constraints``: those of the field, such as annotated_types.Ge.
    """
    kind, context = error["type"], error.get("ctx", {})
    if kind == "value_error":
        return str(context["error"])
    if kind in {"greater_than_equal", "less_than_equal"} or kind.startswith("int"):
        return "write a whole number" + _bounds(constraints)
    if kind.startswith("bool"):
        return "write true or false"
    if kind == "literal_error":
        return "write " + str(context["expected"]).replace("'", "")
    if kind == "string_too_long":
        return f"write at most {context['max_length']} characters"
    if kind == "extra_forbidden":
        return "no such setting"
    return "write it as text"


def _bounds(constraints: Sequence[object]) -> str:
    least = next((found.ge for found in constraints if isinstance(found, Ge)), None)
    most = next((found.le for found in constraints if isinstance(found, Le)), None)
    if least is None or most is None:
        return "" if least is None else f", {least} or more"
    return f" from {least} to {most}"
