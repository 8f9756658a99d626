"""Processes killed in the middle of their work: everybody gets each message, at most those in
flight twice, and a post counts once.
"""

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest
from sqlalchemy import func, select, update

from cli.process.parent_watch import GRACE_SECONDS
from models import Delivery, DeliveryState
from tests.support.delivery_audit import audit_deliveries
from tests.support.mail_sink import MailSink, mail_sink
from tests.support.newsroom import Newsroom
from tests.support.running_site import Editor, Site, eventually, gone

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

CONNECTIONS = 4  # of each worker
MINUTES = 240.0  # that thousands of mails may take where other work has the processor, too
# mails that are answered before a kill at a known moment; each connection then has one that is not
ANSWERED = 100


def story_with_readers(site: Site, number: int) -> None:
    """A story that so many follow by mail."""
    room = Newsroom(site.db)
    room.stream()
    room.subscribe_many(number)


def all_settled(site: Site, number: int) -> bool:
    """Whether the alert was expanded for so many, and nothing of it is owed any more."""
    one = site.alerts()[0]
    return one["owed"] == number and one["queued"] == 0


def check(
    what: str,
    site: Site,
    sink: MailSink,
    number: int,
    say: Callable[[str, object], None],
    *,
    most_doubled: int,
) -> None:
    """Wait until all is sent, and count; the tallies must agree with the ledger."""
    eventually(lambda: all_settled(site, number), within=MINUTES, what="the end")
    found = audit_deliveries(site.db, sink.arrived)
    say(what, found)
    assert (found.owed, found.sent, found.lost) == (number, number, [])
    assert found.doubled <= most_doubled
    assert site.alerts()[0]["sent"] == number


def test_a_worker_killed_at_ten_random_moments_loses_no_delivery(tmp_path, say):
    number, seed = 20_000, random.randrange(10_000)
    # the first: while recipients are still being found
    moments = [0, *sorted(random.Random(seed).sample(range(number - 500), 9))]
    with mail_sink() as sink:
        site = Site(tmp_path, mail_url=sink.url, mail_connections=str(CONNECTIONS))
        try:
            site.do("init")
            story_with_readers(site, number)
            site.do("entry", "add", "floods", "--title", "Six metres")
            for moment in moments:
                worker = site.spawn("worker")
                eventually(
                    lambda moment=moment: len(sink.arrived) > moment,
                    within=MINUTES,
                    what=f"mail {moment}",
                )
                worker.kill()
                worker.wait()
            site.spawn("worker")
            check(
                f"worker killed {len(moments)} times (seed {seed})",
                site,
                sink,
                number,
                say,
                most_doubled=len(moments) * CONNECTIONS,
            )
            assert site.stop() == 0
        finally:
            site.close()


@pytest.mark.parametrize("killed", ["the supervisor", "everything"])
def test_a_kill_while_mails_are_sent_loses_none(tmp_path, say, killed):
    number = 600
    with mail_sink() as sink:
        site = Site(tmp_path, mail_url=sink.url, mail_connections=str(CONNECTIONS))
        try:
            site.start()
            story_with_readers(site, number)
            sink.hold_after = ANSWERED
            site.do("entry", "add", "floods", "--title", "Six metres")
            eventually(
                lambda: len(sink.arrived) == ANSWERED + CONNECTIONS,
                what="a mail on each connection",
            )
            supervisor, children = psutil.Process(site.process.pid), site.children().values()
            for process in (supervisor, *(children if killed == "everything" else ())):
                process.kill()
            site.process.wait()
            # By then the mails that are held had no time to time out.
            eventually(
                lambda: gone([supervisor, *children]),
                within=5 * GRACE_SECONDS,
                what="the end of what was killed and of its orphans",
            )
            assert len(sink.arrived) == ANSWERED + CONNECTIONS
            sink.let_go()
            assert site.alerts()[0]["sent"] == ANSWERED
            site.start()
            check(f"{killed} killed", site, sink, number, say, most_doubled=CONNECTIONS)
        finally:
            site.close()


@contextmanager
def two_nodes(
    folder: Path, database_url: str, number: int
) -> Iterator[tuple[MailSink, Site, Site]]:
    """Two workers of one site in the middle of an alert: each has a mail on each connection that is
    not answered yet.
    """
    with mail_sink() as sink, ExitStack() as at_end:
        settings = {
            "database_url": database_url,
            "secret_key": "what all nodes of a site must share",
        }
        settings |= {"mail_url": sink.url, "mail_connections": str(CONNECTIONS)}
        nodes = []
        for name in ("one", "other"):
            (folder / name).mkdir()
            nodes.append(Site(folder / name, **settings))
            at_end.callback(nodes[-1].close)
        one, other = nodes
        one.do("init")
        story_with_readers(one, number)
        sink.hold_after = ANSWERED
        for node in nodes:
            node.spawn("worker")
        one.do("entry", "add", "floods", "--title", "Six metres")
        eventually(
            lambda: len(sink.arrived) == ANSWERED + 2 * CONNECTIONS,
            what="a mail on each connection of both nodes",
        )
        yield sink, one, other


def tokens(site: Site) -> set[str]:
    """The claims that are held now."""
    with site.db.read() as tx:
        return set(
            tx.scalars(select(Delivery.claim_token).where(Delivery.state == DeliveryState.CLAIMED))
        )


def test_a_node_that_is_drained_in_mid_send_gives_back_what_it_holds(
    tmp_path, say, postgres_site_url
):
    number = 3_000
    with two_nodes(tmp_path, postgres_site_url, number) as (sink, drained, other):
        held = tokens(other)
        assert len(held) == 2 * CONNECTIONS
        sink.let_go()
        assert drained.stop() == 0
        eventually(
            lambda: not tokens(other) & held,
            what="the end of the claims, long before that of their leases",
        )
        check("one of two nodes drained", other, sink, number, say, most_doubled=0)
        assert other.stop() == 0


def test_what_a_killed_node_held_is_sent_by_another(tmp_path, say, postgres_site_url):
    number, seed = 6_000, random.randrange(10_000)
    killed_at = random.Random(seed).randrange(200, 3_000)
    with two_nodes(tmp_path, postgres_site_url, number) as (sink, killed, other):
        sink.let_go()
        eventually(
            lambda: len(sink.arrived) >= killed_at, within=MINUTES, what="the moment of the kill"
        )
        killed.process.kill()
        killed.process.wait()
        # it gives back what it holds: what is claimed now is the killed one's
        assert other.stop() == 0
        with other.db.begin() as tx:  # a minute passes
            tx.execute(
                update(Delivery)
                .where(Delivery.state == DeliveryState.CLAIMED)
                .values(lease_until=func.now())
            )
        other.spawn("worker")
        check(
            f"one of two nodes killed (seed {seed})",
            other,
            sink,
            number,
            say,
            most_doubled=CONNECTIONS,
        )
        assert other.stop() == 0


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
                eventually(
                    lambda when=when: editor.answered >= when, within=MINUTES, what="the posting"
                )
                site.children()["web"].kill()
            places = [post.result() for post in posts]
        assert editor.repeated >= 1  # a kill met a post
        found = json.loads(site.do("entry", "list", "--json", "--limit", "1000"))
        assert Counter(entry["title"] for entry in found) == Counter(titles)
        assert {entry["state"] for entry in found} == {"published"}
        uids = {entry["title"]: entry["uid"] for entry in found}
        assert [place.rpartition("/")[2].partition("?")[0] for place in places] == [
            uids[title] for title in titles
        ]
    finally:
        site.close()
