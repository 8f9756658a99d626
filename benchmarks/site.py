"""A site in a folder that goes away, filled by the product's own functions."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import insert, literal, select, text

from cli.init_command import prepare
from config.settings import Settings, load_settings
from models import Entry, Lane, Recipient, RecipientKind, RecipientState, Subscription
from models.accounts.accounts import command_line_account
from models.db.clock import now
from models.db.database import Database
from models.publishing.posting import Release, add_entry
from models.streams.streams import StreamText, add_stream, get_stream
from models.tables.base import UtcDateTime
from models.text.actor import Actor
from models.text.texts import EntryText

STREAM = "x"
BODY = """
About thirty metres of the earth dyke behind the mill have slid into the river, the fire service
says. Nobody was on it. Sirens have been sounding in the Flats since; wardens go from door to door,
beginning at the river end.

Take papers, medicine and warm clothes, and go on foot towards Corn Exchange: **the underpass at
Dyer Street is already closed.** People who cannot walk should call the
[town's help line](https://help.example.org/).

- Grammar school, Corn Exchange: 600 beds, open
- Tram depot, halls 1 and 2: open from noon
- Town hall: advice and a phone to call home

> We have jumpers for a regiment. What we lack is somebody who fetches the old ladies from Quay
> Street.
"""
CHUNK = 10_000


class Site:
    """A site with one stream."""

    def __init__(self, settings: Settings, db: Database) -> None:
        self.settings, self.db = settings, db
        self.actor = Actor.of(command_line_account(db))
        add_stream(
            db,
            self.actor,
            STREAM,
            StreamText("The floods", "The river stands above six metres.", BODY),
        )

    def post(self, title: str, body: str = BODY, stream: str = STREAM) -> Entry:
        """An entry as long as many: a dek, some 120 words, two authors, two tags."""
        byline, tags = ("Ines Valbrook", "Jory Pell"), ("River level", "The Flats")
        return add_entry(
            self.db,
            self.actor,
            stream,
            EntryText(title, "What is known so far.", body, byline, tags),
            Release(),
        )

    def add_readers(self, number: int) -> None:
        """Confirmed readers in one transaction: one each, as the commands do it, would take longer
        than the benchmark.
        """
        with self.db.begin() as tx:
            stream = get_stream(tx, STREAM)
            time = now(tx)
            shared = {
                "kind": RecipientKind.MAIL,
                "lane": Lane.BULK,
                "state": RecipientState.CONFIRMED,
                "confirmed_at": time,
                "created_at": time,
            }
            for first in range(0, number, CHUNK):
                numbers = range(first, min(first + CHUNK, number))
                tx.execute(
                    insert(Recipient),
                    [
                        {"uid": f"reader{i}", "address": f"reader{i}@example.org", **shared}
                        for i in numbers
                    ],
                )
            followers = select(Recipient.id, literal(stream.id), literal(time, UtcDateTime()))
            tx.execute(
                insert(Subscription).from_select(
                    ["recipient_id", "stream_id", "created_at"], followers
                )
            )
        if not self.db.embedded:
            with self.db.begin() as tx:
                tx.execute(text("ANALYZE"))


@contextmanager
def temporary_site(**settings: object) -> Iterator[Site]:
    """An empty site, on SQLite unless the settings say otherwise."""
    with tempfile.TemporaryDirectory(prefix="storywire-bench-") as folder:
        loaded = load_settings(data_dir=Path(folder), **settings)
        db, _ = prepare(loaded)
        try:
            yield Site(loaded, db)
        finally:
            db.engine.dispose()
