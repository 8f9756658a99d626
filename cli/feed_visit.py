"""A round through the site's own feeds, fetched and looked at as readers do."""

import importlib
from calendar import timegm
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import click
import requests

from feeds.address import Topic
from feeds.doctor import REPORT, Finding, Level, Seen, bad, check_document, check_seen, check_waits, warn
from feeds.document import Format
from feeds.reading import ReadFeed, Unreadable, read_feed

MOST_ARCHIVES = 20  # older documents of a feed
MOST_PAGES = 10  # permalinks of a feed
TIMEOUT = 10.0  # seconds

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
        self.base_url, self.url, self.most_archives = base_url, url, most_archives
        self._before, self.seen = seen, Seen()
        self._session = requests.Session()
        self._pages: dict[str, int] = {}  # status by address: feeds have most permalinks in common

    def ask(self, address: str, method: str = "GET", **fields: str) -> requests.Response:
        """The answer at an address of the site; underscores in the names of fields stand for hyphens."""
        headers = {"Accept-Encoding": "identity"} | {name.replace("_", "-"): value for name, value in fields.items()}
        where = self.url + address.removeprefix(self.base_url)
        try:
            return self._session.request(method, where, headers=headers, timeout=TIMEOUT, allow_redirects=False)
        except requests.RequestException as exc:
            raise click.ClickException(
                f"{self.url} does not answer: start the service with `storywire serve`, or name another address with --url."
            ) from exc

    def look_at(self, topic: Topic, fmt: Format) -> Report:
        """All rules on one feed; once more where it changed meanwhile."""
        address = self.base_url + topic.folder + fmt.file_name
        for _ in range(3):
            report, first = Report(topic.folder + fmt.file_name), self.ask(address)
            if first.status_code != 200:
                report.findings.append(bad(f"It answers {first.status_code} instead of 200: let the proxy pass it on, or report it."))
                return report
            report.findings += self._http(address, fmt, first)
            if self.ask(address, "HEAD").headers.get("ETag") == first.headers.get("ETag"):
                break
        try:
            read = read_feed(first.content, fmt)
        except Unreadable as exc:
            report.findings.append(bad(f"It cannot be read ({exc}): {REPORT}"))
            return report
        report.entries, report.bytes = len(read.entries), len(first.content)
        report.findings += check_document(read, address, report.bytes, datetime.now(UTC))
        report.findings += check_waits(read, _max_age(first))
        report.findings += self._compare(topic.folder, read)
        report.findings += self._links(read, fmt)
        report.findings += self._archives(report, read, address, fmt)
        report.findings += _second_reader(report, read, first.content, fmt)
        return report

    def _compare(self, folder: str, read: ReadFeed) -> Iterator[Finding]:
        return check_seen(self._before.get(folder, {}), self.seen.setdefault(folder, {}), read, self.base_url)

    def _http(self, address: str, fmt: Format, first: requests.Response) -> Iterator[Finding]:
        tag, modified = first.headers.get("ETag", ""), first.headers.get("Last-Modified")
        if (found := first.headers.get("Content-Type", "").partition(";")[0]) != fmt.media_type:
            yield bad(f"Its Content-Type is {found or 'missing'} instead of {fmt.media_type}: let the proxy pass it on.")
        if "Set-Cookie" in first.headers:
            yield warn("It sets a cookie, so caches do not keep it: take the cookie away in the proxy.")
        if self.ask(address, If_None_Match=tag or '""').status_code != 304:
            yield bad("A reader who has it already gets it again: let the proxy pass ETag and If-None-Match on.")
        if modified is None:
            yield warn("It has no Last-Modified, which is right only within the second of a change: ask again.")
        elif self.ask(address, If_Modified_Since=modified).status_code != 304:
            yield bad("A reader who compares dates gets it again: let the proxy pass Last-Modified and If-Modified-Since on.")
        head = self.ask(address, "HEAD")
        names = ("ETag", "Content-Type", "Content-Length")
        if head.status_code != 200 or [head.headers.get(name) for name in names] != [first.headers.get(name) for name in names]:
            yield bad("HEAD answers otherwise than GET: let the proxy pass HEAD on.")
        for coding in ("gzip", "br"):
            yield from self._coding(address, coding, first)

    def _coding(self, address: str, coding: str, first: requests.Response) -> Iterator[Finding]:
        packed = self.ask(address, Accept_Encoding=coding)
        tag = packed.headers.get("ETag", "")
        if packed.headers.get("Content-Encoding") != coding:
            if coding == "gzip":  # a proxy that does not know brotli is none the worse
                yield warn("It is not compressed for those who take gzip: let the proxy pass Accept-Encoding on.")
            return
        if packed.content != first.content:
            yield bad(f"It differs when it is sent as {coding}: let the proxy leave it as it is.")
        if "accept-encoding" not in packed.headers.get("Vary", "").lower():
            yield bad(f"Caches may send {coding} to those who do not take it: let the proxy pass Vary on.")
        if tag == first.headers.get("ETag") and not tag.startswith("W/"):
            yield bad(f"It has the same ETag plain and as {coding}: let the proxy leave ETags and compressed answers as they are.")
        if self.ask(address, Accept_Encoding=coding, If_None_Match=tag or '""').status_code != 304:
            yield bad(f"A reader who has it as {coding} gets it again: let the proxy pass the ETags of compressed answers on.")

    def _links(self, read: ReadFeed, fmt: Format) -> Iterator[Finding]:
        if self._status(read.page_url) != 200:
            yield bad(f"Its page {read.page_url} answers {self._status(read.page_url)}: let the proxy pass it on.")
        for entry in read.entries[:MOST_PAGES]:
            status = self._status(entry.url)
            gone = status == 410 and (fmt is Format.RSS or entry.id in read.withdrawn)
            if status != 200 and not gone:
                yield bad(f"The page of “{entry.title:.60}” answers {status}: let the proxy pass {entry.url} on.")

    def _status(self, address: str) -> int:
        if not address.startswith(self.base_url):
            return 0
        if address not in self._pages:
            self._pages[address] = self.ask(address).status_code
        return self._pages[address]

    def _archives(self, report: Report, read: ReadFeed, address: str, fmt: Format) -> Iterator[Finding]:
        """The way to the oldest entry (RFC 5005 section 4)."""
        met = {address}
        while read.older_url and (self.most_archives is None or report.archives < self.most_archives):
            older = read.older_url
            answer = self.ask(older)
            if older in met or answer.status_code != 200:
                yield bad(f"The archive {older} answers {answer.status_code}, or leads in a circle: let the proxy pass it on.")
                return
            met.add(older)
            try:
                read = read_feed(answer.content, fmt)
            except Unreadable as exc:
                yield bad(f"The archive {older} cannot be read ({exc}): {REPORT}")
                return
            report.archives += 1
            if read.newest_url != address:
                yield bad(f"The archive {older} leads back to {read.newest_url or 'nothing'} instead of {address}: {REPORT}")
            yield from check_document(read, older, len(answer.content), datetime.now(UTC))
            yield from self._compare(report.path.rpartition("/")[0] + "/", read)


def _max_age(answer: requests.Response) -> int | None:
    parts = (part.strip().partition("=") for part in answer.headers.get("Cache-Control", "").split(","))
    return next((int(value) for name, _, value in parts if name == "max-age" and value.isdecimal()), None)


def _second_reader(report: Report, read: ReadFeed, body: bytes, fmt: Format) -> Iterator[Finding]:
    """The newest entry goes into the report as feedparser reads it, where that is installed and knows the format."""
    for entry in read.entries[:1]:
        report.newest = {"title": entry.title, "published": entry.published, "authors": list(entry.authors), "url": entry.url}
    if feedparser is None or fmt is Format.JSON:
        return
    parsed, report.read_by = feedparser.parse(body), "feedparser"
    for entry in parsed.entries[:1]:
        authors = [author.get("name", "") for author in entry.get("authors", ())]
        published = datetime.fromtimestamp(timegm(entry.published_parsed), UTC) if entry.get("published_parsed") else None
        report.newest = {"title": entry.get("title"), "published": published, "authors": authors, "url": entry.get("link")}
    if parsed.bozo or [entry.get("id") for entry in parsed.entries] != [entry.id for entry in read.entries]:
        yield bad(f"feedparser reads it otherwise ({parsed.get('bozo_exception', 'other ids')}): {REPORT}")
