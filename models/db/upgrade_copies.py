"""Rows that an upgrade of an earlier Storywire lost, and the copies that still have them."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from glob import escape
from pathlib import Path

from models.db.database import Database

# Entries are never deleted, so one that a copy has and the site lacks was lost.  A subscription is
# deleted when its reader is erased, so only those of remaining readers count.
_LOST_ENTRIES = "SELECT count(*) FROM copy.entry WHERE uid NOT IN (SELECT uid FROM main.entry)"
_LOST_SUBSCRIPTIONS = """
    SELECT count(*) FROM copy.subscription AS lost
    JOIN copy.recipient AS reader ON reader.id = lost.recipient_id
    JOIN main.recipient AS still ON still.uid = reader.uid
    WHERE lost.id NOT IN (SELECT id FROM main.subscription)
"""
_NEW_ENTRIES = "SELECT count(*) FROM main.entry WHERE uid NOT IN (SELECT uid FROM copy.entry)"


@dataclass(frozen=True, slots=True)
class UpgradeCopy:
    """A copy of the database from before an upgrade, with rows that the site has lost since."""

    path: Path
    lost_entries: int
    lost_subscriptions: int
    new_entries: int  # that only the site has, since it went on after the upgrade

    @property
    def sentence(self) -> str:
        """The message for the operator."""
        lost = []
        if self.lost_entries:
            lost.append(_number(self.lost_entries, "entry", "entries"))
        if self.lost_subscriptions:
            lost.append(_number(self.lost_subscriptions, "subscription", "subscriptions"))
        sentence = f"An earlier upgrade lost {' and '.join(lost)}, which {self.path} still has."
        if self.new_entries:
            sentence += (
                f" The site has {_number(self.new_entries, 'entry', 'entries')} that the copy"
                " lacks."
            )
        return sentence


def find_lost_rows(db: Database) -> UpgradeCopy | None:
    """The copy beside a SQLite database with most of the rows that the site has lost; None where
    nothing was lost.

    Reads each copy completely, so it is for a command, not for a running service.
    """
    if not db.embedded:
        return None
    path = Path(db.engine.url.database or "").absolute()
    copies = []
    for file in sorted(path.parent.glob(f"{escape(path.name)}.before-*")):
        if copy := _compare(path, file):
            copies.append(copy)
    return max(copies, key=lambda copy: (copy.lost_entries, copy.lost_subscriptions), default=None)


def _compare(path: Path, copy: Path) -> UpgradeCopy | None:
    try:
        with closing(
            sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, timeout=5)
        ) as connection:
            # Immutable: a copy is never written, and a look at it must leave no files beside it.
            connection.execute("ATTACH ? AS copy", (f"{copy.as_uri()}?immutable=1",))
            entries, subscriptions, new = (
                connection.execute(query).fetchone()[0]
                for query in (_LOST_ENTRIES, _LOST_SUBSCRIPTIONS, _NEW_ENTRIES)
            )
    except sqlite3.Error:  # not a copy of ours, or of a time before these tables
        return None
    if not entries and not subscriptions:
        return None
    return UpgradeCopy(copy, entries, subscriptions, new)


def _number(number: int, singular: str, plural: str) -> str:
    return f"{number:,} {singular if number == 1 else plural}"
