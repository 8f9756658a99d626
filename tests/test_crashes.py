"""Processes killed in the middle of their work: everybody gets each message, at most those in flight twice, and a post counts once."""

import json
import re
import threading
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import psutil
import psycopg
import pytest
import requests
from service import PATIENCE, MailServer, Site, eventually, gone, mail_server

from cli.lifeline import GRACE_SECONDS
from models.accounts import command_line_account
from models.actor import Actor
from models.audience import add_subscriber
from notifier.lease import LEASE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

READERS = [f"reader{number}@example.org" for number in range(600)]
CONNECTIONS = 4  # of each worker
ANSWERED = 100  # mails that are answered before the kill; each connection then has one that is not


def add_readers(site: Site) -> None:
    """By the function that `subscriber add` calls."""
    actor = Actor.of(command_line_account(site.db))
    for reader in READERS:
        add_subscriber(site.db, actor, reader, stream="floods")


def check_told_once(inbox: MailServer, site: Site, killed: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Wait for the end of the sending and count; doubles are allowed for what one worker had in flight."""
    sums = eventually(lambda: (one := site.alerts()[0])["sent"] == len(READERS) and one, within=LEASE.seconds + PATIENCE, what="the end")
    ids: dict[str, list[str]] = {reader: [] for reader in READERS}
    for mail in inbox.received:
        ids[mail.recipient].append(mail.message_id)
    lost = [reader for reader, found in ids.items() if not found]
    doubled = [reader for reader, found in ids.items() if len(found) > 1]
    with capsys.disabled():
        print(f"\n{killed} killed: owed {sums['owed']}, sent {sums['sent']}, lost {len(lost)}, doubled {len(doubled)}")
    assert {name: sums[name] for name in ("owed", "failed", "unknown", "skipped", "queued")} == {
        "owed": len(READERS), "failed": 0, "unknown": 0, "skipped": 0, "queued": 0,
    }  # fmt: skip
    assert lost == []
    assert len(doubled) <= CONNECTIONS
    assert all(len(found) <= 2 and len(set(found)) == 1 for found in ids.values())
    assert len({found[0] for found in ids.values()}) == len(READERS)


@pytest.mark.parametrize("killed", ["the worker", "the supervisor", "everything"])
def test_a_kill_while_mails_are_sent_loses_none(tmp_path, capsys, killed):
    with mail_server() as inbox:
        site = Site(tmp_path, mail_url=inbox.url, mail_connections=str(CONNECTIONS))
        try:
            site.start()
            site.do("stream", "add", "floods", "--title", "The floods")
            add_readers(site)
            inbox.hold_after = ANSWERED
            site.do("entry", "add", "floods", "--title", "Six metres")
            eventually(lambda: len(inbox.received) == ANSWERED + CONNECTIONS, what="a mail on each connection")

            supervisor, children = psutil.Process(site.process.pid), site.children()
            victims = {
                "the worker": [children["worker"]],
                "the supervisor": [supervisor],
                "everything": [supervisor, *children.values()],
            }[killed]
            for process in victims:
                process.kill()
            ended = [children["worker"]] if killed == "the worker" else [supervisor, *children.values()]
            eventually(lambda: gone(ended), within=GRACE_SECONDS + 2, what="the end of what was killed and of its orphans")
            assert len(inbox.received) == ANSWERED + CONNECTIONS
            inbox.let_go()
            if supervisor in ended:
                assert site.alerts()[0]["sent"] == ANSWERED
                site.start()
            check_told_once(inbox, site, killed, capsys)
        finally:
            site.close()


@pytest.fixture
def postgres_site_url(postgres_url):
    """An empty database for the nodes of one site."""
    name = f"storywire_crash_{uuid.uuid4().hex[:12]}"
    base, _, query = postgres_url.partition("?")
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
        yield f"{base.rpartition('/')[0]}/{name}" + (f"?{query}" if query else "")
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_of_two_workers_on_postgresql_the_living_one_sends_what_the_killed_one_held(tmp_path, capsys, postgres_site_url):
    nodes = []
    with mail_server() as inbox:
        settings = {
            "database_url": postgres_site_url,
            "secret_key": "what all nodes of a site must share",
            "mail_url": inbox.url,
            "mail_connections": str(CONNECTIONS),
        }
        try:
            for name in ("web", "first", "second"):
                (tmp_path / name).mkdir()
                nodes.append(Site(tmp_path / name, **settings))
            web, *workers = nodes
            web.do("init")
            web.start("serve", "--web-only")
            web.do("stream", "add", "floods", "--title", "The floods")
            add_readers(web)
            for worker in workers:
                worker.spawn("worker")
            inbox.hold_after = ANSWERED
            web.do("entry", "add", "floods", "--title", "Six metres")
            eventually(lambda: len(inbox.received) == ANSWERED + 2 * CONNECTIONS, what="a mail on each connection")
            workers[0].process.kill()
            workers[0].process.wait()
            inbox.let_go()
            check_told_once(inbox, web, "one of two workers", capsys)
            assert workers[1].stop() == 0
        finally:
            for node in nodes:
                node.close()


class Editor:
    """Posts by the desk's form; a post that is not answered is sent again, as it was."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._session = requests.Session()
        site.do("account", "add", "editor@example.org")
        link = site.do("account", "login-link", "editor@example.org")
        assert self._session.post(link, allow_redirects=False, timeout=PATIENCE).status_code == 303
        page = self._session.get(f"{site.base_url}/desk/post?stream=floods", timeout=PATIENCE).text
        self._token = re.search(r'name="csrf_token"[^>]* value="([^"]+)"', page)[1]
        self._lock = threading.Lock()
        self.answered = 0
        self.repeated = 0

    def post(self, title: str) -> str:
        """The address that the form led to."""
        form = {"csrf_token": self._token, "request_key": uuid.uuid4().hex, "version": "0", "stream": "floods", "title": title,
                "importance": "normal", "alert": "nobody", "do": "post"}  # fmt: skip
        while True:
            try:
                answer = requests.post(
                    f"{self._site.base_url}/desk/post", form, cookies=self._session.cookies, allow_redirects=False, timeout=PATIENCE
                )
            except requests.ConnectionError:
                with self._lock:
                    self.repeated += 1
                continue
            assert answer.status_code == 303, answer.text
            with self._lock:
                self.answered += 1
            return answer.headers["Location"]


def test_a_post_whose_web_process_is_killed_can_be_sent_again_and_counts_once(tmp_path):
    titles = [f"Entry {number}" for number in range(200)]
    site = Site(tmp_path, undo_seconds="0")
    try:
        site.start()
        site.do("stream", "add", "floods", "--title", "The floods")
        editor = Editor(site)
        with ThreadPoolExecutor(8) as pool:
            posts = [pool.submit(editor.post, title) for title in titles]
            for when in (40, 120):
                eventually(lambda when=when: editor.answered >= when, what="the posting")
                site.children()["web"].kill()
            places = [post.result() for post in posts]
        assert editor.repeated >= 1  # a kill met a post
        found = json.loads(site.do("entry", "list", "--json", "--limit", "1000"))
        assert Counter(entry["title"] for entry in found) == Counter(titles)
        assert {entry["state"] for entry in found} == {"published"}
        uids = {entry["title"]: entry["uid"] for entry in found}
        assert [place.rpartition("/")[2].partition("?")[0] for place in places] == [uids[title] for title in titles]
    finally:
        site.close()
