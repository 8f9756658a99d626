"""Signed names that stand in links of mails: short, unreserved URL characters only, checked without a look-up."""

import base64
import hmac

from config.keys import Keys

ALL = "all"


def leave_token(keys: Keys, recipient_uid: str, scope: str) -> str:
    """Names a recipient and the uid of the stream that it may leave by it (or `ALL`).  Does not expire: mails are kept."""
    return f"{recipient_uid}-{scope}-{_signature(keys, recipient_uid, scope)}"


def read_leave_token(keys: Keys, token: str) -> tuple[str, str] | None:
    """Recipient's uid and scope; None where the token was not made by us."""
    recipient_uid, _, rest = token.partition("-")
    scope, _, signature = rest.partition("-")
    genuine = hmac.compare_digest(_signature(keys, recipient_uid, scope).encode(), signature.encode("utf-8", "replace"))
    return (recipient_uid, scope) if genuine else None


def _signature(keys: Keys, recipient_uid: str, scope: str) -> str:
    digest = hmac.digest(keys.derive("leave"), f"{recipient_uid}:{scope}".encode("utf-8", "replace"), "sha256")
    return base64.urlsafe_b64encode(digest[:16]).decode().rstrip("=")
