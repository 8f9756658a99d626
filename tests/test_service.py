"""A running service, posted to by command and read over HTTP."""

import contextlib
import hashlib
import hmac
import http.client
import json
import os
import re
import socket
from concurrent.futures import ThreadPoolExecutor

import feedparser
import pytest
import requests
from pytest_httpserver import HTTPServer

from tests.support.running_site import PATIENCE, Site, eventually, mail_server

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("service")]

READER, OTHER = "reader@example.org", "other@example.org"
BODY = "The gauge reads **6.02 metres**; the [model](https://model.example.org/) says more.\n"


class WebhookServer(HTTPServer):
    """A webhook that takes everything."""

    def __init__(self):
        super().__init__()
        self.expect_request("/hook", method="POST").respond_with_data("taken")

    def requests_of(self, event):
        return [request for request, _ in self.log if request.headers["Storywire-Event"] == event]


class RunningStream:
    """A service with a story `floods`, two readers and a webhook; each test posts entries of its
    own.
    """

    def __init__(self, site, inbox, hook):
        self.site, self.inbox, self.hook = site, inbox, hook
        self.secret = ""

    def post(self, title, *options):
        """Its uid."""
        return self.site.do("entry", "add", "floods", "--title", title, *options)

    def feed(self, name):
        """An entry by its title; titles in a feed are those of what it shows now."""
        answer = self.site.get(f"/streams/floods/{name}")
        assert answer.status_code == 200
        if name == "feed.json":
            return {item["title"]: item for item in answer.json()["items"]}
        parsed = feedparser.parse(answer.content)
        assert not parsed.bozo, parsed.get("bozo_exception")
        return {entry.title: entry for entry in parsed.entries}

    def mails(self, recipient, title):
        return [mail for mail in self.inbox.to(recipient) if title in mail.message["Subject"]]


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    with mail_server() as inbox, WebhookServer() as hook, contextlib.ExitStack() as at_end:
        site = Site(
            tmp_path_factory.mktemp("service"),
            mail_url=inbox.url,
            mail_from="The Courier <courier@news.example>",
            site_name="The Courier",
            allow_private_hosts=f"{hook.host}:{hook.port}",
        )
        at_end.callback(site.close)
        site.start()
        story = RunningStream(site, inbox, hook)
        site.do(
            "stream",
            "add",
            "floods",
            "--title",
            "The floods",
            "--dek",
            "The river rises.",
            "--contributor",
            "Ines Valbrook",
        )
        site.do("subscriber", "add", READER, "--stream", "floods", "--confirmed")
        site.do("subscriber", "add", OTHER, "--confirmed")
        added = site.do(
            "channel",
            "add",
            "bot",
            "--url",
            f"json://{hook.host}:{hook.port}/hook",
            "--stream",
            "floods",
            "--json",
        )
        story.secret = json.loads(added)["signing_secret"]
        yield story


FORMATS = ["atom.xml", "rss.xml", "feed.json"]


def test_an_entry_is_in_all_feeds_and_on_the_page_within_a_second(story):
    (story.site.folder / "body.md").write_text(BODY)
    added = story.site.run(
        "entry",
        "add",
        "floods",
        "--title",
        "Six metres",
        "--dek",
        "A record",
        "--by",
        "Ines Valbrook",
        "--by",
        "Jory Pell",
        "--tag",
        "River",
        "--body-file",
        "body.md",
    )
    uid = added.out.strip()
    found = {
        name: eventually(lambda name=name: story.feed(name).get("Six metres"), within=1, what=name)
        for name in FORMATS
    }
    page = eventually(
        lambda: "Six metres" in (text := story.site.get("/streams/floods").text) and text,
        within=1,
        what="the page",
    )
    path = f"/streams/floods/entries/{uid}"
    link = story.site.base_url + path
    posted = json.loads(story.site.do("entry", "list", "--json", "--state", "published"))[0]
    for name in ("atom.xml", "rss.xml"):
        entry = found[name]
        assert (entry.link, entry.id) == (link, posted["guid"])
        assert [author.name for author in entry.authors] == ["Ines Valbrook", "Jory Pell"]
        assert (
            entry.published_parsed[:6]
            == feedparser.datetimes._parse_date(posted["published_at"])[:6]
        )
        assert [
            tag.label or tag.term for tag in entry.tags if "importance" not in (tag.scheme or "")
        ] == ["River"]
        assert "<strong>6.02 metres</strong>" in entry.content[0].value
    item = found["feed.json"]
    assert (item["url"], item["id"], item["date_published"]) == (
        link,
        posted["guid"],
        posted["published_at"],
    )
    assert [author["name"] for author in item["authors"]] == ["Ines Valbrook", "Jory Pell"]
    assert "<strong>6.02 metres</strong>" in item["content_html"]
    assert f'href="{path}"' in page or f'href="{link}"' in page
    assert "A record" in page
    # what readers' programs look for
    assert all(f'href="{story.site.base_url}/streams/floods/{name}"' in page for name in FORMATS)


def test_each_reader_gets_one_mail_with_what_mail_programs_want(story):
    uid = story.post("Sirens sound", "--dek", "Leave the Flats")
    mail = eventually(lambda: story.mails(READER, "Sirens sound"), what="the mail")[0].message
    eventually(lambda: story.site.alerts()[0]["sent"] == 3, what="the sending")
    assert [len(story.mails(reader, "Sirens sound")) for reader in (READER, OTHER)] == [1, 1]
    assert (mail["To"], mail["From"]) == (READER, "The Courier <courier@news.example>")
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    leave = re.fullmatch(
        rf"<({re.escape(story.site.base_url)}/u/[\w-]+)>", mail["List-Unsubscribe"]
    )[1]
    assert mail["List-Id"] == "<floods.127.0.0.1>"
    assert mail["Message-ID"].endswith("@news.example>")
    assert f"<entry-{uid}@news.example>" in mail["References"]
    assert mail.get_content_type() == "multipart/alternative"
    text, html = (mail.get_body((kind,)).get_content() for kind in ("plain", "html"))
    for part in (text, html):
        assert f"{story.site.base_url}/streams/floods/entries/{uid}" in part
        assert leave in part
        assert "Leave the Flats" in part


def test_a_webhook_gets_one_request_that_it_can_verify(story):
    uid = story.post("Pumps arrive", "--tag", "Pumps")
    eventually(lambda: story.site.alerts()[0]["sent"] == 3, what="the sending")
    told = [
        request
        for request in story.hook.requests_of("publish")
        if json.loads(request.data)["title"] == "Pumps arrive"
    ]
    assert len(told) == 1
    fields = dict(part.split("=") for part in told[0].headers["Storywire-Signature"].split(","))
    signed = hmac.new(
        story.secret.encode(), fields["t"].encode() + b"." + told[0].data, hashlib.sha256
    ).hexdigest()
    assert hmac.compare_digest(fields["v1"], signed)
    assert json.loads(told[0].data)["url"].endswith(f"/streams/floods/entries/{uid}")


def test_one_click_ends_the_mails_for_that_reader_alone(story):
    leaving = "leaving@example.org"
    story.site.do("subscriber", "add", leaving, "--stream", "floods", "--confirmed")
    story.post("Before leaving")
    mail = eventually(lambda: story.mails(leaving, "Before leaving"), what="the mail")[0].message
    link = mail["List-Unsubscribe"].strip("<>")
    # a program that looks at links must not end anything
    assert requests.get(link, timeout=10).status_code == 200
    assert "other" not in requests.get(link, timeout=10).text
    story.post("Still there")
    eventually(lambda: story.mails(leaving, "Still there"), what="the mail")
    # As mail providers do it: no cookie, no referrer, RFC 8058 section 3.2's body.
    answers = [
        requests.post(
            link, data={"List-Unsubscribe": "One-Click"}, timeout=10, allow_redirects=False
        )
        for _ in range(2)
    ]
    assert [(answer.status_code, "Set-Cookie" in answer.headers) for answer in answers] == [
        (200, False)
    ] * 2
    story.post("After leaving")
    eventually(
        lambda: story.mails(READER, "After leaving") and story.mails(OTHER, "After leaving"),
        what="the mails",
    )
    eventually(lambda: story.site.alerts()[0]["sent"] == 3, what="the sending")
    assert not story.mails(leaving, "After leaving")


@pytest.mark.parametrize("name", [*FORMATS, ""])
def test_a_reader_that_has_it_already_gets_304(story, name):
    path = f"/streams/floods/{name}".rstrip("/")
    first = story.site.get(path)
    assert first.status_code == 200
    again = story.site.get(path, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content, again.headers["ETag"]) == (
        304,
        b"",
        first.headers["ETag"],
    )
    head = requests.head(story.site.base_url + path, timeout=10)
    assert (head.status_code, head.content, head.headers["ETag"]) == (
        200,
        b"",
        first.headers["ETag"],
    )
    assert head.headers["Content-Length"] == first.headers["Content-Length"], (
        "in the coding in which it would come"
    )


def test_a_retracted_entry_is_gone_and_its_recipients_are_notified(story):
    uid = story.post("Dyke holds")
    eventually(lambda: story.site.alerts()[0]["sent"] == 3, what="the sending")
    story.site.do("entry", "retract", uid, "--note", "It did not.")
    eventually(
        lambda: "Dyke holds" not in story.site.get("/streams/floods").text,
        within=1,
        what="the retraction",
    )
    gone = story.site.get(f"/streams/floods/entries/{uid}")
    assert (gone.status_code, "It did not." in gone.text, "Dyke holds" in gone.text) == (
        410,
        True,
        False,
    )
    eventually(
        lambda: not any("Dyke holds" in story.feed(name) for name in FORMATS),
        within=1,
        what="the retraction in the feeds",
    )
    eventually(lambda: story.site.alerts()[0]["sent"] == 3, what="the sending of the retraction")
    told = [json.loads(request.data) for request in story.hook.requests_of("retraction")]
    assert [one["note"] for one in told] == ["It did not."]


def test_a_silent_edit_shows_and_sends_no_alert(story):
    uid = story.post("Bridge closd")
    eventually(lambda: story.site.alerts()[0]["sent"] == 3, what="the sending")
    before = len(story.site.alerts())
    story.site.do("entry", "edit", uid, "--title", "Bridge closed")
    eventually(lambda: "Bridge closed" in story.feed("atom.xml"), within=1, what="the edit")
    assert len(story.site.alerts()) == before


@pytest.mark.slow
def test_a_second_service_on_the_same_data_ends_with_one_sentence(story, tmp_path):
    second = Site(tmp_path, data_dir=str(story.site.folder / "data"))
    ended = second.run("serve")
    assert ended.code == os.EX_CONFIG
    worker = story.site.children()["worker"].pid
    assert (
        ended.sentence
        == f"Another worker (process {worker}) is already using {story.site.folder / 'data'}. "
        "Stop it, or choose another folder with STORYWIRE_DATA_DIR."
    )
    assert story.site.get("/readyz").status_code == 200


def read_until_refused(site, answers):
    """Ask for a feed again and again, as long as connections live and new ones are let in; what
    came of each request.
    """
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=PATIENCE)
        try:
            connection.connect()
        except ConnectionRefusedError:
            return
        used = False
        with contextlib.closing(connection):
            while connection.sock is not None:
                try:
                    connection.request("GET", "/streams/tarrow-rises/atom.xml")
                    answer = connection.getresponse()
                except (ConnectionResetError, BrokenPipeError):
                    if not used:
                        raise
                    # closed while idle, just as it was asked again: nobody has read that request
                    break
                answers.append((answer.status, answer.read().endswith(b"</feed>\n")))
                used = True


@pytest.mark.slow
def test_a_stopping_service_answers_its_open_requests(tmp_path):
    site, answers = Site(tmp_path), []
    try:
        site.start("demo")
        with ThreadPoolExecutor(16) as pool:
            readers = [pool.submit(read_until_refused, site, answers) for _ in range(16)]
            eventually(lambda: len(answers) >= 60, what="reading")
            assert site.stop() == 0
            for reader in readers:
                reader.result()
        assert set(answers) == {(200, True)}
    finally:
        site.close()


@pytest.mark.slow
def test_clients_that_disconnect_during_shutdown_do_not_abort_it(tmp_path):
    site = Site(tmp_path)
    try:
        site.start("demo")
        callers = [socket.create_connection(("127.0.0.1", site.port)) for _ in range(24)]
        for caller in callers:
            caller.sendall(
                b"GET /streams/tarrow-rises/atom.xml HTTP/1.1\r\nHost: localhost\r\n\r\n"
            )
        callers[0].recv(1)  # they are being answered
        site.process.terminate()
        for caller in callers:
            caller.close()
        assert site.process.wait(PATIENCE) == 0
        assert "panic" not in site.log.read_text()
    finally:
        site.close()


def test_a_port_in_use_is_one_sentence(tmp_path):
    site = Site(tmp_path)
    with socket.create_server(("127.0.0.1", site.port)):
        ended = site.run("demo")
    assert (ended.code, ended.sentence) == (
        os.EX_CONFIG,
        f"Port {site.port} on 127.0.0.1 is in use; choose another with STORYWIRE_PORT.",
    )
    assert not (tmp_path / "data").exists()


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")  # root may write to any folder, but not below a file
    ended = Site(tmp_path, data_dir=str(tmp_path / "file" / "data")).run("serve")
    assert ended.code == os.EX_CONFIG
    assert ended.sentence.startswith("STORYWIRE_DATA_DIR: ")


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"web_threads": "99"}, "STORYWIRE_WEB_THREADS: write a whole number from 1 to 4."),
        (
            {"mail_url": "mail.example.org"},
            "STORYWIRE_MAIL_URL must start with smtp://, smtps:// or smtp+starttls://.",
        ),
    ],
    ids=str,
)
def test_a_bad_setting_is_one_sentence(tmp_path, settings, sentence):
    ended = Site(tmp_path, **settings).run("serve")
    assert (ended.code, ended.sentence) == (os.EX_CONFIG, sentence)
