"""A round through the site's own feeds, fetched and looked at as readers do."""

import importlib
from calendar import timegm
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cli.feed_answers import Asker, check_answers, max_age
from feeds.cache.feed_check import (
    REPORT,
    Finding,
    Level,
    Seen,
    bad,
    check_document,
    check_seen,
    check_waits,
)
from feeds.document.feed_address import FeedTopic
from feeds.document.feed_document import Format
from feeds.formats.parse_feed import ReadFeed, Unreadable, read_feed

MOST_ARCHIVES = 20  # older documents of a feed
MOST_PAGES = 10  # permalinks of a feed

try:  # the reader that many others are built on; where it is installed, it has its say
    feedparser: Any = importlib.import_module("feedparser")
except ImportError:
    feedparser = None


@dataclass
class Report:
    """What came of one feed; ``newest`` is its first entry as it was read."""

    path: str
    entries: int = 0
    bytes: int = 0
    archives: int = 0
    newest: dict[str, Any] | None = None
    read_by: str = "storywire"
    findings: list[Finding] = field(default_factory=list)

    @property
    def verdict(self) -> str:
        """The worst of its findings."""
        levels = {finding.level for finding in self.findings}
        return next((level.value for level in (Level.BAD, Level.WARN) if level in levels), "ok")


class Visit:
    """One round through the site's feeds, which all say BASE_URL and are asked for at ``url``."""

    def __init__(self, base_url: str, url: str, seen: Seen, most_archives: int | None) -> None:
        self.base_url, self.most_archives = base_url, most_archives
        self._ask = Asker(base_url, url)
        self._before, self.seen = seen, Seen()
        self._pages: dict[str, int] = {}  # status by address: feeds have most permalinks in common

    def look_at(self, topic: FeedTopic, fmt: Format) -> Report:
        """All rules on one feed; once more where it changed meanwhile."""
        address = self.base_url + topic.folder + fmt.file_name
        for _ in range(3):
            report, first = Report(topic.folder + fmt.file_name), self._ask(address)
            if first.status_code != 200:
                report.findings.append(
                    bad(
                        f"It answers {first.status_code} instead of 200: let the proxy pass it on,"
                        " or report it."
                    )
                )
                return report
            report.findings += check_answers(self._ask, address, fmt, first)
            if self._ask(address, "HEAD").headers.get("ETag") == first.headers.get("ETag"):
                break
        try:
            read = read_feed(first.content, fmt)
        except Unreadable as exc:
            report.findings.append(bad(f"It cannot be read ({exc}): {REPORT}"))
            return report
        report.entries, report.bytes = len(read.entries), len(first.content)
        report.findings += check_document(read, address, report.bytes, datetime.now(UTC))
        report.findings += check_waits(read, max_age(first))
        report.findings += self._compare(topic.folder, read)
        report.findings += self._links(read, fmt)
        report.findings += self._archives(report, read, address, fmt)
        report.findings += _second_reader(report, read, first.content, fmt)
        return report

    def _compare(self, folder: str, read: ReadFeed) -> Iterator[Finding]:
        return check_seen(
            self._before.get(folder, {}), self.seen.setdefault(folder, {}), read, self.base_url
        )

    def _links(self, read: ReadFeed, fmt: Format) -> Iterator[Finding]:
        # or may be: RSS does not tell
        gone = {
            entry.url for entry in read.entries if fmt is Format.RSS or entry.id in read.withdrawn
        }
        for address in (read.page_url, *(entry.url for entry in read.entries[:MOST_PAGES])):
            if not address.startswith(f"{self.base_url}/"):
                yield bad(
                    f"It leads to {address or 'no page'}, which is not below {self.base_url}: set"
                    " STORYWIRE_BASE_URL for the service, too."
                )
                continue
            if address not in self._pages:
                self._pages[address] = self._ask(address).status_code
            if (status := self._pages[address]) != 200 and not (status == 410 and address in gone):
                yield bad(f"The page {address} answers {status}: let the proxy pass it on.")

    def _archives(
        self, report: Report, read: ReadFeed, address: str, fmt: Format
    ) -> Iterator[Finding]:
        """The way to the oldest entry (RFC 5005 section 4)."""
        met = {address}
        while read.older_url and (
            self.most_archives is None or report.archives < self.most_archives
        ):
            older = read.older_url
            if older in met or not older.startswith(f"{self.base_url}/"):
                yield bad(
                    f"The archive {older} leads in a circle, or away from {self.base_url}: {REPORT}"
                )
                return
            met.add(older)
            answer = self._ask(older)
            if answer.status_code != 200:
                yield bad(
                    f"The archive {older} answers {answer.status_code}: let the proxy pass it on."
                )
                return
            try:
                read = read_feed(answer.content, fmt)
            except Unreadable as exc:
                yield bad(f"The archive {older} cannot be read ({exc}): {REPORT}")
                return
            report.archives += 1
            if read.newest_url != address:
                yield bad(
                    f"The archive {older} leads back to {read.newest_url or 'nothing'} instead of"
                    f" {address}: {REPORT}"
                )
            yield from check_document(read, older, len(answer.content), datetime.now(UTC))
            yield from self._compare(report.path.rpartition("/")[0] + "/", read)


def _second_reader(report: Report, read: ReadFeed, body: bytes, fmt: Format) -> Iterator[Finding]:
    """The newest entry goes into the report as feedparser reads it, where that is installed and
    knows the format.
    """
    for entry in read.entries[:1]:
        report.newest = {
            "title": entry.title,
            "published": entry.published,
            "authors": list(entry.authors),
            "url": entry.url,
        }
    if feedparser is None or fmt is Format.JSON:
        return
    parsed, report.read_by = feedparser.parse(body), "feedparser"
    for entry in parsed.entries[:1]:
        authors = [author.get("name", "") for author in entry.get("authors", ())]
        published = (
            datetime.fromtimestamp(timegm(entry.published_parsed), UTC)
            if entry.get("published_parsed")
            else None
        )
        report.newest = {
            "title": entry.get("title"),
            "published": published,
            "authors": authors,
            "url": entry.get("link"),
        }
    if parsed.bozo or [entry.get("id") for entry in parsed.entries] != [
        entry.id for entry in read.entries
    ]:
        yield bad(
            f"feedparser reads it otherwise ({parsed.get('bozo_exception', 'other ids')}): {REPORT}"
        )
