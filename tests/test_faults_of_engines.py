"""Two web nodes and two workers on PostgreSQL and RabbitMQ; either of these goes away and comes
back, and everything continues.
"""

import statistics
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
from sqlalchemy import delete, select
from sqlalchemy.exc import DBAPIError

from models import Alert, Delivery, Recipient
from models.db.database import Database, open_database
from tests.support.broker import Broker, OwnBroker, broker_server
from tests.support.delivery_audit import UNFINISHED, DeliveryAudit, audit_deliveries
from tests.support.mail_sink import MailSink, mail_sink
from tests.support.newsroom import Newsroom
from tests.support.postgres import postgres_server
from tests.support.requirements import skip_without
from tests.support.running_site import Editor, Site, eventually
from tests.support.tcp_proxy import Mode, TcpProxy, proxy

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

CONNECTIONS = 4  # of each worker
LINES = 20
"""Of log that a node may write while one thing is away: it tries several times a second."""
AWAY_SECONDS = 60.0
"""Longer than anybody waits for an answer, and than a lease lasts."""
SOON = 2.5
"""Seconds more than with a broker that is well: the ticker looks once a second.  Who waited for a
broker would wait for five and more.
"""
MINUTES = 240.0  # that thousands of mails may take where other work has the processor, too


@dataclass
class Cluster:
    """The nodes of one site, what they stand on, and the wires between."""

    postgres: Any
    database: TcpProxy
    broker: TcpProxy
    broker_server: Broker
    sink: MailSink
    web: list[Site]
    workers: list[Site]
    db: Database  # by no wire that is ever cut

    @contextmanager
    def database_away(self, fault: str) -> Iterator[None]:
        """Within, PostgreSQL is stopped or says nothing."""
        if fault == "stopped":
            self.postgres.stop()
        else:
            self.database.turn(Mode.SILENT)
        try:
            yield
        finally:
            if fault == "stopped":
                self.postgres.start()
            self.database.turn(Mode.THROUGH)

    def lines(self) -> Counter[str]:
        """How many lines each node has logged, those of tracebacks included."""
        nodes = [*self.web, *self.workers]
        return Counter({node.folder.name: node.log.read_text().count("\n") for node in nodes})


@dataclass
class StreamInOutage:
    """A story with readers of its own, posted to on the first web node."""

    cluster: Cluster
    slug: str
    readers: int
    editor: Editor
    posts: int = 0

    def post(self) -> None:
        """Post an entry that alerts."""
        self.posts += 1
        self.editor.post(f"Entry {self.posts}", "followers")

    def seconds_until_told(self) -> tuple[float, float]:
        """Seconds from a post to the editor's answer, and from then to the first mail."""
        known, began = len(self.cluster.sink.arrived), time.monotonic()
        self.post()
        posted = time.monotonic()
        eventually(lambda: len(self.cluster.sink.arrived) > known, what="the first mail")
        return posted - began, time.monotonic() - posted

    def wait_until_sent(self) -> DeliveryAudit:
        """The end of the sending."""
        eventually(self._is_settled, within=MINUTES, what="the end")
        found = audit_deliveries(self.cluster.db, self.cluster.sink.arrived)
        assert (found.sent, found.lost) == (found.owed, [])
        return found

    def _is_settled(self) -> bool:
        """Whether all deliveries were made and none waits; no where the database is away."""
        with suppress(DBAPIError), self.cluster.db.read() as tx:
            states = Counter(tx.scalars(select(Delivery.state)))
            return states.total() == self.posts * self.readers and not states.keys() & UNFINISHED
        return False


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Started once; each test leaves it well."""
    with ExitStack() as at_end:
        own_broker = at_end.enter_context(broker_server())
        postgres = at_end.enter_context(postgres_server())
        with psycopg.connect(postgres.get_uri(), autocommit=True) as admin:
            admin.execute("CREATE DATABASE storywire")
        database = at_end.enter_context(
            proxy(parse_qs(urlsplit(postgres.get_uri()).query)["host"][0] + "/.s.PGSQL.5432")
        )
        broker, sink = (
            at_end.enter_context(proxy(own_broker.address)),
            at_end.enter_context(mail_sink()),
        )
        settings = {
            "database_url": f"postgresql://postgres@127.0.0.1:{database.port}/storywire",
            "broker_url": f"amqp://{own_broker.login}@127.0.0.1:{broker.port}",
            "secret_key": "what all nodes of a site must share",
            "mail_url": sink.url,
            "mail_connections": str(CONNECTIONS),
            "undo_seconds": "0",
            "confirm_above": "1000000",
        }
        nodes = [
            Site(tmp_path_factory.mktemp(name), **settings)
            for name in ("web", "web", "worker", "worker")
        ]
        for node in nodes:
            at_end.callback(node.close)
        nodes[0].do("init")
        for node in nodes[2:]:  # first: a site without a worker is not ready
            node.spawn("worker")
        for node in nodes[:2]:
            node.start("serve", "--web-only")
        db = open_database(
            f"postgresql+psycopg://postgres:@/storywire?{urlsplit(postgres.get_uri()).query}"
        )
        at_end.callback(db.engine.dispose)
        yield Cluster(postgres, database, broker, own_broker, sink, nodes[:2], nodes[2:], db)
        assert [node.stop() for node in nodes] == [0, 0, 0, 0]


@pytest.fixture
def story(cluster: Cluster, request: pytest.FixtureRequest) -> StreamInOutage:
    """With so many readers as the test asks for; nothing is left of the stories before it."""
    room, slug = Newsroom(cluster.db), f"story-{uuid.uuid4().hex[:6]}"
    with room.db.begin() as tx:
        for table in (Alert, Recipient):
            tx.execute(delete(table))
    room.stream(slug)
    room.subscribe_many(request.param, slug)
    cluster.sink.arrived.clear()
    return StreamInOutage(cluster, slug, request.param, Editor(cluster.web[0], slug))


@pytest.mark.parametrize("story", [10], indirect=True)
def test_a_post_is_sent_by_another_node_within_a_second_whatever_the_broker_does(
    cluster: Cluster, story: StreamInOutage, say
) -> None:
    story.seconds_until_told()  # the workers have started
    usual_posting, usual_telling = map(
        max, zip(*(story.seconds_until_told() for _ in range(4)), strict=True)
    )
    for mode in (Mode.THROUGH, Mode.CUT, Mode.SILENT, Mode.THROUGH):
        before = cluster.lines()
        cluster.broker.turn(mode)
        posting, telling = zip(*(story.seconds_until_told() for _ in range(8)), strict=True)
        # a node that is drained meanwhile does not wait for the broker, either
        if mode is Mode.SILENT:
            assert cluster.workers[1].stop() == 0
            cluster.workers[1].spawn("worker")
        lines = max((cluster.lines() - before).values(), default=0)
        found = story.wait_until_sent()
        told = f"first mail after {statistics.median(telling):.2f} s (at most {max(telling):.2f} s)"
        say(
            f"broker {mode.value}: post answered within {max(posting):.2f} s, {told}, {lines} lines"
            " of log a node",
            found,
        )
        assert statistics.median(posting) < SOON + usual_posting
        assert statistics.median(telling) < SOON + usual_telling
        assert lines <= LINES
        assert found.doubled == 0


@pytest.mark.parametrize("story", [10], indirect=True)
def test_a_broker_that_is_stopped_for_a_minute_and_started_again_is_rung_again(
    cluster: Cluster, story: StreamInOutage, say
) -> None:
    server = cluster.broker_server
    if not isinstance(server, OwnBroker):
        skip_without("a RabbitMQ that may be stopped")
    story.seconds_until_told()
    usual_posting, usual_telling = map(
        max, zip(*(story.seconds_until_told() for _ in range(4)), strict=True)
    )
    before = cluster.lines()
    server.stop()
    until = time.monotonic() + AWAY_SECONDS
    took = [story.seconds_until_told()]
    while time.monotonic() < until:
        took.append(story.seconds_until_told())
        time.sleep(3)  # between two posts of the outage
    server.start()
    eventually(
        lambda: cluster.broker.connections >= len(cluster.workers), what="the workers at the broker"
    )
    posting, telling = zip(*took, strict=True)
    lines = max((cluster.lines() - before).values(), default=0)
    found = story.wait_until_sent()
    told = (
        f"{len(took)} posts, first mail after {statistics.median(telling):.2f} s (at most"
        f" {max(telling):.2f} s)"
    )
    say(f"RabbitMQ stopped for {AWAY_SECONDS:g} s: {told}, {lines} lines of log a node", found)
    assert statistics.median(posting) < SOON + usual_posting
    assert statistics.median(telling) < SOON + usual_telling
    assert lines <= LINES + len(took)  # each post is a line of its own
    assert found.doubled == 0


@pytest.mark.parametrize("story", [2_000], indirect=True)
@pytest.mark.parametrize("fault", ["stopped", "silent"])
def test_a_database_outage_while_mails_drain_loses_no_delivery(
    cluster: Cluster, story: StreamInOutage, fault: str, say
) -> None:
    feed, second = f"/streams/{story.slug}/atom.xml", cluster.web[1]
    before = cluster.lines()
    story.post()
    eventually(lambda: "Entry 1" in second.get(feed).text, what="the feed")
    eventually(lambda: len(cluster.sink.arrived) > 300, within=MINUTES, what="the drain")
    with cluster.database_away(fault):
        time.sleep(AWAY_SECONDS)  # the outage itself is what is tested
        assert second.get(feed).status_code == 200  # whatever is finished is still served
    found = story.wait_until_sent()
    lines = max((cluster.lines() - before).values(), default=0)
    say(
        f"PostgreSQL {fault} for {AWAY_SECONDS:g} s in mid-drain, {lines} lines of log a node",
        found,
    )
    assert lines <= LINES
    assert found.doubled <= CONNECTIONS * len(cluster.workers)
    story.seconds_until_told()  # all nodes are well again
    story.wait_until_sent()
