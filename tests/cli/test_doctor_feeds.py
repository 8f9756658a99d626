"""The feed doctor before a service behind a proxy that may spoil what it hands on; a healthy one is
looked at in `test_readers.py`.
"""

import json
import logging
import re
import shutil
from copy import deepcopy
from threading import Thread

import pytest
from click.testing import CliRunner
from werkzeug.serving import make_server
from werkzeug.wrappers import Response

from cli.feed_visit import Visit
from cli.main import main
from config.keys import Keys
from config.settings import load_settings
from feeds.document.feed_address import FeedTopic, Scope
from feeds.document.feed_document import Format
from models import RevisionKind
from models.db.database import open_database
from models.publishing.revising import Change, retract
from tests.conftest import Newsroom, StandingClock
from web import create_app

FLOODS = FeedTopic(Scope.STREAM, "floods")


class Front:
    """A story of five entries, two a document, one of them withdrawn; ``spoil`` changes answers."""

    def __init__(self, path) -> None:
        clock = StandingClock()
        self.db = open_database(f"sqlite:///{path}", synchronous="NORMAL", clock=clock)
        room = Newsroom(self.db)
        room.stream()
        for title in ("a", "b", "c", "d", "e"):
            clock.forward(minutes=1)
            entry = room.post(title=title, byline=("Ines",), tags=("Dykes",))
        clock.forward(minutes=1)
        retract(
            self.db, room.actor, entry.uid, entry.version, Change(RevisionKind.RETRACTION, "No.")
        )
        self.server = make_server("127.0.0.1", 0, self, threaded=True)
        self.url, self.spoil = f"http://127.0.0.1:{self.server.port}", None
        settings = load_settings(base_url=self.url, secret_key="k" * 32)
        self._app = create_app(settings, Keys("k" * 32), self.db, ring=lambda: None).wsgi_app
        self._thread = Thread(target=self.server.serve_forever, args=(0.02,))
        self._thread.start()

    def __call__(self, environ, start_response):
        answer = Response.from_app(self._app, environ, buffered=True)
        if self.spoil:
            self.spoil(environ["PATH_INFO"], environ["REQUEST_METHOD"], answer)
        return answer(environ, start_response)

    def visit(self, before=None):
        return Visit(self.url, self.url, before or {}, None)

    def close(self) -> None:
        self.server.shutdown()
        self._thread.join()
        self.server.server_close()
        self.db.engine.dispose()


@pytest.fixture(scope="module")
def _front(sqlite_template, tmp_path_factory):
    path = tmp_path_factory.mktemp("front") / "storywire.sqlite3"
    shutil.copy(sqlite_template, path)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("feeds.document.load.MAX_ENTRIES", 2)
        front = Front(path)
        yield front
        front.close()


@pytest.fixture
def front(_front):
    yield _front
    _front.spoil = None


def header(name, value=None, *, method=None, status=None):
    """A proxy that sets a field, or drops it; for requests of one method, and with another status,
    if they are given.
    """

    def spoil(path, asked, answer):
        if method in (None, asked):
            answer.status_code = status or answer.status_code
            answer.headers.pop(name, None)
            if value:
                answer.headers[name] = value

    return spoil


def body(change, part=".xml"):
    """A proxy that changes what it sends from addresses with that part, plain."""

    def spoil(path, asked, answer):
        if (
            part in path
            and "Content-Encoding" not in answer.headers
            and answer.status_code == 200
            and asked == "GET"
        ):
            answer.data = change(answer.data)

    return spoil


def lose(part):
    """A proxy that knows no address with that part."""

    def spoil(path, asked, answer):
        answer.status_code = 404 if part in path else answer.status_code

    return spoil


def twice(data):
    """RSS with its first item a second time."""
    item = data[data.index(b"<item>") : data.index(b"</item>") + len(b"</item>")]
    return data.replace(item, item * 2, 1)


@pytest.mark.parametrize("fmt", Format)
def test_a_feed_with_archives_and_a_withdrawn_entry_is_well(front, fmt):
    report = front.visit().look_at(FLOODS, fmt)
    assert (report.findings, report.verdict, report.entries, report.archives) == ([], "ok", 2, 2)
    assert (report.newest["title"], report.newest["authors"]) == (
        "Withdrawn",
        [] if fmt is Format.ATOM else ["Storywire"],
    )


@pytest.mark.parametrize(
    ("spoil", "verdict", "sentence"),
    [
        (lose(".xml"), "bad", "It answers 404 instead of 200"),
        (lose("/archive/"), "bad", "answers 404: let the proxy pass it on"),
        (lose("/entries/"), "bad", "answers 404: let the proxy pass it on"),
        (body(lambda data: re.sub(rb'"http://[^"]*/archive/[^"]*"', b'"http://127.0.0.1:9/older"', data)), "bad", "in a circle, or away"),
        (body(lambda data: re.sub(rb"<link>http://[^<]*/entries/", b"<link>http://127.0.0.1:9/", data)), "bad", "which is not below http"),
        (header("Content-Type", "text/html"), "bad", "Its Content-Type is text/html instead of application/rss+xml"),
        (header("ETag"), "bad", "A reader who has it already gets it again"),
        (header("Last-Modified"), "warn", "It has no Last-Modified"),
        (header("ETag", '"one"'), "bad", "It has the same ETag plain and as gzip"),
        (header("Vary"), "bad", "Caches may send br to those who do not take it"),
        (header("Set-Cookie", "a=b"), "warn", "It sets a cookie"),
        (header("Cache-Control"), "warn", "names no max-age"),
        (header("Cache-Control", "max-age=86400"), "warn", "It asks readers to wait 60 s, and its Cache-Control 86400 s"),
        (header("Content-Length", status=405, method="HEAD"), "bad", "HEAD answers otherwise than GET"),
        (body(lambda data: data[:-20]), "bad", "It cannot be read"),
        (body(lambda data: data.replace(b"/floods/rss.xml", b"/x/rss.xml")), "bad", "/x/rss.xml instead of http"),
        (body(lambda data: data.replace(b"14 Mar 2026", b"14 Mar 2126").replace(b"2026-03-14", b"2126-03-14")), "bad", "in the future"),
        (body(lambda data: data.replace(b"2026-03-14", b"2025-03-14")), "bad", "changed before it came out"),
        (body(lambda data: data.replace(b"pubDate", b"pubdate")), "bad", "“d” has a date that cannot be read"),
        (body(lambda data: data.replace(b"<title>d", b"<title>" + b"d" * 1_100_000)), "bad", "It has 1.1 MB"),
        (body(lambda data: data.replace(b"2026-03-14T08:06", b"2026-04-14T08:06")), "bad", "It says that it changed at 2026-03-14"),
        (body(twice), "bad", "2 entries have the id"),
        (body(lambda data: data + b"<!-- -->", "/archive/"), "ok", ""),
        (body(lambda data: data[:-20], "/archive/"), "bad", "cannot be read"),
        (body(lambda data: data.replace(b'rel="current"', b'rel="nothing"'), "/archive/"), "bad", "leads back to nothing"),
    ],
)  # fmt: skip
def test_what_readers_would_stumble_over_is_one_sentence(front, spoil, verdict, sentence):
    front.spoil = spoil
    report = front.visit().look_at(FLOODS, Format.RSS)
    assert report.verdict == verdict, report.findings
    assert sentence in " ".join(finding.text for finding in report.findings)


def test_ids_and_dates_must_be_those_of_other_formats_and_of_the_last_time(front):
    before = front.visit()
    assert before.look_at(FLOODS, Format.ATOM).findings == []
    last_time = deepcopy(before.seen)
    front.spoil = body(
        lambda data: data.replace(
            b'<guid isPermaLink="false">tag:news', b'<guid isPermaLink="false">tag:olds'
        )
    )
    for visit in (before, front.visit(last_time)):
        told = [
            finding.text
            for finding in visit.look_at(FLOODS, Format.RSS).findings
            if "readers show it again" in finding.text
        ]
        assert len(told) == 5
    front.spoil = body(lambda data: data.replace(b"08:04:00 +0000", b"08:03:30 +0000"))
    told = front.visit(last_time).look_at(FLOODS, Format.RSS).findings
    assert any("The date of “d” was" in finding.text for finding in told)


def test_the_command_looks_at_a_whole_site_and_remembers(front, tmp_path, monkeypatch):
    monkeypatch.setenv("STORYWIRE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("STORYWIRE_DATABASE_URL", str(front.db.engine.url))
    monkeypatch.setenv("STORYWIRE_BASE_URL", front.url)
    monkeypatch.setenv("STORYWIRE_SECRET_KEY", "k" * 32)

    def run(*arguments, code=0):
        done = CliRunner().invoke(main, ["doctor", "feeds", *arguments])
        assert done.exit_code == code, done.output
        return done.stdout or done.stderr

    reports = json.loads(run("--json"))
    assert [report["path"] for report in reports if report["path"].endswith("/new/rss.xml")] == [
        "/new/rss.xml", "/streams/floods/new/rss.xml", "/tags/dykes/new/rss.xml", "/contributors/ines/new/rss.xml",
    ]  # fmt: skip
    assert {report["verdict"] for report in reports} == {"ok"}
    seen = json.loads((tmp_path / "feeds-seen.json").read_text())
    assert len(seen["/streams/floods/"]) == 6  # five entries and the feed's own id
    front.spoil = lose("/floods/rss.xml")
    told = run("floods", code=1)
    assert (
        "bad: It answers 404 instead of 200: let the proxy pass it on, or report it.  In"
        " /streams/floods/rss.xml." in told
    )
    assert json.loads((tmp_path / "feeds-seen.json").read_text()) == seen
    assert run("--url", "http://127.0.0.1:9", code=1).startswith(
        "Error: http://127.0.0.1:9 does not answer: start the service"
    )
    (tmp_path / "feeds-seen.json").write_text("{")
    assert "delete it to begin anew" in run("floods", code=1)
