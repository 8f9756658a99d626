"""What real readers make of the feeds: one story, which all of them follow in step, in Atom and in
RSS.

What changes later is looked at in those that keep entries; rss2email sends each once, and that was
it.
"""

import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, nullcontext
from datetime import datetime

import pytest

from models.accounts.accounts import command_line_account
from models.publishing.posting import Release, add_entry
from models.text.actor import Actor
from models.text.texts import EntryText
from tests.support.feed_readers import (
    FeedParser,
    FeedReader,
    HttpProxy,
    Key,
    Newsboat,
    Rss2Email,
    ShownEntry,
)
from tests.support.requirements import skip_without
from tests.support.running_site import Site, eventually, mail_server

pytestmark = [pytest.mark.slow, pytest.mark.processes, pytest.mark.xdist_group("readers")]

READERS = {
    "feedparser": FeedParser,
    "newsboat": Newsboat,
    "reader": FeedReader,
    "rss2email": Rss2Email,
}
FILES = ["atom.xml", "rss.xml"]


class Step:
    """What one round of fetching brought a reader."""

    def __init__(self, news: list[Key], shown: dict[Key, ShownEntry], statuses: list[int]) -> None:
        self.news, self.shown, self.statuses = news, dict(shown), statuses


class FollowedStream:
    """A service behind a proxy, whose address is BASE_URL, and every reader that is on this
    machine.
    """

    def __init__(self, folder, at_end: ExitStack) -> None:
        self.proxy, inbox = HttpProxy(), at_end.enter_context(mail_server())
        at_end.callback(self.proxy.close)
        self.site = Site(folder, base_url=self.proxy.url)
        self.proxy.behind = self.site.port
        at_end.callback(self.site.close)
        self.site.start()
        self.site.do("stream", "add", "floods", "--title", "The floods")
        urls = [f"{self.proxy.url}/streams/floods/{name}" for name in FILES]
        self.readers = {}
        for name, program in READERS.items():
            if program.found:
                (folder / name).mkdir()
                self.readers[name] = program(folder / name, urls, inbox)
        self.steps: dict[str, dict[str, Step]] = {name: {} for name in self.readers}
        self.uids: dict[str, str] = {}

    def post(self, title: str, *options: str) -> None:
        self.uids[title] = self.site.do("entry", "add", "floods", "--title", title, *options)
        self.until(title)

    def until(self, text: str, files: Sequence[str] = FILES) -> None:
        """Wait until the service says it in these formats."""
        for name in files:
            eventually(
                lambda name=name: text in self.site.get(f"/streams/floods/{name}").text, what=text
            )

    @contextmanager
    def two_around(self, before: str, after: str):
        """Post one entry right before the service answers, and another right after; the seconds in
        which they came out.
        """
        actor, seconds = Actor.of(command_line_account(self.site.db)), set()

        def post(title: str) -> None:
            entry = add_entry(self.site.db, actor, "floods", EntryText(title), Release())
            seconds.add(entry.published_at.replace(microsecond=0))
            self.until(title, FILES[:1])

        @contextmanager
        def around():
            eventually(lambda: time.time() % 1 < 0.05, what="the beginning of a second")
            post(before)
            yield
            post(after)

        self.proxy.around = around
        yield seconds
        self.proxy.around = nullcontext

    def fetch(self, step: str) -> None:
        """Let all readers fetch at the same time."""
        self.proxy.answers.clear()
        with ThreadPoolExecutor(len(self.readers)) as pool:
            found = {name: pool.submit(reader.fetch) for name, reader in self.readers.items()}
        for name, news in found.items():
            reader = self.readers[name]
            self.steps[name][step] = Step(
                news.result(), reader.shown, self.proxy.statuses(reader.agent)
            )

    def entry(self, title: str) -> dict:
        return next(one for one in self.posted if one["uid"] == self.uids[title])


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    with ExitStack() as at_end:
        story = FollowedStream(tmp_path_factory.mktemp("readers"), at_end)
        story.post(
            "Six metres", "--dek", "A record", "--by", "Ines Valbrook", "--at", "2026-03-14T08:00Z"
        )
        story.fetch("first")
        story.fetch("second")
        story.fetch("third")
        eventually(lambda: time.time() % 1 < 0.05, what="the beginning of a second")
        story.post("Sirens sound")
        story.fetch("one")
        story.post("Bridge closd")
        story.post("Dyke holds")
        story.fetch("two more")
        story.site.do("entry", "edit", story.uids["Bridge closd"], "--title", "Bridge closed")
        story.site.do(
            "entry",
            "edit",
            story.uids["Six metres"],
            "--kind",
            "correction",
            "--note",
            "It was five.",
            "--title",
            "Five metres",
        )
        story.until("It was five.")
        story.fetch("changes")
        story.posted = json.loads(story.site.do("entry", "list", "--json", "--state", "published"))
        story.site.do("entry", "retract", story.uids["Dyke holds"], "--note", "It did not.")
        story.until("It did not.")
        story.fetch("withdrawal")
        yield story


@pytest.fixture(params=READERS)
def steps(request, story):
    if request.param not in story.steps:
        skip_without(request.param)
    return story.steps[request.param]


@pytest.fixture
def key(story):
    """Both places of an entry, by the title with which it was posted."""
    return lambda title: [Key(name, story.entry(title)["guid"]) for name in FILES]


def test_an_entry_comes_with_title_link_date_and_author(steps, story, key):
    posted = story.entry("Six metres")
    assert sorted(steps["first"].news) == key("Six metres")
    for place in key("Six metres"):
        shown = steps["first"].shown[place]
        assert (shown.title, shown.author) == ("Six metres", "Ines Valbrook")
        assert (shown.link, shown.published) == (
            posted["url"],
            datetime.fromisoformat(posted["published_at"]),
        )
        assert "A record" in shown.text


def test_a_reader_with_a_current_copy_gets_304(steps):
    # newsboat keeps the validators of its second answer, not of its first.
    assert (steps["second"].news, steps["third"].news) == ([], [])
    assert steps["third"].statuses == [304, 304]


def test_each_entry_is_new_once_and_two_between_two_visits_both_come(steps, key):
    assert sorted(steps["one"].news) == key("Sirens sound")
    assert sorted(steps["two more"].news) == sorted(key("Bridge closd") + key("Dyke holds"))


def test_what_changes_is_not_new(steps):
    assert [steps[step].news for step in ("changes", "withdrawal")] == [[], []]
    assert [steps[step].statuses for step in ("changes", "withdrawal")] == [[200, 200]] * 2


@pytest.mark.parametrize("steps", [name for name in READERS if name != "rss2email"], indirect=True)
def test_what_changed_is_shown(steps, key):
    for closed, corrected, withdrawn in zip(
        key("Bridge closd"), key("Six metres"), key("Dyke holds"), strict=True
    ):
        assert steps["changes"].shown[closed].title == "Bridge closed"
        assert steps["changes"].shown[corrected].title == "Five metres"
        assert "It was five." in steps["changes"].shown[corrected].text
        assert steps["withdrawal"].shown[withdrawn].title == "Retracted"
        assert "It did not." in steps["withdrawal"].shown[withdrawn].text


def test_a_reader_that_polls_between_two_entries_of_one_second_gets_both(story):
    """libcurl drops a whole answer whose Last-Modified is no later than the date of the one that it
    has.
    """
    newsboat = story.readers.get("newsboat") or skip_without("newsboat")
    for number in range(20):  # a busy machine may need some tries
        with story.two_around(f"Before {number}", f"After {number}") as seconds:
            newsboat.fetch_one("atom.xml")
        found = newsboat.fetch_one("atom.xml")
        assert [newsboat.shown[key].title for key in found] == [f"After {number}"]
        if len(seconds) == 1:
            return
    pytest.fail("no two entries came within one second")


def test_the_doctor_agrees(story):
    reports = json.loads(story.site.do("doctor", "feeds", "--json", "--url", story.site.base_url))
    assert len(reports) == 2 * 3 * 3  # the site's and the stream's, in each flavour and format
    assert [report["path"] for report in reports if report["verdict"] != "ok"] == []
