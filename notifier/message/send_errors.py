"""What became of one attempt to send one message.

Sent                    the other side took it; ``reply`` holds its words
SendError               a message did not get through
├── Refused             the same message will be refused again: give up
├── Unavailable         may work later, not before ``retry_after`` seconds
├── RenderError         the message could not be made, so nothing was sent: no target is to blame
└── Unknown             the connection died after the data left: it may have arrived
"""

import math
from dataclasses import dataclass
from typing import Literal

Stage = Literal["connect", "mail", "rcpt", "data", "http"]


MAX_RETRY_AFTER_SECONDS = 3600.0
"""Longer values of Retry-After are cut: they would mute a channel for hours, maybe by mistake."""


def clamp_wait(seconds: float) -> float:
    """``seconds`` from 0.0 to MAX_RETRY_AFTER_SECONDS; 0.0 for what is no number."""
    return min(max(0.0, seconds), MAX_RETRY_AFTER_SECONDS) if math.isfinite(seconds) else 0.0


@dataclass(frozen=True, slots=True)
class Sent:
    """The mail server or service answered that it has the message."""

    reply: str


class SendError(Exception):
    """``code`` is the SMTP or HTTP status, ``enhanced`` the status of RFC 3463 such as 5.1.1, where
    one came.
    """

    def __init__(
        self,
        reason: str,
        *,
        stage: Stage | None = None,
        code: int | None = None,
        enhanced: str | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.stage = stage
        self.code = code
        self.enhanced = enhanced


class Refused(SendError):
    """Final for this message.  ``ends_address``: no mail reaches that address."""

    def __init__(
        self,
        reason: str,
        *,
        stage: Stage | None = None,
        code: int | None = None,
        enhanced: str | None = None,
        ends_address: bool = False,
    ) -> None:
        super().__init__(reason, stage=stage, code=code, enhanced=enhanced)
        self.ends_address = ends_address


class Unavailable(SendError):
    """Worth another try. ``ours``: the answer blames this installation (policy, log-in,
    configuration), not the recipient.

    ``no_session``: the mail server gave no session for it, or ended a fresh one before any
    recipient was named.
    """

    def __init__(
        self,
        reason: str,
        *,
        stage: Stage | None = None,
        code: int | None = None,
        enhanced: str | None = None,
        retry_after: float = 0.0,
        ours: bool = False,
        no_session: bool = False,
    ) -> None:
        super().__init__(reason, stage=stage, code=code, enhanced=enhanced)
        self.retry_after = clamp_wait(retry_after)
        self.ours = ours
        self.no_session = no_session


class RenderError(SendError):
    """Worth a few tries, since somebody may mend a template; then its message fails alone."""


class Unknown(SendError):
    """Sent again it may arrive twice; not sent again it may be lost."""
