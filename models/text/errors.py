"""Errors of a request; each carries the values that its caller needs.

ServiceError
├── Invalid             422: the value of one field is refused
├── Forbidden           403: the account lacks the permission
├── NotFound            404: no such stream, entry, account, channel
│   ├── MovedPermanently  the stream has another slug now
│   └── BadLink         the link of a mail was cut off or is not ours
├── Gone                410: published once, and retracted or deleted since
├── Conflict            409: the state does not allow the change
│   ├── RequestKeyReused  the request key belongs to an earlier, different request
│   ├── StaleVersion    someone else changed the entry; carries the current version
│   ├── AutosaveConflict  another window saved another text of this form; carries the time
│   └── AlreadyPublished  too late to undo
└── TooManyAttempts     429: rate limit reached; carries ``retry_after`` in seconds
"""

from datetime import datetime

from config.languages import mark

_LABELS = {
    "at": mark("Publish at"),
    "body": mark("Text"),
    "byline": mark("Byline"),
    "choice": mark("Choice"),
    "color": mark("Colour"),
    "contributor": mark("Contributors"),
    "cadence": mark("How often"),
    "day": mark("Day of the weekly digest"),
    "dek": mark("Dek"),
    "e-mail": mark("E-mail address"),
    "how often": mark("How often"),
    "importance": mark("Importance"),
    "kinds": mark("Send"),
    "language": mark("Language"),
    "link": mark("Link to source"),
    "mail_footer": mark("E-mail footer"),
    "mail_intro": mark("E-mail header"),
    "minutes": mark("Minutes between digests"),
    "name": mark("Name"),
    "note": mark("Public note"),
    "overview": mark("Overview"),
    "password": mark("Password"),
    "pause": mark("Pause"),
    "picture": mark("Picture"),
    "present": mark("Current password"),
    "quiet hours": mark("Quiet hours"),
    "reason": mark("Reason"),
    "remark": mark("Note for the author"),
    "search": mark("Search"),
    "at once": mark("Send immediately anyway"),
    "slug": mark("Web address"),
    "stream": mark("Story"),
    "subject_prefix": mark("E-mail subject prefix"),
    "tags": mark("Tags"),
    "time of the digest": mark("Time of the digest"),
    "time zone": mark("Time zone"),
    "timezone": mark("Time zone"),
    "title": mark("Title"),
    "url": mark("URL"),
}
_NOT_FOUND = {
    "account": mark("We couldn’t find that account."),
    "alert": mark("We couldn’t find that alert."),
    "channel": mark("We couldn’t find that channel."),
    "contributor": mark("We couldn’t find that contributor."),
    "entry": mark("We couldn’t find that entry."),
    "picture": mark("We couldn’t find that picture."),
    "recipient": mark("We couldn’t find that recipient."),
    "revision": mark("We couldn’t find that version."),
    "stream": mark("We couldn’t find that story."),
    "subscriber": mark("We couldn’t find that subscriber."),
    "tag": mark("We couldn’t find that tag."),
}
_GONE = {
    "entry": mark("This entry has been retracted."),
    "stream": mark("This story has been removed."),
}


class ServiceError(Exception):
    """Base class; ``str()`` is one English sentence for the person who asked.

    ``sentence`` is its gettext key, and ``values`` fill the places in it, such as ``%(name)s``.
    """

    def __init__(self, sentence: str = "", **values: str) -> None:
        super().__init__(sentence % values if values else sentence)
        self.sentence = sentence
        self.values = values


class Invalid(ServiceError):
    """The value of ``field`` is refused; the sentence, which follows the field's label, says what
    to do.
    """

    def __init__(self, field: str, reason: str, **values: str) -> None:
        super().__init__(reason, **values)
        self.field = field
        self.label = _LABELS.get(field) or field.capitalize().replace("_", " ")
        self.reason = str(self)
        self.args = (f"{self.label}: {self.reason}",)


class Forbidden(ServiceError):
    """The account lacks the permission."""


class NotFound(ServiceError):
    """No ``kind`` has that name.  ``str()``, for commands and logs, names it."""

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(_NOT_FOUND.get(kind) or mark("This page doesn’t exist."))
        self.kind = kind
        self.name = name
        self.args = (f"There is no {kind} {name!r:.100}.",)


class MovedPermanently(NotFound):
    """The ``kind`` of that name has the name ``present`` now."""

    def __init__(self, kind: str, name: str, present: str) -> None:
        super().__init__(kind, name)
        self.present = present
        self.args = (f"This {kind} is called {present} now.",)


class BadLink(NotFound):
    """The token of a link was not made by us, or for another purpose."""

    def __init__(self) -> None:
        super().__init__("link", "")
        self.sentence = mark(
            "This link is incomplete. Open it from the e-mail again, or copy the whole link."
        )
        self.args = (self.sentence,)


class Gone(ServiceError):
    """Published once, and no longer there; ``note`` is the public explanation."""

    def __init__(self, kind: str, name: str, note: str = "") -> None:
        super().__init__(note or _GONE[kind])
        self.kind = kind
        self.name = name
        self.note = note


class Conflict(ServiceError):
    """The state does not allow the change."""


class RequestKeyReused(Conflict):
    """The request key belongs to an earlier request for something else."""


class StaleVersion(Conflict):
    """The change was made against an older version; nothing was written."""

    def __init__(self, uid: str, version: int) -> None:
        super().__init__(
            mark("Someone else has changed this entry. Compare the two versions, then save again.")
        )
        self.uid = uid
        self.version = version


class AutosaveConflict(Conflict):
    """Two windows of one account hold different texts of one form; the other was saved at
    ``saved_at``.
    """

    def __init__(self, saved_at: datetime) -> None:
        super().__init__(mark("You have a different draft of this open in another window."))
        self.saved_at = saved_at


class AlreadyPublished(Conflict):
    """Too late to undo."""

    def __init__(self, uid: str) -> None:
        super().__init__(mark("This has already been published. You can retract it."))
        self.uid = uid


class TooManyAttempts(ServiceError):
    """The rate limit is reached; nothing was tried."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(
            mark("Too many attempts. Try again in %(minutes)s minutes."),
            minutes=str(max(1, round(retry_after / 60))),
        )
        self.retry_after = retry_after
