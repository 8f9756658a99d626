"""Programs that people read feeds with, run as they run them, and a proxy that notes what they were
answered.
"""

import email.utils
import http.client
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from threading import Thread
from typing import NamedTuple

import feedparser
import feedparser_sgmllib

from tests.support.running_site import PATIENCE, MailServer

SKIPPED = {"connection", "transfer-encoding", "date", "server"}


class Key(NamedTuple):
    """An entry in a feed: the last part of the feed's address, and the entry's id."""

    feed: str
    id: str


@dataclass(frozen=True)
class ShownEntry:
    """An entry as a program has it."""

    title: str
    link: str
    author: str
    published: datetime
    text: str = ""


def utc(parsed) -> datetime:
    return datetime(*parsed[:6], tzinfo=UTC)


class FeedParser:
    """The parser that many readers are built on, asked as its documentation says."""

    agent, found = "our own", True

    def __init__(self, folder: Path, urls: list[str], inbox: MailServer) -> None:
        self._validators: dict[str, dict] = {url: {} for url in urls}
        self.shown: dict[Key, ShownEntry] = {}

    def fetch(self) -> list[Key]:
        """The entries that are new to it."""
        before = set(self.shown)
        for url, known in self._validators.items():
            parsed = feedparser.parse(url, agent=self.agent, **known)
            self._validators[url] = {"etag": parsed.get("etag"), "modified": parsed.get("modified")}
            for entry in parsed.entries:
                text = (entry.get("content") or [{"value": entry.get("summary", "")}])[0]["value"]
                key = Key(url.rpartition("/")[2], entry.id)
                self.shown[key] = ShownEntry(
                    entry.title,
                    entry.link,
                    entry.get("author", ""),
                    utc(entry.published_parsed),
                    text,
                )
        return [key for key in self.shown if key not in before]


class Newsboat:
    """Reads its own cache; what it holds for new is unread there. A cache for each feed, since it
    tells entries apart by id alone.
    """

    agent, found = "newsboat", shutil.which("newsboat") is not None

    def __init__(self, folder: Path, urls: list[str], inbox: MailServer) -> None:
        self._folder, self._feeds = folder, [url.rpartition("/")[2] for url in urls]
        (folder / "config").write_text("")
        for url, feed in zip(urls, self._feeds, strict=True):
            (folder / f"{feed}.urls").write_text(f"{url}\n")
        self.shown: dict[Key, ShownEntry] = {}

    def fetch(self) -> list[Key]:
        return [key for feed in self._feeds for key in self.fetch_one(feed)]

    def fetch_one(self, feed: str) -> list[Key]:
        """The entries of one feed that are new to it."""
        argv = [
            "newsboat",
            "-u",
            f"{feed}.urls",
            "-C",
            "config",
            "-c",
            f"{feed}.db",
            "-x",
            "reload",
        ]
        subprocess.run(
            argv,
            cwd=self._folder,
            env=os.environ | {"HOME": str(self._folder)},
            check=True,
            timeout=PATIENCE,
        )
        with closing(sqlite3.connect(self._folder / f"{feed}.db")) as cache, cache:
            rows = cache.execute(
                "SELECT guid, unread, title, url, author, pubDate, content FROM rss_item"
            ).fetchall()
            cache.execute("UPDATE rss_item SET unread = 0")
        for guid, _, title, link, author, date, text in rows:
            self.shown[Key(feed, guid)] = ShownEntry(
                title, link, author, datetime.fromtimestamp(date, UTC), text
            )
        return [Key(feed, row[0]) for row in rows if row[1]]


class FeedReader:
    """The library `reader`; what it holds for new is unread."""

    agent, found = "python-reader", find_spec("reader") is not None

    def __init__(self, folder: Path, urls: list[str], inbox: MailServer) -> None:
        self._path = str(folder / "reader.db")
        with self._open() as reader:
            for url in urls:
                reader.add_feed(url)
        self.shown: dict[Key, ShownEntry] = {}

    def _open(self):
        from reader import make_reader  # noqa: PLC0415  may be missing

        # reader 3.26 brings a feedparser of its own, which looks for sgmllib under the name that
        # feedparser no longer installs.
        sys.modules.setdefault("sgmllib", feedparser_sgmllib)
        return closing(make_reader(self._path))

    def fetch(self) -> list[Key]:
        with self._open() as reader:
            reader.update_feeds(scheduled=False)  # now, not when it thinks it is time
            entries = {
                Key(entry.feed_url.rpartition("/")[2], entry.id): entry
                for entry in reader.get_entries()
            }
            self.shown = {
                key: ShownEntry(
                    entry.title,
                    entry.link,
                    entry.authors_str,
                    entry.published,
                    getattr(entry.get_content(), "value", ""),
                )
                for key, entry in entries.items()
            }
            new = [key for key, entry in entries.items() if not entry.read]
            for key in new:
                reader.mark_entry_as_read(entries[key])
        return new


class Rss2Email:
    """Sends each entry by mail once; what it shows is in the mails."""

    agent, found = "feedparser/", shutil.which("r2e") is not None

    def __init__(self, folder: Path, urls: list[str], inbox: MailServer) -> None:
        self._folder, self._inbox, self._read = folder, inbox, 0
        server = f"email-protocol = smtp\nsmtp-server = 127.0.0.1\nsmtp-port = {inbox.port}\n"
        rules = "name-format = {author}\ndate-header = True\ndate-header-order = issued\n"
        feeds = "".join(f"[feed.{url.rpartition('/')[2]}]\nurl = {url}\n" for url in urls)
        (folder / "r2e.cfg").write_text(
            f"[DEFAULT]\nfrom = r2e@example.org\nto = reader@example.org\n{server}{rules}{feeds}"
        )
        self._run("email", "reader@example.org")
        self.shown: dict[Key, ShownEntry] = {}

    def _run(self, *arguments: str) -> None:
        argv = ["r2e", "-c", "r2e.cfg", "-d", "r2e.json", *arguments]
        subprocess.run(
            argv,
            cwd=self._folder,
            env=os.environ | {"HOME": str(self._folder)},
            check=True,
            timeout=PATIENCE,
        )

    def fetch(self) -> list[Key]:
        self._run("run")
        mails = [mail.message for mail in self._inbox.to("reader@example.org")[self._read :]]
        self._read += len(mails)
        new = []
        for mail in mails:
            key = Key(mail["X-RSS-Feed"].rpartition("/")[2], mail["X-RSS-ID"])
            new.append(key)
            author = email.utils.parseaddr(mail["From"])[0]
            date = email.utils.parsedate_to_datetime(mail["Date"]).replace(tzinfo=UTC)  # -0000
            self.shown[key] = ShownEntry(
                mail["Subject"], mail["X-RSS-URL"], author, date, mail.get_body().get_content()
            )
        return new


class HttpProxy(ThreadingHTTPServer):
    """Hands requests on, and notes who got which status; ``around`` is entered while the service
    answers one.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.behind = 0  # the port of the service
        self.answers: list[tuple[str, str, int]] = []  # agent, path, status
        self.around: Callable[[], AbstractContextManager[None]] = nullcontext
        self._thread = Thread(target=self.serve_forever, args=(0.02,))
        self._thread.start()

    def statuses(self, agent: str) -> list[int]:
        """What that program was answered, in order."""
        return [status for who, _, status in self.answers if who.lower().startswith(agent)]

    def close(self) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: HttpProxy
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        service = http.client.HTTPConnection("127.0.0.1", self.server.behind, timeout=PATIENCE)
        with closing(service), self.server.around():
            service.request(self.command, self.path, headers=dict(self.headers))
            answer = service.getresponse()
            body, fields = (
                answer.read(),
                {name: value for name, value in answer.getheaders() if name.lower() not in SKIPPED},
            )
        self.server.answers.append((self.headers.get("User-Agent", ""), self.path, answer.status))
        self.send_response(answer.status)
        for name, value in fields.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, *args: object) -> None:
        """Say nothing."""
