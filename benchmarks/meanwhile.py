"""What alerts cost those who post and those who read."""

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from statistics import median, quantiles

import requests

from benchmarks import mail_servers
from benchmarks.mailing import CONNECTIONS, wait_until
from benchmarks.process import free_port, output, started
from benchmarks.site import BODY, STREAM, Site, temporary_site
from benchmarks.table import Row
from models.accounts.accounts import add_account, make_login_link
from models.streams.streams import StreamText, add_stream
from models.tables.people import Role
from notifier.reports.delivery_report import alert_sums

ASIDE = "aside"
"""A story that nobody follows: who posts there waits for the same database."""
CAP, IDLE_POSTS = 2_000, 100
SHARE = 0.2
PATH = f"/streams/{STREAM}/atom.xml"


class Editor:
    """Posts by the form of the desk, over one connection that is kept."""

    def __init__(self, site: Site) -> None:
        self._base = site.settings.base_url
        self._session = requests.Session()
        add_account(site.db, site.actor, "editor@example.org", "Editor", Role.EDITOR)
        link = f"{self._base}/login/{make_login_link(site.db, site.actor, 'editor@example.org')}"
        self._session.post(
            link, data={"csrf_token": self._token(link)}, timeout=30
        ).raise_for_status()
        self._csrf = self._token(f"{self._base}/desk/post")
        self._number = 0

    def _token(self, url: str) -> str:
        page = self._session.get(url, timeout=30)
        page.raise_for_status()
        match = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page.text)
        return match[1] if match else ""

    def post(self, stream: str) -> float:
        """Milliseconds from the form to the answer that it is out; who posts was asked already
        whether so many shall hear of it.
        """
        self._number += 1
        form = {
            "stream": stream,
            "title": f"Entry {self._number}",
            "dek": "So far.",
            "body": BODY,
            "do": "post",
            "confirmed": "yes",
        }
        key = f"k{id(self)}n{self._number}"
        began = time.perf_counter()
        url = f"{self._base}/desk/post"
        answer = self._session.post(
            url,
            data={**form, "request_key": key, "csrf_token": self._csrf},
            timeout=60,
            allow_redirects=False,
        )
        if answer.status_code != 303:
            raise SystemExit(f"the desk answered {answer.status_code} to a post")
        return (time.perf_counter() - began) * 1000


def posting(few: int, many: int, posts: int) -> list[Row]:
    """Posts beside each other to a story that few follow and to one that many do; nobody sends
    meanwhile.
    """
    took: dict[int, list[float]] = {few: [], many: []}
    with (
        _serving("--web-only", readers=few) as some,
        _serving("--web-only", readers=many) as others,
    ):
        editors = {few: Editor(some), many: Editor(others)}
        for number in range(posts + 5):
            for followers, editor in editors.items():
                taken = editor.post(STREAM)
                if number >= 5:  # the first ones fill caches
                    took[followers].append(taken)
    return [
        Row(
            f"post with {many:,} followers, p50",
            [median(took[many])],
            [median(took[few])],
            "ms",
            f"{few:,} followers",
            most=1.3,
        )
    ]


def draining(readers: int) -> list[Row]:
    """Posting and reading at a fixed rate, while nothing goes on and while mails drain."""
    with (
        mail_servers.limited(rate=CAP) as port,
        _serving(readers=readers, mail_url=f"smtp://127.0.0.1:{port}") as site,
    ):
        editor = Editor(site)
        web = int(site.settings.port)
        peak = float(output("benchmarks.http_load", str(web), "2", "200", PATH))
        seconds = readers / CAP * 0.8
        idle_posts, idle_p99 = _load(editor, site, peak * SHARE, min(seconds, 10))
        mail_servers.must_have(port, readers)
        uid = site.post("To all of them").uid
        posts, p99 = _load(editor, site, peak * SHARE, seconds)
        if _sent(site, uid) == readers:
            raise SystemExit("the mails were out before the measurement ended")
        _wait_for(site, uid, readers)
        mail_servers.must_have(port, readers)
    return [
        Row(
            f"posting, p99 of {len(posts)}",
            [quantiles(posts, n=100)[98]],
            [median(idle_posts)],
            "ms",
            "idle p50",
            most=10,
        ),
        Row(
            f"reading {peak * SHARE:,.0f} a second, p99",
            [p99],
            [idle_p99],
            "ms",
            "idle p99",
            most=10,
        ),
    ]


def _load(editor: Editor, site: Site, rate: float, seconds: float) -> tuple[list[float], float]:
    """The times of posts, ten a second, and the 99th percentile of readers meanwhile; ends where a
    reader got an error.
    """
    with ThreadPoolExecutor(1) as pool:
        readers = pool.submit(
            output,
            "benchmarks.steady_load",
            str(site.settings.port),
            f"{rate:.0f}",
            f"{seconds:.1f}",
            PATH,
        )
        posts = []
        while not readers.done():
            posts.append(editor.post(ASIDE))
            time.sleep(0.1)
    p99, errors = map(float, readers.result().split())
    if errors:
        raise SystemExit(f"{errors:.0f} readers got an error")
    return posts, p99


def _sent(site: Site, uid: str) -> int:
    with site.db.read() as tx:
        alerts = alert_sums(tx, 100_000)
    return next(int(alert["sent"]) for alert in alerts if alert["entry_uid"] == uid)


def _wait_for(site: Site, uid: str, readers: int) -> None:
    deadline = time.monotonic() + 60 + readers / 200
    while _sent(site, uid) < readers:
        if time.monotonic() > deadline:
            raise SystemExit("the mails did not all go out in time")
        time.sleep(0.5)


@contextmanager
def _serving(*options: str, readers: int, **settings: str) -> Iterator[Site]:
    """A site as `storywire serve` runs it."""
    port = free_port()
    settings = {
        "port": str(port),
        "base_url": f"http://127.0.0.1:{port}",
        "undo_seconds": "0",
        "log_level": "WARNING",
        **settings,
    }
    with temporary_site(mail_connections=CONNECTIONS, **settings) as site:
        site.add_readers(readers)
        site.post("The first")
        add_stream(site.db, site.actor, ASIDE, StreamText("Aside"))
        with started(
            "cli.main", "serve", *options, port=port, environment=site.settings.environment()
        ):
            if "--web-only" not in options:
                wait_until(site, owed=readers, sent=readers)
            yield site
