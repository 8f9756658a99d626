"""`storywire doctor feeds` with a service behind a proxy that may spoil its answers.

`test_readers.py` runs it with a whole service.
"""

import json
import logging
import shutil
from threading import Thread

import pytest
from click.testing import CliRunner
from werkzeug.serving import make_server
from werkzeug.wrappers import Response

from cli import doctor_feeds
from cli.main import main
from config.keys import Keys
from config.settings import load_settings
from models import RevisionKind
from models.db.database import open_database
from models.publishing.revising import Change, retract
from tests.support.clock import StandingClock
from tests.support.newsroom import Newsroom
from web import create_app

RSS = "/streams/floods/rss.xml"
JSON = "/streams/floods/feed.json"


class SpoilingProxy:
    """A site with a stream of two entries, one of them withdrawn; ``spoil`` changes answers."""

    def __init__(self, path) -> None:
        clock = StandingClock()
        self.db = open_database(f"sqlite:///{path}", synchronous="NORMAL", clock=clock)
        newsroom = Newsroom(self.db)
        newsroom.stream()
        newsroom.post(title="a")
        clock.forward(minutes=1)
        entry = newsroom.post(title="b")
        clock.forward(minutes=1)
        change = Change(RevisionKind.RETRACTION, "No.")
        retract(self.db, newsroom.actor, entry.uid, entry.version, change)
        self.server = make_server("127.0.0.1", 0, self, threaded=True)
        self.url = f"http://127.0.0.1:{self.server.port}"
        self.spoil = None
        settings = load_settings(base_url=self.url, secret_key="k" * 32)
        self._app = create_app(settings, Keys("k" * 32), self.db, ring=lambda: None).wsgi_app
        self._thread = Thread(target=self.server.serve_forever, args=(0.02,))
        self._thread.start()

    def __call__(self, environ, start_response):
        environ.pop("HTTP_ACCEPT_ENCODING", None)  # so that `spoil` sees plain text
        answer = Response.from_app(self._app, environ, buffered=True)
        if self.spoil:
            self.spoil(answer)
        return answer(environ, start_response)

    def close(self) -> None:
        self.server.shutdown()
        self._thread.join()
        self.server.server_close()
        self.db.engine.dispose()


@pytest.fixture(scope="module")
def shared_proxy(sqlite_template, tmp_path_factory):
    path = tmp_path_factory.mktemp("proxy") / "storywire.sqlite3"
    shutil.copy(sqlite_template, path)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    proxy = SpoilingProxy(path)
    yield proxy
    proxy.close()


@pytest.fixture
def proxy(shared_proxy, tmp_path, monkeypatch):
    monkeypatch.setenv("STORYWIRE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("STORYWIRE_DATABASE_URL", str(shared_proxy.db.engine.url))
    monkeypatch.setenv("STORYWIRE_BASE_URL", shared_proxy.url)
    monkeypatch.setenv("STORYWIRE_SECRET_KEY", "k" * 32)
    yield shared_proxy
    shared_proxy.spoil = None


def run(*arguments, exit_code=0):
    result = CliRunner().invoke(main, ["doctor", "feeds", *arguments])
    assert result.exit_code == exit_code, result.output
    return result.stdout or result.stderr


def set_header(name, value):
    return lambda answer: answer.headers.set(name, value)


def drop_header(name):
    return lambda answer: answer.headers.pop(name, None)


def replace_body(old, new):
    def spoil(answer):
        answer.data = answer.data.replace(old, new)

    return spoil


def cut_body(answer):
    answer.data = answer.data[:-20]


def answer_404(answer):
    answer.status_code = 404


def test_a_healthy_site_has_no_problems(proxy):
    reports = json.loads(run("--json"))
    paths = [report["path"] for report in reports]
    assert len(paths) == len(set(paths)) == 2 * 3 * 3
    assert {"/new/rss.xml", "/streams/floods/key/atom.xml", JSON} < set(paths)
    assert all(
        report == {"path": report["path"], "verdict": "ok", "problems": []} for report in reports
    )
    assert RSS in run("floods") and "/new/rss.xml\n" in run()


@pytest.mark.parametrize(
    ("path", "spoil", "problem"),
    [
        (RSS, answer_404, "Its status is 404 instead of 200."),
        (RSS, set_header("Content-Type", "text/html"),
         "Its Content-Type is text/html instead of application/rss+xml."),
        (RSS, drop_header("ETag"), "An unchanged feed is sent again instead of a 304"),
        (RSS, set_header("ETag", '"another"'), "An unchanged feed is sent again instead of a 304"),
        (RSS, cut_body, "It cannot be parsed: "),
        (JSON, cut_body, "It cannot be parsed: "),
        (JSON, replace_body(b'"items"', b'"entries"'), "It cannot be parsed: "),
        (RSS, replace_body(b"pubDate", b"pubbed"), "An entry has no readable date."),
        (RSS, replace_body(b"14 Mar 2026", b"14 Mar 2126"), "An entry is dated in the future"),
        (JSON, replace_body(b"2026-03-14", b"2126-03-14"), "An entry is dated in the future"),
    ],
)  # fmt: skip
def test_each_problem_is_listed(proxy, path, spoil, problem):
    proxy.spoil = spoil
    reports = {
        report["path"]: report for report in json.loads(run("floods", "--json", exit_code=1))
    }
    assert reports[path]["verdict"] == "bad"
    assert problem in " ".join(reports[path]["problems"])


def test_without_feedparser_xml_is_checked_for_well_formedness(proxy, monkeypatch):
    monkeypatch.setattr(doctor_feeds, "feedparser", None)
    run()
    proxy.spoil = cut_body
    assert "It cannot be parsed: " in run("floods", exit_code=1)


def test_a_service_that_does_not_answer_is_an_error(proxy):
    error = run("--url", "http://127.0.0.1:9", exit_code=1)
    assert error.startswith("Error: http://127.0.0.1:9 does not answer: start the service")
