"""The newsroom: its tables, and every rule by which they change.  Importing it registers all tables."""

from models.ledger import (
    Alert,
    AlertKind,
    Cadence,
    DailySum,
    Delivery,
    DeliveryState,
    Fanout,
    Lane,
    Pause,
    Recipient,
    RecipientKind,
    RecipientState,
    SkipReason,
    Subscription,
    SubscriptionExcept,
    SubscriptionTag,
    Tally,
)
from models.people import Account, Contributor, LoginLink, LoginSession, Role, Throttle
from models.stories import (
    Entry,
    EntryContributor,
    EntryState,
    EntryTag,
    FeedText,
    Importance,
    Revision,
    RevisionKind,
    RevisionState,
    Site,
    Stream,
    StreamContributor,
    StreamState,
)

__all__ = [
    "Account", "Alert", "AlertKind", "Cadence", "Contributor", "DailySum", "Delivery", "DeliveryState", "Entry", "EntryContributor",
    "EntryState", "EntryTag", "Fanout", "FeedText", "Importance", "Lane", "LoginLink", "LoginSession", "Pause", "Recipient",
    "RecipientKind", "RecipientState", "Revision", "RevisionKind", "RevisionState", "Role", "Site", "SkipReason", "Stream",
    "StreamContributor", "StreamState", "Subscription", "SubscriptionExcept", "SubscriptionTag", "Tally", "Throttle",
]  # fmt: skip
