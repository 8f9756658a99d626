"""What became of one attempt to send one message.

Sent                    the other side took it; ``reply`` holds its words
SendError               a message did not get through
├── Refused             the same message will be refused again: give up
├── Unavailable         may work later, not before ``retry_after`` seconds
└── Unknown             the connection died after the data left: it may have arrived
"""

from dataclasses import dataclass
from typing import Literal

Stage = Literal["connect", "mail", "rcpt", "data", "http"]


@dataclass(frozen=True, slots=True)
class Sent:
    """The mail server or service answered that it has the message."""

    reply: str


class SendError(Exception):
    """``code`` is the SMTP or HTTP status, ``enhanced`` the status of RFC 3463 such as 5.1.1, where one came."""

    def __init__(self, reason: str, *, stage: Stage | None = None, code: int | None = None, enhanced: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.stage = stage
        self.code = code
        self.enhanced = enhanced


class Refused(SendError):
    """Final for this message.  ``ends_address``: no mail reaches that address; ``pause``: the channel's URL or its right is gone."""

    def __init__(
        self,
        reason: str,
        *,
        stage: Stage | None = None,
        code: int | None = None,
        enhanced: str | None = None,
        ends_address: bool = False,
        pause: bool = False,
    ) -> None:
        super().__init__(reason, stage=stage, code=code, enhanced=enhanced)
        self.ends_address = ends_address
        self.pause = pause


class Unavailable(SendError):
    """Worth another try.  ``ours``: the answer blames this installation (policy, log-in, configuration), not the recipient."""

    def __init__(
        self,
        reason: str,
        *,
        stage: Stage | None = None,
        code: int | None = None,
        enhanced: str | None = None,
        retry_after: float = 0.0,
        ours: bool = False,
    ) -> None:
        super().__init__(reason, stage=stage, code=code, enhanced=enhanced)
        self.retry_after = retry_after
        self.ours = ours


class Unknown(SendError):
    """Sent again it may arrive twice; not sent again it may be lost."""
