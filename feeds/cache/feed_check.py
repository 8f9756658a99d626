"""What readers would stumble over in a feed: rules on what was read, without network or clock."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from feeds.formats.parse_feed import ReadEntry, ReadFeed

CLOCKS_DIFFER = timedelta(minutes=1)
# of a document; some readers take no more, and each fetch that is no 304 costs as much
MOST_BYTES = 1_000_000
# characters of an entry; mail programs cut there what rss2email and its like send
MOST_TEXT = 100_000
SHORTEN = "let feeds carry summaries with `storywire stream edit SLUG --feed-text summary`."
REPORT = "that is a fault of Storywire, or of a proxy that rewrites feeds: report it."

Noted = dict[str, list[str]]  # id and date, by the path of the permalink; the feed's own id by none
Seen = dict[str, Noted]  # by the path of the feed's folder


class Level(StrEnum):
    """``bad``: readers lose or repeat something; ``warn``: some of them may."""

    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Finding:
    """``text`` is one sentence, which says what to do."""

    level: Level
    text: str


def bad(text: str) -> Finding:
    """Readers lose or repeat something."""
    return Finding(Level.BAD, text)


def warn(text: str) -> Finding:
    """Some readers may stumble."""
    return Finding(Level.WARN, text)


def check_document(read: ReadFeed, address: str, size: int, now: datetime) -> Iterator[Finding]:
    """What one document says of itself; ``address`` is where readers find it."""
    if read.self_url != address:
        yield bad(
            f"It calls itself {read.self_url or 'nothing'} instead of {address}: set"
            " STORYWIRE_BASE_URL to where readers reach the site."
        )
    named = {
        "id": Counter(entry.id for entry in read.entries),
        "address": Counter(entry.url for entry in read.entries),
    }
    for name, counted in named.items():
        for found in (found for found, times in counted.items() if times > 1 or not found):
            yield bad(f"{counted[found]} entries have the {name} “{found}”: {REPORT}")
    newest = max((entry.updated for entry in read.entries if entry.updated), default=None)
    if read.updated and newest and newest > read.updated:
        yield bad(
            f"It says that it changed at {read.updated:%Y-%m-%d %H:%M:%S}, but an entry did at"
            f" {newest:%Y-%m-%d %H:%M:%S}: {REPORT}"
        )
    for entry in read.entries:
        yield from _entry(entry, now)
    if size > MOST_BYTES:
        yield warn(f"It has {size / 1e6:.1f} MB, which some readers do not take: {SHORTEN}")


def _entry(entry: ReadEntry, now: datetime) -> Iterator[Finding]:
    if not entry.published or not entry.updated:
        yield bad(f"“{entry.title:.60}” has a date that cannot be read: {REPORT}")
    elif entry.updated < entry.published:
        yield bad(f"“{entry.title:.60}” changed before it came out: {REPORT}")
    elif entry.updated > now + CLOCKS_DIFFER:
        yield bad(
            f"“{entry.title:.60}” is dated in the future: compare the clocks of this machine and of"
            " the service."
        )
    if entry.size > MOST_TEXT:
        yield warn(
            f"“{entry.title:.60}” has {entry.size:,} characters, which mail programs cut: {SHORTEN}"
        )


def check_waits(read: ReadFeed, max_age: int | None) -> Iterator[Finding]:
    """Readers wait for the longest hint that they find, so the hints must not differ."""
    if max_age is None:
        yield warn(
            "Its Cache-Control names no max-age, so readers guess when to come again: let the proxy"
            " pass it on."
        )
        return
    least = max(60, max_age)  # ttl counts in minutes
    for wait in read.waits:
        if abs(wait - least) > least / 10:
            yield warn(
                f"It asks readers to wait {wait:.0f} s, and its Cache-Control {max_age} s: let the"
                " proxy pass Cache-Control on."
            )


def check_seen(before: Noted, noted: Noted, read: ReadFeed, base_url: str) -> Iterator[Finding]:
    """Whether ids and dates are those of the last time and of the other formats, which ``noted``
    tells; then it holds these, too.
    """
    found = {
        entry.url.removeprefix(base_url): [entry.id, f"{entry.published or ''}", entry.title]
        for entry in read.entries
    }
    if read.id:
        found[""] = [read.id, "", "the feed itself"]
    for path, (id_, date, title) in found.items():
        known = noted.get(path) or before.get(path) or [id_, date]
        if known[0] != id_:
            yield bad(
                f"The id of “{title:.60}” was {known[0]} and is {id_}, so readers show it again:"
                " restore what made it change."
            )
        elif known[1] != date:
            yield bad(
                f"The date of “{title:.60}” was {known[1]} and is {date}, so readers may show it"
                f" again: {REPORT}"
            )
        noted[path] = [id_, date]
