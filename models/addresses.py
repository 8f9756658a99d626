"""E-mail addresses in the one form in which they are compared."""

import re

from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email

from models.errors import Invalid
from models.texts import line

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"(?!..--)[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_PLAIN = re.compile(rf"(?=.{{1,254}}\Z){_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+([A-Za-z]{{2,63}})")
_SPECIAL = frozenset(SPECIAL_USE_DOMAIN_NAMES)


def normal_address(value: str) -> str:
    """An e-mail address in the one form in which addresses are compared; raises Invalid."""
    plain = _PLAIN.fullmatch(value)
    if plain and plain[1].lower() not in _SPECIAL:
        return value.lower()  # what the library would say, at a thirtieth of the time: a long list is nearly all such addresses
    try:
        found = validate_email(line("e-mail", value, 320), check_deliverability=False, allow_quoted_local=False)
    except EmailNotValidError as exc:
        raise Invalid("e-mail", f"{value!r:.80} is not an address. {exc}") from exc
    return found.normalized.lower()  # casefold would make another domain of one with ß
