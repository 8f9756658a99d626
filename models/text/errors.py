"""What can go wrong when somebody asks for something; each carries the values that a caller needs.

ServiceError
├── Invalid             422: one field cannot be taken, and why
├── Forbidden           403: this account may not do that
├── NotFound            404: no such stream, entry, account, channel
│   ├── Moved           it has another address now, for good
│   └── BadLink         a link of a mail that was cut or is not ours
├── Gone                410: it was there and was withdrawn or deleted
├── Conflict            409: it is in another state than the change needs
│   ├── KeyUsed         the request's key made something else before
│   ├── StaleVersion    somebody else changed it meanwhile; holds their version
│   ├── KeptElsewhere   another window keeps another text of the same form; holds when it did
│   └── AlreadyOut      too late to undo: readers have it
└── TooMany             429: a throttle holds; try again after ``retry_after`` seconds
"""

from datetime import datetime


class ServiceError(Exception):
    """Base of all; ``str()`` is one sentence for the person who asked.

    ``values`` are put into the places that ``sentence`` has for them, as in ``%(name)s``, in
    whatever language it is said.
    """

    def __init__(self, sentence: str = "", **values: str) -> None:
        super().__init__(sentence % values if values else sentence)
        self.sentence = sentence
        self.values = values


class Invalid(ServiceError):
    """``field`` cannot be taken; the sentence says what to do."""

    def __init__(self, field: str, reason: str, **values: str) -> None:
        super().__init__(reason, **values)
        self.field = field
        self.reason = str(self)
        self.args = (f"{field.capitalize().replace('_', ' ')}: {self.reason}",)


class Forbidden(ServiceError):
    """The account lacks the role that this needs."""


class NotFound(ServiceError):
    """There is no ``kind`` of that name."""

    def __init__(self, kind: str, name: str) -> None:
        super().__init__("There is no %(kind)s %(name)s.", kind=kind, name=f"{name!r:.100}")
        self.kind = kind
        self.name = name


class MovedPermanently(NotFound):
    """What had that name has another ``present`` one."""

    def __init__(self, kind: str, name: str, present: str) -> None:
        ServiceError.__init__(
            self, "This %(kind)s is called %(present)s now.", kind=kind, present=present
        )
        self.kind, self.name, self.present = kind, name, present


class BadLink(NotFound):
    """The token of a link was not made by us, or not for this."""

    def __init__(self) -> None:
        ServiceError.__init__(
            self, "This link is not whole. Open it in the mail again, or copy all of it."
        )
        self.kind, self.name = "link", ""


class Gone(ServiceError):
    """It was public and is no longer; ``note`` is what readers are told."""

    def __init__(self, kind: str, name: str, note: str = "") -> None:
        if note:
            super().__init__(note)
        else:
            super().__init__("This %(kind)s was withdrawn.", kind=kind)
        self.kind = kind
        self.name = name
        self.note = note


class Conflict(ServiceError):
    """The thing is in a state that does not allow this."""


class RequestKeyReused(Conflict):
    """A request came with the key of an earlier one that asked for something else."""


class StaleVersion(Conflict):
    """The change was made against an older version; nothing was written."""

    def __init__(self, uid: str, version: int) -> None:
        super().__init__(
            "Somebody else changed this entry meanwhile. Compare both texts, then save again."
        )
        self.uid = uid
        self.version = version


class AutosaveConflict(Conflict):
    """Two windows of one account hold different texts of one form; the other one was kept
    ``saved_at``.
    """

    def __init__(self, saved_at: datetime) -> None:
        super().__init__("Another window of yours has kept another text here.")
        self.saved_at = saved_at


class AlreadyPublished(Conflict):
    """Too late to undo."""

    def __init__(self, uid: str) -> None:
        super().__init__("This is already out. Retract it?")
        self.uid = uid


class TooManyAttempts(ServiceError):
    """A throttle holds; nothing was tried."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(
            "Too many tries. Wait %(minutes)s minutes and try again.",
            minutes=str(max(1, round(retry_after / 60))),
        )
        self.retry_after = retry_after
