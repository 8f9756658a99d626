"""Shortcuts for what tests do often: streams, entries, accounts, subscribers."""

from datetime import UTC, datetime
from itertools import starmap
from typing import Any

from models import Account, Entry, Role, Stream
from models.accounts.accounts import command_line_account
from models.db.approval_rules import ApprovalRules
from models.db.database import Database
from models.db.site import ensure_site
from models.membership.importing import Row, import_subscribers
from models.publishing.posting import Release, add_entry
from models.streams.entries import get_entry
from models.streams.pictures import add_picture
from models.streams.streams import StreamText, add_stream
from models.text.actor import Actor
from models.text.texts import EntryText
from tests.support.picture_files import photo

AT_ONCE = Release()


class Newsroom:
    """Short words for what tests do often, each by the same function that the doors call."""

    def __init__(self, db: Database) -> None:
        self.db = db
        ensure_site(db, id_authority="", base_url="https://news.example.org")
        self.actor = Actor.of(command_line_account(db))

    def stream(self, slug: str = "floods", **text: object) -> Stream:
        return add_stream(self.db, self.actor, slug, StreamText(**{"title": f"The {slug}", **text}))  # type: ignore[arg-type]

    def post(
        self,
        slug: str = "floods",
        title: str = "River rising",
        *,
        release: Release | None = AT_ONCE,
        **text: object,
    ) -> Entry:
        return add_entry(self.db, self.actor, slug, EntryText(title, **text), release)  # type: ignore[arg-type]

    def picture(self, sent: bytes | None = None) -> str:
        """Send a picture; its name."""
        return add_picture(self.db, self.actor, sent or photo()).sha256

    def subscribe_many(self, number: int, slug: str = "floods") -> list[str]:
        """So many new readers, by the same function that imports a list; their addresses."""
        addresses = [f"reader{n}@example.org" for n in range(number)]
        for _ in import_subscribers(
            self.db, self.actor, starmap(Row, enumerate(addresses)), stream=slug
        ):
            pass
        return addresses

    def agree(self, **approval_rules: Any) -> None:
        """Have the rules of `models.db.approval_rules` hold from now on."""
        self.db.configure(
            info={**self.db.kw["info"], "approval_rules": ApprovalRules(**approval_rules)}
        )

    def entry(self, uid: str) -> Entry:
        with self.db.read() as tx:
            return get_entry(tx, uid)

    def account(self, role: Role) -> Actor:
        with self.db.begin() as tx:
            account = Account(
                name=role.value,
                email=f"{role.value}@example.org",
                role=role,
                created_at=datetime.now(UTC),
            )
            tx.add(account)
        return Actor.of(account)
