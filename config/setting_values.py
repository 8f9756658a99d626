"""Checks of setting values.  Each raises ValueError that says what to write instead."""

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
    """Turn comma-separated text, or a list of a TOML file, into a set in lower case."""
    if isinstance(value, str):
        value = value.split(",")
    if isinstance(value, list | tuple | frozenset) and all(isinstance(part, str) for part in value):
        return frozenset(part.strip().lower() for part in value if part.strip())
    return value


def check_hosts(hosts: frozenset[str]) -> frozenset[str]:
    """Accept host names and addresses with an optional port; no networks, no wildcards."""
    for host in sorted(hosts):
        if not _is_host(host):
            raise ValueError(
                f"{host!r} is not a host; list single hosts, like chat.example.org or"
                " 10.0.0.7:8065 (no networks, no wildcards)"
            )
    return hosts


def check_mail_domains(domains: frozenset[str]) -> frozenset[str]:
    """Accept domains without @ or wildcard."""
    for domain in sorted(domains):
        if not _DOMAIN.fullmatch(domain):
            raise ValueError(f"{domain!r} is not a domain; write it like mailinator.com")
    return domains


def check_language(tag: str) -> str:
    """Accept a BCP 47 tag whose language has a name in CLDR."""
    if not _LANGUAGE.fullmatch(tag) or not _is_language(base_language(tag)):
        raise ValueError(f"{tag!r:.60} is not a language; write a tag like en, de or pt-BR")
    return tag


def _is_language(code: str) -> bool:
    if code in LANGUAGES:
        return True
    from babel import Locale  # noqa: PLC0415  takes 0.2 s, and few commands need it

    return code in Locale("en").languages


def check_broker_url(url: str) -> str:
    """Accept AMQP URLs that pika can parse, separated by semicolons."""
    if url:
        for part in url.split(";"):
            _check_one_broker(part)
    return url


def _check_one_broker(url: str) -> None:
    # Slow to import, and only sites with a broker need it.
    from pika import URLParameters  # type: ignore[import-untyped]  # noqa: PLC0415

    advice = "write it as amqp://user:password@host or amqps://user:password@host:port/vhost"
    try:
        parts = urlsplit(url)
        if parts.scheme not in {"amqp", "amqps"} or not parts.hostname or parts.port == 0:
            raise ValueError(advice)
        URLParameters(url)
    except Exception:  # pika raises many kinds of errors, and quotes the password
        raise ValueError(advice) from None


def check_mail_url(url: str) -> str:
    """Accept a URL that `parse_mail_url` can read, or an empty one."""
    if url:
        _without_period(parse_mail_url, url)
    return url


def check_mail_from(sender: str) -> str:
    """Accept a name and address that `sender_of` can read."""
    _without_period(sender_of, sender)
    return sender


def _without_period(parse: Any, value: str) -> None:
    try:
        parse(value)
    except ValueError as exc:
        raise ValueError(str(exc).removesuffix(".")) from None


def check_mail_address(address: str) -> str:
    """Accept an ASCII address without a name, or an empty one."""
    if address and (len(address) > 254 or not address.isascii() or not ADDRESS.fullmatch(address)):
        raise ValueError("write only the address, like unsubscribe@example.org")
    return address


def check_authority(authority: str) -> str:
    """Accept the authority of a tag: URI (RFC 4151 section 2.1), or an empty one."""
    if authority and (len(authority) > 255 or not _AUTHORITY.fullmatch(authority)):
        raise ValueError("write a domain of yours, like news.example.org")
    return authority


def check_one_line(text: str) -> str:
    """Accept printable text on one line: it is copied into mail headers."""
    text = text.strip()
    if not text or not text.isprintable():
        raise ValueError("write a name on one line")
    return text


def _is_host(text: str) -> bool:
    if _is_address(text):
        return True
    match = _HOST.fullmatch(text)
    if not match or not 0 < int(match["port"] or 1) <= 65535:
        return False
    if match["ipv6"]:
        return _is_address(match["ipv6"])
    # 10.0.0 looks like a name, but no top-level domain is a number (RFC 3696 section 2).
    name = match["name"]
    return _is_address(name) or not name.rpartition(".")[2].isdecimal()


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def explain(error: Any, constraints: Sequence[object]) -> str:
    """Say in plain words, without the value, why pydantic refused it.

    ``constraints`` are the field's, e.g. annotated_types.Ge.
    """
    kind = error["type"]
    context = error.get("ctx", {})
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
    minimum = next((limit.ge for limit in constraints if isinstance(limit, Ge)), None)
    maximum = next((limit.le for limit in constraints if isinstance(limit, Le)), None)
    if minimum is None:
        return ""
    if maximum is None:
        return f", {minimum} or more"
    return f" from {minimum} to {maximum}"
