"""The newsroom: its tables, and every rule by which they change. Importing it registers all tables."""

from models.tables.autosaves import KeptForm
from models.tables.ledger import (
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
    SendMark,
    SkipReason,
    Subscription,
    SubscriptionExcept,
    SubscriptionTag,
    Tally,
    WorkerHeartbeat,
)
from models.tables.media import Picture, PictureFile
from models.tables.people import (
    Account,
    Contributor,
    LinkKind,
    LoginLink,
    LoginSession,
    Role,
    Throttle,
)
from models.tables.stories import (
    Entry,
    EntryContributor,
    EntryPicture,
    EntryState,
    EntryTag,
    FeedDeparture,
    FeedText,
    Importance,
    Revision,
    RevisionKind,
    RevisionState,
    Site,
    Stream,
    StreamContributor,
    StreamSlug,
    StreamState,
)

__all__ = [
    "Account", "Alert", "AlertKind", "Cadence", "Contributor", "DailySum", "Delivery", "DeliveryState", "Entry", "EntryContributor",
    "EntryPicture", "EntryState", "EntryTag", "Fanout", "FeedDeparture", "FeedText", "Importance", "KeptForm", "Lane", "LinkKind",
    "LoginLink", "LoginSession", "Pause", "Picture", "PictureFile", "Recipient", "RecipientKind", "RecipientState", "Revision",
    "RevisionKind", "RevisionState", "Role", "SendMark", "Site", "SkipReason", "Stream", "StreamContributor", "StreamSlug", "StreamState",
    "Subscription", "SubscriptionExcept", "SubscriptionTag", "Tally", "Throttle", "WorkerHeartbeat",
]  # fmt: skip
