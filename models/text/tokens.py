"""Signed names that stand in links of mails: short, unreserved URL characters only, checked without
a look-up.
"""

import base64
import hashlib
import hmac
import secrets
from contextlib import suppress
from datetime import UTC, datetime

from cryptography.fernet import Fernet

from config.keys import Keys
from models.text.email_address import normal_address
from models.text.errors import Invalid

ALL_STREAMS = "all"


def unsubscribe_token(keys: Keys, recipient_uid: str, scope: str) -> str:
    """A token for a recipient and the uid of a stream to unsubscribe from (or `ALL_STREAMS`).
    It does not expire, because mails are kept.

    It also opens the recipient's settings, but nothing that would give away who that is.
    """
    return _signed(keys, "leave", recipient_uid, scope)


def read_unsubscribe_token(keys: Keys, token: str) -> tuple[str, str] | None:
    """Recipient's uid and scope; None where the token was not made by us."""
    read = _read(keys, "leave", token, 2)
    return (read[0], read[1]) if read else None


def timed_token(keys: Keys, purpose: str, until: datetime, *values: str) -> str:
    """Holds values of letters and digits for one purpose until a moment; a second is its least
    unit.
    """
    return _signed(keys, purpose, *values, f"{int(until.timestamp()):x}")


def read_timed_token(
    keys: Keys, purpose: str, token: str, number: int
) -> tuple[tuple[str, ...], datetime] | None:
    """Its ``number`` values and until when they hold, which the caller compares; None where it was
    not made by us for that purpose.
    """
    read = _read(keys, purpose, token, number + 1)
    return (read[:-1], datetime.fromtimestamp(int(read[-1], 16), UTC)) if read else None


def browser_token(keys: Keys, address: str) -> str:
    """Names a browser that has logged in to an account of that address; random, so each browser has
    its own.
    """
    return _signed(keys, "browser", _address_key(address), secrets.token_hex(8))


def is_browser_of(keys: Keys, token: str, address: str) -> bool:
    """Whether that is a token of `browser_token` for this address, however it is written."""
    read = _read(keys, "browser", token, 2)
    return read is not None and read[0] == _address_key(address)


def _address_key(address: str) -> str:
    with suppress(Invalid):
        address = normal_address(address)
    return hashlib.sha256(address.encode("utf-8", "replace")).hexdigest()[:32]


def encrypt_token(keys: Keys, token: str) -> str:
    """A token of which the database otherwise keeps a hash alone, to wait in a notice until its
    mail is written.
    """
    return Fernet(keys.fernet("link")).encrypt(token.encode()).decode()


def decrypt_token(keys: Keys, value: str) -> str:
    """The token again; raises cryptography's InvalidToken where the site's secret has changed."""
    return Fernet(keys.fernet("link")).decrypt(value).decode()


def _signed(keys: Keys, purpose: str, *values: str) -> str:
    return "-".join((*values, _signature(keys, purpose, values)))


def _read(keys: Keys, purpose: str, token: str, number: int) -> tuple[str, ...] | None:
    *values, signature = token.split("-", number)  # the signature may hold hyphens, the values none
    genuine = hmac.compare_digest(
        _signature(keys, purpose, tuple(values)).encode(), signature.encode("utf-8", "replace")
    )
    return tuple(values) if genuine and len(values) == number else None


def _signature(keys: Keys, purpose: str, values: tuple[str, ...]) -> str:
    digest = hmac.digest(
        keys.derive(purpose), ":".join(values).encode("utf-8", "replace"), "sha256"
    )
    return base64.urlsafe_b64encode(digest[:16]).decode().rstrip("=")
