"""Settings of mail, taken apart: the server in MAIL_URL and the sender in MAIL_FROM."""

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
    """MAIL_URL, taken apart."""

    host: str
    port: int
    security: Security
    user: str = ""
    password: str = field(default="", repr=False)


def parse_mail_url(url: str) -> MailServer:
    """``smtp://[user:pass@]host[:port]``, ``smtps://`` or ``smtp+starttls://``; ValueError is a
    sentence without the password.
    """
    try:
        parts = urlsplit(url.strip())
    except ValueError:  # it quotes the whole, and so the password
        raise ValueError(
            "The host in MAIL_URL cannot be read; write it like smtp://mail.example.org:587."
        ) from None
    if parts.scheme not in _SCHEMES:
        raise ValueError("MAIL_URL begins with smtp://, smtps:// or smtp+starttls://.")
    security, port = _SCHEMES[parts.scheme]
    try:
        port = parts.port or port
    except ValueError:
        raise ValueError("The port in MAIL_URL is a number from 1 to 65535.") from None
    if not parts.hostname:
        raise ValueError("MAIL_URL names no host; write it like smtp://mail.example.org:587.")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(
            "MAIL_URL ends after the host and port; write special characters of a password as %2F"
            " and the like."
        )
    if bool(parts.username) != bool(parts.password):
        raise ValueError("MAIL_URL has both a user and a password, or neither.")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if not (user + password).isascii():
        raise ValueError("User and password in MAIL_URL are ASCII.")
    return MailServer(parts.hostname, port, security, user, password)


def sender_of(mail_from: str) -> tuple[str, str]:
    """Name and address of MAIL_FROM; ValueError says what it looks like."""
    name, address = parseaddr(mail_from)
    # parseaddr joins what stands apart: another address than the one that was written.
    if (
        address not in mail_from
        or not address.isascii()
        or not ADDRESS.fullmatch(address)
        or any(ord(c) < 32 for c in mail_from)
    ):
        raise ValueError("MAIL_FROM is written like: Storywire <news@example.org>.")
    return name, address
