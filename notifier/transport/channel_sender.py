"""Channels: the URL at the door, its mask, and one message to one of them."""

import json
import re
from contextlib import suppress
from copy import copy
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote, urlsplit

from apprise.common import OverflowMode
from apprise.exception import AppriseException
from apprise.plugins.base import NotifyBase

from notifier.message.channel_message import ChannelMessage
from notifier.message.send_errors import (
    Refused,
    RenderError,
    Sent,
    Unavailable,
    Unknown,
    clamp_wait,
)
from notifier.services import SERVICES
from notifier.services.base import Parsed, Service
from notifier.transport import address_guard, outbound_http
from notifier.transport.apprise_setup import ASSET, keep_secrets

MAX_URL = 2_000
CONNECT_SECONDS = 4.0
TAIL = 4
"""Characters of a secret that its mask shows, and only of a secret at least four times as long."""

_PLACE = 60  # characters of a chat's, room's or channel's name
_SHORTEST_SECRET = 6  # characters; a shorter part is a word of every answer

_TEMPORARY = frozenset({408, 421, 425, 429})
"""Statuses below 500 after which the same request may succeed (RFC 9110, RFC 8470, RFC 6585)."""
_SAFE_HEADER = re.compile(r"(?i)authorization|x-[a-z0-9-]{1,60}")


@dataclass(frozen=True, slots=True)
class CheckedChannel:
    """A URL that may be stored: the service's key in SERVICES, and what may be shown of the URL."""

    service: str
    masked: str


@dataclass(frozen=True, slots=True)
class _Target:
    service: Service
    parsed: Parsed  # as Apprise reads the URL, so that what is checked is what is used


def check_url(url: str, allow_hosts: frozenset[str]) -> CheckedChannel:
    """Check a URL that somebody typed; nothing is sent or resolved.

    ``allow_hosts`` as in ALLOW_PRIVATE_HOSTS. ValueError is one plain sentence that quotes no part
    of the URL which could be secret.
    """
    target = _checked(url, allow_hosts)
    _plugin(target, outbound_http.TOTAL_SECONDS)
    return CheckedChannel(target.service.name, mask(url))


def mask(url: str) -> str:
    """Public part of a stored URL: service, host, and the chat or room, or else the last 4
    characters of a long secret.
    """
    try:
        target = _read(url)
    except ValueError:
        return "…"
    host, port = target.service.host(target.parsed)
    service_and_host = f"{target.service.label} {host}"
    if port:
        service_and_host += f":{port}"
    if place := target.service.place(target.parsed):
        return f"{service_and_host} {place[:_PLACE]}"
    secret = url.strip().partition("?")[0].rstrip("/")[-4 * TAIL :]
    tail = ""
    if len(secret) == 4 * TAIL and re.fullmatch(r"[\w-]+", secret):
        tail = secret[-TAIL:]
    return f"{service_and_host} …{tail}"


def send(
    url: str,
    message: ChannelMessage,
    *,
    secret: bytes = b"",
    timeout: float = outbound_http.TOTAL_SECONDS,
) -> Sent:
    """Send once, at most ``timeout`` seconds; raises Refused, Unavailable, RenderError or Unknown.

    ``secret`` signs a JSON webhook. Needs ``set_up_apprise`` in this process before. Never sleeps
    and never tries again: pace and retries are the ledger's.
    """
    try:
        target, secrets = _known(url, outbound_http.allowed_hosts())
        plugin = _plugin(target, timeout)
    except ValueError as exc:
        raise Refused(str(exc)) from exc
    try:
        title, body, body_format = target.service.format(message)
        target.service.prepare(plugin, message, secret)
    except Exception as exc:
        raise RenderError(
            f"Rendering for {target.service.label} failed: {type(exc).__name__}"
        ) from exc
    # By the plugin itself: for one target an Apprise would only add a quarter to the time.  What
    # went wrong is seen on the wire.
    with outbound_http.recording(timeout, secrets) as record, suppress(Exception):
        plugin.notify(body=body, title=title, body_format=body_format)
    return _outcome(record, target.service)


@lru_cache(maxsize=10_000)
def _known(url: str, allow_hosts: frozenset[str]) -> tuple[_Target, tuple[str, ...]]:
    target = _checked(url, allow_hosts)
    return target, _secrets(url, target)


def _secrets(url: str, target: _Target) -> tuple[str, ...]:
    """Parts of a URL that give access to its channel, as written and decoded, the longest first."""
    host = target.service.host(target.parsed)[0]
    parts = {part for part in re.split(r"[/?&=+:#@]", url.partition("://")[2]) if part != host}
    forms = parts | {unquote(part) for part in parts}
    secrets = [form for form in forms if len(form) >= _SHORTEST_SECRET]
    return tuple(sorted(secrets, key=len, reverse=True))


def _checked(url: str, allow_hosts: frozenset[str]) -> _Target:
    target = _read(url)
    if len(target.parsed.get("targets") or ()) > 1:
        raise ValueError(_one_target(target.service))
    _check_parameters(target)
    _check_host(target, allow_hosts)
    return target


def _read(url: str) -> _Target:
    keep_secrets()
    url = url.strip()
    _check_form(url)
    scheme, _, rest = url.partition("://")
    scheme = scheme.lower()
    for service in SERVICES.values():
        parsed = _parsed(service, scheme, url) if rest[:1] != "/" else None
        if parsed and service.takes(parsed):
            return _Target(service, parsed)
        if scheme in service.encrypted and not parsed:
            raise ValueError(_incomplete(service))
    raise ValueError(_unknown_service(scheme))


def _check_form(url: str) -> None:
    if not url or len(url) > MAX_URL or not url.isprintable() or any(c.isspace() for c in url):
        raise ValueError(
            f"Write one URL of at most {MAX_URL:,} characters, without spaces or control"
            " characters."
        )
    if url.count("://") != 1:
        raise ValueError("Write exactly one URL, such as jsons://host.example/path.")
    if "#" in url:
        raise ValueError("What follows a # in a URL is lost; where a # is meant, write %23.")


def _unknown_service(scheme: str) -> str:
    if scheme in {"http", "https"}:
        return (
            "This web address is none that Storywire knows: for a JSON webhook write jsons:// in"
            " place of https://, for other services see docs/channels.md."
        )
    schemes: set[str] = set()
    for service in SERVICES.values():
        schemes.update(name for name, encrypted in service.encrypted.items() if encrypted)
    return (
        "This service is not one that Storywire sends to: URLs begin with"
        f" {', '.join(sorted(schemes))}, and docs/channels.md has an example of each."
    )


def _parsed(service: Service, scheme: str, url: str) -> Parsed | None:
    """The URL as the service's plugin reads it; None where it is not for it, or incomplete."""
    try:
        if scheme in {"http", "https"}:
            return service.plugin.parse_native_url(url)
        return service.plugin.parse_url(url) if scheme in service.encrypted else None
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        return None  # some plugins take for granted what a URL lacks


def _incomplete(service: Service) -> str:
    return f"This is not a complete URL for {service.label}; write it like {service.example}."


def _one_target(service: Service) -> str:
    return (
        f"A channel is one place, and this {service.label} URL names several; add a channel for"
        f" each, like {service.example}."
    )


def _check_parameters(target: _Target) -> None:
    service = target.service
    for name in target.parsed["qsd"]:
        if name[:1] in {"+", "-", ":"}:
            if name[0] not in service.extras:
                raise ValueError(
                    f"A URL for {service.label} cannot have parameters that begin with {name[0]}."
                )
        elif name not in service.parameters:
            # A name that Apprise does not know may be a secret that lost its name, so it is not
            # repeated.
            subject = "This parameter"
            if name in service.plugin.template_args:
                subject = f"The parameter {name}"
            hint = ""
            if "-" in service.extras:
                hint = "; one of the target's own is written with - before its name"
            raise ValueError(f"{subject} cannot be set here{hint}.")
    for name, value in target.parsed["qsd+"].items():
        if not _SAFE_HEADER.fullmatch(name) or not value.isascii() or not value.isprintable():
            raise ValueError("Only the headers Authorization and X-… can be set, in plain ASCII.")


def _check_host(target: _Target, allow_hosts: frozenset[str]) -> None:
    scheme = target.parsed["schema"]
    host, port = target.service.host(target.parsed)
    if port is not None and not 0 < port < 65536:
        raise ValueError("A port is a number from 1 to 65535.")
    encrypted = target.service.encrypted[scheme]
    if address_guard.is_allowed(host, port or (443 if encrypted else 80), allow_hosts):
        return
    name = host.lower().rstrip(".")
    literal = address_guard.literal_address(name)
    if (
        name == "localhost"
        or name.endswith(".localhost")
        or (literal and not address_guard.is_public(literal))
    ):
        raise ValueError("This host is private; an operator can allow it in ALLOW_PRIVATE_HOSTS.")
    if not encrypted:
        raise ValueError(
            f"{scheme}:// goes unencrypted and so only to hosts in ALLOW_PRIVATE_HOSTS;"
            f" write {scheme}s://."
        )


def _plugin(target: _Target, timeout: float) -> NotifyBase:
    """A fresh plugin, since plugins hold unlocked state; options that a URL could loosen are set
    here, whatever it contains.
    """
    try:
        parts = {
            name: copy(part) if isinstance(part, (list, dict)) else part
            for name, part in target.parsed.items()
        }
        plugin = target.service.plugin(**parts, asset=ASSET)
    except (AppriseException, TypeError, ValueError):
        # Apprise's own sentence quotes the secret, and so would a chained exception in a log.
        raise ValueError(_incomplete(target.service)) from None
    plugin.verify_certificate = True
    plugin.redirects = False
    plugin.socket_connect_timeout = min(CONNECT_SECONDS, timeout)
    plugin.socket_read_timeout = timeout
    plugin.retry = 0
    plugin.wait = 0.0
    plugin.optional = False
    plugin.request_rate_per_sec = 0
    plugin.overflow_mode = OverflowMode.UPSTREAM  # cut by the service's own format
    plugin.interpret_emojis = False
    if len(plugin) > 1:
        raise ValueError(_one_target(target.service))
    return plugin


def _outcome(record: outbound_http.HttpRecord, service: Service) -> Sent:
    if record.private:
        raise Refused("private address refused", stage="http")
    if not record.answers:
        raise Refused("nothing was sent: the message or the URL cannot be used", stage="http")
    answer = record.answers[-1]
    if answer.status is None:
        reason = "no answer in time" if record.expired else answer.words
        if record.request_left:
            raise Unknown(f"{answer.host} took the message and broke off: {reason}", stage="http")
        raise Unavailable(f"{answer.host} cannot be reached: {reason}", stage="http")
    reply = f"{answer.status} {answer.words}".strip()
    if 200 <= answer.status < 300:
        return Sent(reply)
    if answer.status in _TEMPORARY or answer.status >= 500:
        wait = max(answer.retry_after, _wait_in_body(answer.body, service))
        raise Unavailable(reply, stage="http", code=answer.status, retry_after=wait)
    if 300 <= answer.status < 400:
        reply = _redirected(answer)
    raise Refused(reply, stage="http", code=answer.status)


def _redirected(answer: outbound_http.HttpAnswer) -> str:
    """Reason for refusing a redirect, which is never followed: it could lead to a private address.

    Names only the new host, because the rest of the address may be a secret.
    """
    with suppress(ValueError):
        if answer.location and (host := urlsplit(answer.location).hostname):
            return (
                f"{answer.status}: {answer.host} redirects to {host}, and redirects are not"
                " followed. Give the channel its new address."
            )
    return f"{answer.status}: {answer.host} redirects elsewhere, and redirects are not followed."


def _wait_in_body(body: bytes, service: Service) -> float:
    """Seconds to wait by the service's JSON; 0.0 where it holds no usable number."""
    if not service.retry_after_key:
        return 0.0
    try:
        value = json.loads(body)
        for name in service.retry_after_key:
            value = value[name]
        return clamp_wait(float(value) * service.retry_after_unit_seconds)
    except (ValueError, TypeError, KeyError, IndexError, OverflowError, RecursionError):
        return 0.0
