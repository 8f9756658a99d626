"""E-mail addresses: their normal form, and their hash."""

import hashlib
import re
from functools import cache

from models.text.errors import Invalid
from models.text.texts import line

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"(?!..--)[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_PLAIN = re.compile(rf"(?=.{{1,254}}\Z){_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+([A-Za-z]{{2,63}})")
_GMAIL = ("gmail.com", "googlemail.com")

HASHED_PREFIX = "sha256:"
_HIDDEN = re.compile(rf"{HASHED_PREFIX}[0-9a-f]{{64}}")
LAST_CHARACTER = "\U0010ffff"  # comes after every character that an address can have


def normal_address(value: str) -> str:
    """The normal form of an e-mail address, for comparisons; raises Invalid."""
    plain = _PLAIN.fullmatch(value)
    if plain and plain[1].lower() not in _special_domains():
        # the result of the library in a thirtieth of its time, for nearly all addresses of a list
        return value.lower()
    if "\ufffd" in value:
        raise Invalid(
            "e-mail",
            "it contains a character that we can’t read. Enter it again, or save the list as"
            " UTF-8.",
        )
    from email_validator import EmailNotValidError, validate_email  # noqa: PLC0415

    try:
        parsed = validate_email(
            line("e-mail", value, 320), check_deliverability=False, allow_quoted_local=False
        )
    except EmailNotValidError as exc:
        raise Invalid(
            "e-mail",
            "%(value)s is not an e-mail address. Enter a complete one, like name@example.org.",
            value=f"{value!r:.80}",
        ) from exc
    return parsed.normalized.lower()  # casefold would make another domain of one with ß


@cache
def _special_domains() -> frozenset[str]:
    from email_validator import SPECIAL_USE_DOMAIN_NAMES  # noqa: PLC0415

    return frozenset(SPECIAL_USE_DOMAIN_NAMES)


def mailbox_key(address: str) -> str:
    """The mailbox of a normalized address with most providers, as a key for rate limits; not to
    send to.

    A tag after a plus is the reader's own (RFC 5233 section 1). Gmail ignores dots and has two
    domains.
    """
    name, _, domain = address.rpartition("@")
    name = name.partition("+")[0] or name
    if domain in _GMAIL:
        return f"{name.replace('.', '')}@{_GMAIL[0]}"
    return f"{name}@{domain}"


def hash_address(address: str) -> str:
    """The hash of a normalized address that must be recognized, but may not be stored."""
    return HASHED_PREFIX + hashlib.sha256(address.encode()).hexdigest()


def is_hashed_address(address: str) -> bool:
    """Whether an address is stored as a hash."""
    return _HIDDEN.fullmatch(address) is not None
