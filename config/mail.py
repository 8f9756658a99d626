"""Parsing of the mail settings: the server in MAIL_URL and the sender in MAIL_FROM."""

import re
from dataclasses import dataclass, field
from email.utils import parseaddr
from typing import Literal
from urllib.parse import unquote, urlsplit

Security = Literal["plain", "tls", "starttls"]

ADDRESS = re.compile(
    r"[^\x00-\x20\x7f<>()\[\]\\,;:\"@]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?"
)
_SCHEMES: dict[str, tuple[Security, int]] = {
    "smtp": ("plain", 25),
    "smtps": ("tls", 465),
    "smtp+starttls": ("starttls", 587),
}


@dataclass(frozen=True, slots=True)
class MailServer:
    """The parts of MAIL_URL."""

    host: str
    port: int
    security: Security
    user: str = ""
    password: str = field(default="", repr=False)


def parse_mail_url(url: str) -> MailServer:
    """Parse ``smtp://[user:pass@]host[:port]``, ``smtps://`` or ``smtp+starttls://``.

    The message of a ValueError is a sentence without the password.
    """
    try:
        parts = urlsplit(url.strip())
    except ValueError:  # its message quotes the whole URL, and so the password
        raise ValueError(
            "The host in MAIL_URL cannot be read; write it like smtp://mail.example.org:587."
        ) from None
    if parts.scheme not in _SCHEMES:
        raise ValueError("MAIL_URL must start with smtp://, smtps:// or smtp+starttls://.")
    security, default_port = _SCHEMES[parts.scheme]
    try:
        port = parts.port or default_port
    except ValueError:
        raise ValueError("The port in MAIL_URL must be a number from 1 to 65535.") from None
    if not parts.hostname:
        raise ValueError("MAIL_URL has no host; write it like smtp://mail.example.org:587.")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(
            "MAIL_URL must end after the host and port; write special characters in the password as"
            " %2F and the like."
        )
    if bool(parts.username) != bool(parts.password):
        raise ValueError("MAIL_URL needs both a user and a password, or neither.")
    user = unquote(parts.username or "")
    password = unquote(parts.password or "")
    if not (user + password).isascii():
        raise ValueError("The user and password in MAIL_URL must be ASCII.")
    return MailServer(parts.hostname, port, security, user, password)


def sender_of(mail_from: str) -> tuple[str, str]:
    """Split MAIL_FROM into name and address; ValueError shows the expected form."""
    name, address = parseaddr(mail_from)
    # parseaddr joins parts that are apart, and returns an address that was not written like that.
    if (
        address not in mail_from
        or not address.isascii()
        or not ADDRESS.fullmatch(address)
        or any(ord(c) < 32 for c in mail_from)
    ):
        raise ValueError("MAIL_FROM must look like: Storywire <news@example.org>.")
    return name, address
