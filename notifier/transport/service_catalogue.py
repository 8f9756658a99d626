"""The services that a channel can be, as a form shows them: names, parts of a URL and set-up pages,
from Apprise's details.

Only the plugins in `notifier.services` are asked, so nothing else is loaded and nothing else can be
chosen.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import quote

from apprise.plugins import details

from notifier.services import SERVICES
from notifier.services.base import Service


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a URL that a form asks for; a ``private`` one is never shown again."""

    name: str
    label: str
    private: bool


@dataclass(frozen=True, slots=True)
class Offer:
    """One service.  Without ``parts`` the web address that it shows is pasted as it is."""

    name: str
    label: str
    example: str
    setup_url: str
    parts: tuple[Part, ...]


@cache
def catalogue() -> dict[str, Offer]:
    """All services that may be chosen, by name; two that differ in their pace alone are one."""
    offers: dict[str, Offer] = {}
    for service in SERVICES.values():
        if service.plugin not in {SERVICES[name].plugin for name in offers}:
            offers[service.name] = _offer(service)
    return dict(sorted(offers.items(), key=lambda item: item[1].label.lower()))


def build_url(name: str, values: Mapping[str, str]) -> str:
    """The URL of a service from its parts; ValueError names the first that is missing. To be
    checked by `check_url`.
    """
    service = SERVICES[name]
    quoted: dict[str, str] = {}
    for part in catalogue()[name].parts:
        value = values.get(part.name, "").strip()
        if not value:
            raise ValueError(f"{part.label} is missing.")
        if part.name == "host":  # often pasted with its https:// and a slash behind it
            value = re.sub(r"^https?://", "", value, flags=re.IGNORECASE).rstrip("/")
        quoted[part.name] = quote(value, safe="/" if part.name == "webhook" else ":!@")
    scheme = next(scheme for scheme, encrypted in service.encrypted.items() if encrypted)
    return service.template.format(schema=scheme, **quoted)


def web_url(name: str, url: str) -> str:
    """A pasted web address as the chosen service takes it: where Apprise has no such form of its
    own, it is translated.
    """
    url = url.strip()
    if name == "webhook":
        return re.sub(r"^https://", "jsons://", url, flags=re.IGNORECASE)
    return url


def _offer(service: Service) -> Offer:
    tokens = details(service.plugin)["tokens"]  # type: ignore[no-untyped-call]
    names = [name for name in re.findall(r"{(\w+)}", service.template) if name != "schema"]
    parts = tuple(
        Part(
            name,
            service.words.get(name, tokens[name]["name"].capitalize()),
            _is_private(tokens[name]),
        )
        for name in names
    )
    return Offer(service.name, service.label, service.example, str(service.plugin.setup_url), parts)


def _is_private(token: Mapping[str, Any]) -> bool:
    return bool(token["private"]) or token["name"] == "Webhook"
