"""Recipients of digests, and the entries that their mails list."""

from datetime import UTC, datetime

from models import Cadence
from models.recipients.preferences import Follow, Preferences, Rhythm, set_preferences
from models.streams.streams import get_stream
from tests.support.clock import StandingClock
from tests.support.inbox import Inbox
from tests.support.office import Office

DAILY = Rhythm(cadence=Cadence.DAILY)


HOURLY = Rhythm(cadence=Cadence.HOURLY)


READER = "reader@example.org"


class Audience:
    """Readers of digests, and what they find in their mails."""

    def __init__(self, office: Office, inbox: Inbox, clock: StandingClock) -> None:
        self.office, self.inbox, self.clock = office, inbox, clock

    def reads(
        self,
        address: str = READER,
        *follows: Follow,
        rhythm: Rhythm = DAILY,
        timezone: str = "UTC",
        **wishes: object,
    ) -> None:
        """Let a reader follow like that; without ``follows`` the floods in that rhythm."""
        db = self.office.db
        self.office.subscribe(address)
        with db.read() as tx:
            floods = get_stream(tx, "floods").id
        follows = follows or (Follow(stream_id=floods, rhythm=rhythm),)
        recipient = self.office.recipient(address)
        set_preferences(
            db,
            recipient.uid,
            Preferences(follows=follows, language="en", timezone=timezone, **wishes),
        )  # type: ignore[arg-type]

    def at(self, moment: str) -> list[str]:
        """Let it be that moment, and the worker run; the titles of entries in each mail that came,
        in the order of the mail.
        """
        self.clock.now = datetime.fromisoformat(moment).replace(tzinfo=UTC)
        before = len(self.inbox.mails)
        self.office.run()
        return [
            found
            for mail in self.inbox.mails[before:]
            for found in [self.told(mail.get_body(("plain",)).get_content())]
        ]  # type: ignore[union-attr]

    @staticmethod
    def told(text: str) -> str:
        """The titles, and what stands above them that are changes."""
        lines = [line.rpartition("UTC · ")[2] for line in text.replace("\r", "").split("\n")]
        return ", ".join(line for line in lines if line in (*TITLES, "CORRECTION", "UPDATE"))


TITLES = ("River rising", "Dyke breaks", "River falls", "Trams stand", "River rising fast")
