"""Names of states, kinds, roles and form fields, as pages show them."""

import enum

from flask_babel import gettext  # type: ignore[import-untyped]

from config.languages import mark
from models.tables.ledger import (
    AlertKind,
    Cadence,
    DeliveryState,
    RecipientKind,
    RecipientState,
    SkipReason,
)
from models.tables.people import Role
from models.tables.stories import EntryState, Importance, RevisionKind, StreamState

_MEMBERS: dict[enum.Enum, str] = {
    AlertKind.DIGEST: mark("Digest"),
    AlertKind.ENDING: mark("End of the story"),
    AlertKind.NOTICE: mark("Notice"),
    AlertKind.REVISION: mark("Alert"),
    Cadence.AT_ONCE: mark("Immediately"),
    Cadence.DAILY: mark("Daily digest"),
    Cadence.HOURLY: mark("Hourly digest"),
    Cadence.INTERVAL: mark("Digest every N minutes"),
    Cadence.WEEKLY: mark("Weekly digest"),
    DeliveryState.CLAIMED: mark("Sending"),
    DeliveryState.FAILED: mark("Failed"),
    DeliveryState.QUEUED: mark("Queued"),
    DeliveryState.SENT: mark("Sent"),
    DeliveryState.SKIPPED: mark("Skipped"),
    DeliveryState.UNKNOWN: mark("Unconfirmed"),
    EntryState.DRAFT: mark("Draft"),
    EntryState.PUBLISHED: mark("Published"),
    EntryState.RETRACTED: mark("Retracted"),
    EntryState.SCHEDULED: mark("Scheduled"),
    EntryState.SUBMITTED: mark("Submitted"),
    Importance.BREAKING: mark("Breaking"),
    Importance.KEY: mark("Key"),
    Importance.NORMAL: mark("Normal"),
    RecipientKind.CHANNEL: mark("Channels"),
    RecipientKind.MAIL: mark("Subscribers"),
    RecipientState.CONFIRMED: mark("Confirmed"),
    RecipientState.ENDED: mark("Unsubscribed"),
    RecipientState.PENDING: mark("Unconfirmed"),
    RecipientState.SUPPRESSED: mark("Blocked"),
    RevisionKind.CORRECTION: mark("Correction"),
    RevisionKind.PUBLISH: mark("New entry"),
    RevisionKind.RESTORE: mark("Restored"),
    RevisionKind.RETRACTION: mark("Retraction"),
    RevisionKind.SILENT: mark("Silent edit"),
    RevisionKind.UPDATE: mark("Update"),
    Role.ADMIN: mark("Admin"),
    Role.AUTHOR: mark("Author"),
    Role.EDITOR: mark("Editor"),
    SkipReason.CANCELLED: mark("Cancelled: unsubscribed"),
    SkipReason.DIGEST: mark("Goes into their digest"),
    SkipReason.FILTER: mark("Filtered by their settings"),
    SkipReason.QUIET: mark("Quiet hours"),
    SkipReason.RETRACTED: mark("Retracted before it was sent"),
    SkipReason.STOPPED: mark("Cancelled: the alert was stopped"),
    SkipReason.SUPERSEDED: mark("Replaced by a later version"),
    SkipReason.SUPPRESSED: mark("Blocked: this address bounced earlier"),
    StreamState.DELETED: mark("Deleted"),
    StreamState.ENDED: mark("Ended"),
    StreamState.HIDDEN: mark("Hidden"),
    StreamState.LIVE: mark("Live"),
    StreamState.QUIET: mark("Quiet"),
}

_FIELDS = {
    "alert": mark("Alert"),
    "alt": mark("Alt text"),
    "at": mark("Publish at"),
    "at once": mark("Send immediately anyway"),
    "body": mark("Text"),
    "byline": mark("Byline"),
    "choice": mark("What you get"),
    "color": mark("Colour"),
    "contributor": mark("Contributors"),
    "credit": mark("Credit"),
    "day": mark("Day of the weekly digest"),
    "dek": mark("Dek"),
    "e-mail": mark("E-mail address"),
    "feed_text": mark("Feeds contain"),
    "form": mark("Form"),
    "how often": mark("How often"),
    "importance": mark("Importance"),
    "kind": mark("Type of change"),
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
    "picture_alt": mark("Alt text"),
    "present": mark("Current password"),
    "quiet hours": mark("Quiet hours"),
    "reason": mark("Reason"),
    "remark": mark("Note for the author"),
    "role": mark("Role"),
    "slug": mark("Web address"),
    "state": mark("State"),
    "stream": mark("Story"),
    "subject_prefix": mark("E-mail subject prefix"),
    "tags": mark("Tags"),
    "time of the digest": mark("Time of the digest"),
    "time zone": mark("Time zone"),
    "timezone": mark("Time zone"),
    "title": mark("Title"),
    "url": mark("Webhook URL"),
}

# Kinds and stages of alerts as reports name them.
_ALERTS = {
    "finding": mark("Preparing"),
    "held": mark("On hold"),
    "out": mark("Sent"),
    "sending": mark("Sending"),
    "stopped": mark("Stopped"),
    "waits": mark("Waiting for approval"),
    **{member.value: text for member, text in _MEMBERS.items() if isinstance(member, AlertKind)},
    **{member.value: text for member, text in _MEMBERS.items() if isinstance(member, RevisionKind)},
}


def label(value: enum.Enum | str) -> str:
    """The name of an enum member, a form field or an alert kind, in the page's language."""
    if isinstance(value, enum.Enum):
        text = _MEMBERS[value]
    else:
        text = _FIELDS.get(value) or _ALERTS.get(value) or value.capitalize().replace("_", " ")
    return str(gettext(text))
