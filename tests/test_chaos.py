"""Random kills of every process while editors post and readers come and go; then what arrived is
compared with what the rules owe.

`make chaos` runs it. CHAOS_SECONDS (each half, 50 by default) and CHAOS_SEED may be set; the seed
is printed.
"""

import os
import random
import subprocess
import sys
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import DBAPIError

from models import Delivery, DeliveryState, Recipient
from models.publishing.publishing import Entry
from models.publishing.revising import TEXT_KINDS, Change, restore, retract, revise
from models.recipients.audience import add_subscriber, unsubscribe
from models.tables.ledger import Alert, Fanout
from models.tables.stories import EntryState, Revision, RevisionKind, RevisionState
from models.tables.stories import Site as SiteRow
from models.text.errors import ServiceError
from models.text.texts import EntryText
from models.text.tokens import ALL_STREAMS
from tests.support.mail_sink import CUT_WITHIN_DATA, MailSink, mail_sink
from tests.support.newsroom import Newsroom
from tests.support.running_site import Editor, Site, eventually, gone

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

SECONDS = float(os.environ.get("CHAOS_SECONDS", "50"))
SEED = int(os.environ.get("CHAOS_SEED", random.randrange(100_000)))
CONNECTIONS = 4  # of each worker
CHANNEL_THREADS = 8
READERS = 40  # who follow from the beginning to the end
RESTS_WITHIN = 240.0  # seconds after the last fault, on a busy machine
OVERLAP = timedelta(seconds=2)
"""Transactions that run at once bear times which do not tell which was first: the site's counter
does.
"""
ENDED = (DeliveryState.SENT, DeliveryState.SKIPPED)


class ChaosWebhook:
    """A webhook target that answers 503, or not at all, to some requests; it keeps the deliveries
    that it took.
    """

    def __init__(self, failing: float, seed: int) -> None:
        self.arrived: list[tuple[str, str]] = []
        choose, lock = random.Random(seed), threading.Lock()
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                with lock:
                    fails = choose.random() < failing
                    hangs_up = fails and choose.random() < 0.3
                    if not fails:
                        hook.arrived.append((hook.name, self.headers["Storywire-Delivery"]))
                if not hangs_up:
                    self.send_response(503 if fails else 200)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                self.close_connection = hangs_up

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.name = f"hook-{self.server.server_port}"
        self.url = f"json://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@dataclass
class Chaos:
    """One run: the nodes of a site, what they send to, and all that happened."""

    nodes: list[Site]
    sink: MailSink
    hooks: list[ChaosWebhook]
    seed: int
    editors: list[Editor]
    stop: threading.Event = field(default_factory=threading.Event)
    done: Counter[str] = field(default_factory=Counter)
    posted: list[str] = field(default_factory=list)
    faults: list[BaseException] = field(default_factory=list)
    periods: dict[str, list[tuple[datetime, datetime | None]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    """When each guest followed: a subscription that is taken up again begins anew in the tables."""

    @property
    def room(self) -> Newsroom:
        return Newsroom(self.nodes[0].db)

    def run(self, seconds: float) -> None:
        """Let everything happen at once for so long, then let it come to rest."""
        workers = (self._post, self._post, self._change, self._come_and_go, self._refuse)
        threads = [
            threading.Thread(target=self._repeat, args=(work, number))
            for number, work in enumerate(workers)
        ]
        for thread in threads:
            thread.start()
        end = threading.Event()
        timer = threading.Timer(seconds, end.set)
        timer.start()
        choose = random.Random(self.seed)
        while not end.wait(choose.uniform(2, 5)):
            self._kill(choose)
        self.stop.set()
        for thread in threads:
            thread.join()
        if self.faults:
            raise self.faults[0]
        eventually(self._at_rest, within=RESTS_WITHIN, what="rest")

    def _repeat(self, work: Callable[[random.Random, int], None], number: int) -> None:
        choose = random.Random(self.seed * 10 + number)
        try:
            while not self.stop.wait(choose.uniform(0.05, 0.6)):
                # another was first, or the database was busy: nothing was changed
                with suppress(ServiceError, DBAPIError):
                    work(choose, number)
        except BaseException as exc:
            self.faults.append(exc)

    def _post(self, choose: random.Random, number: int) -> None:
        title = f"Entry {number}-{len(self.posted)}-{choose.randrange(10**9)}"
        choose.choice(self.editors).post(title, "followers")
        self.posted.append(title)

    def _change(self, choose: random.Random, _: int) -> None:
        room = self.room
        with room.db.read() as tx:
            rows = tx.execute(select(Entry.uid, Entry.version, Entry.state, Entry.title)).all()
        if not rows:
            return
        uid, version, state, title = choose.choice(rows)
        kind = choose.choice([*TEXT_KINDS, RevisionKind.RETRACTION])
        if state is EntryState.RETRACTED:
            kind = RevisionKind.RESTORE
            restore(room.db, room.actor, uid, version, Change(kind))
        elif kind is RevisionKind.RETRACTION:
            retract(room.db, room.actor, uid, version, Change(kind, "It was not so."))
        else:
            revise(
                room.db,
                room.actor,
                uid,
                version,
                EntryText(title, dek=f"Changed {version} times"),
                Change(kind, "More is known."),
            )
        self.done[kind.value] += 1

    def _come_and_go(self, choose: random.Random, _: int) -> None:
        room, address = self.room, f"guest{choose.randrange(30)}@example.org"
        with room.db.read() as tx:
            guest = tx.scalar(select(Recipient.uid).where(Recipient.address == address))
        periods, began = self.periods[address], datetime.now(UTC)
        follows = bool(periods) and periods[-1][1] is None
        if guest is not None and follows and choose.random() < 0.5:
            unsubscribe(room.db, guest, ALL_STREAMS)
            periods[-1] = (periods[-1][0], datetime.now(UTC))
            self.done["left"] += 1
        elif not follows:
            add_subscriber(room.db, room.actor, address, stream="floods")
            periods.append((began, None))
            self.done["joined"] += 1

    def _refuse(self, choose: random.Random, _: int) -> None:
        fault = choose.choice(
            ["rcpt 451 4.3.0 try again later", "data 451 4.3.0 try again later", CUT_WITHIN_DATA]
        )
        self.sink.faults[f"reader{choose.randrange(READERS)}@example.org"] = fault
        self.done["cut" if fault == CUT_WITHIN_DATA else "refused"] += 1

    def _kill(self, choose: random.Random) -> None:
        node = choose.choice(self.nodes)
        victim = choose.choice(["web", "worker", "worker", "supervisor", "everything"])
        assert node.process is not None
        children = node.children()
        self.done[f"{victim} killed"] += 1
        if victim in ("web", "worker"):
            with suppress(KeyError, psutil.NoSuchProcess):
                children[victim].kill()
            return
        supervisor = psutil.Process(node.process.pid)
        for process in (supervisor, *(children.values() if victim == "everything" else ())):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        node.process.wait()
        eventually(lambda: gone(children.values()), what="the end of the children")
        node.start()

    def _at_rest(self) -> bool:
        """Whether nothing is owed; what waits for another try is tried at once."""
        unfinished = [DeliveryState.QUEUED, DeliveryState.CLAIMED]
        with suppress(DBAPIError), self.nodes[0].db.begin() as tx:
            now = self.nodes[0].db.clock(tx)
            tx.execute(
                update(Delivery)
                .where(Delivery.state == DeliveryState.QUEUED, Delivery.due_at > now)
                .values(due_at=now)
            )
            tx.execute(update(Recipient).where(Recipient.next_at > now).values(next_at=None))
            owed = tx.scalar(select(Delivery.id).where(Delivery.state.in_(unfinished)).limit(1))
            finding = tx.scalar(select(Fanout.alert_id).where(Fanout.done_at.is_(None)).limit(1))
            pending = tx.scalar(
                select(Revision.id).where(Revision.state == RevisionState.PENDING).limit(1)
            )
            return owed is None and finding is None and pending is None
        return False

    @property
    def worker_kills(self) -> int:
        return sum(
            number
            for what, number in self.done.items()
            if what.endswith("killed") and not what.startswith("web")
        )


@dataclass(frozen=True)
class Told:
    """A message that a recipient was owed: of which revision of which entry."""

    address: str
    state: DeliveryState
    entry: int
    no: int
    kind: RevisionKind
    reason: Any
    may_have_arrived: bool

    def __str__(self) -> str:
        reason = f" ({self.reason.value})" if self.reason else ""
        return f"{self.no} {self.kind.value} {self.state.value}{reason}"


@dataclass
class Findings:
    """What is wrong, a sentence each."""

    lost: list[str] = field(default_factory=list)
    wrongly_told: list[str] = field(default_factory=list)
    doubled: int = 0
    told_in_case: int = 0  # of the retraction of an entry that may have arrived, and did not
    doubled_in_channels: int = 0

    def __str__(self) -> str:
        return (
            f"lost {len(self.lost)}, doubled {self.doubled} (channels {self.doubled_in_channels}),"
            f" wrongly told {len(self.wrongly_told)}"
        )


def reconcile(chaos: Chaos) -> Findings:
    """Compare what arrived with what the rules owe, as entries, revisions and subscriptions tell
    it.
    """
    found = Findings()
    rows: dict[tuple[str, int], list[Told]] = defaultdict(list)
    arrived = Counter([*chaos.sink.arrived, *(one for hook in chaos.hooks for one in hook.arrived)])
    mails = Counter(chaos.sink.arrived)
    found.doubled = mails.total() - len(mails)
    found.doubled_in_channels = arrived.total() - len(arrived) - found.doubled
    with chaos.nodes[0].db.read() as tx:
        query = (
            select(
                Delivery.uid,
                Recipient.address,
                Delivery.state,
                Revision.entry_id,
                Revision.no,
                Revision.kind,
                Delivery.reason,
                Delivery.may_have_arrived_at.is_not(None),
            )
            .join(Recipient, Recipient.id == Delivery.recipient_id)
            .join(Alert, Alert.id == Delivery.alert_id)
            .join(Revision, Revision.id == Alert.revision_id)
        )
        ledger = {uid: Told(address, *rest) for uid, address, *rest in tx.execute(query)}
        applied = (Revision.state == RevisionState.APPLIED, Revision.alerts)
        retracted = set(tx.scalars(select(Entry.id).where(Entry.state == EntryState.RETRACTED)))
        revisions = tx.execute(
            select(Revision.entry_id, Revision.no, Revision.kind, Revision.applied_at).where(
                *applied
            )
        ).all()
        steady = set(tx.scalars(select(Recipient.address).where(Recipient.address.like("reader%"))))
    told: dict[tuple[str, int], set[int]] = defaultdict(set)
    for address, uid in arrived:
        if uid not in ledger or ledger[uid].address != address:
            found.wrongly_told.append(f"{address} got {uid}, which the ledger does not know")
            continue
        told[address, ledger[uid].entry].add(ledger[uid].no)
    for uid, row in ledger.items():
        rows[row.address, row.entry].append(row)
        if row.state not in ENDED or (
            row.state is DeliveryState.SENT and (row.address, uid) not in arrived
        ):
            found.lost.append(
                f"{row.address}: revision {row.no} of entry {row.entry} is {row.state.value}"
            )
    by_entry: dict[int, list[tuple[int, RevisionKind, datetime]]] = defaultdict(list)
    for entry, no, kind, at in revisions:
        by_entry[entry].append((no, kind, at))
    for entry, history in by_entry.items():
        first_no, _, published_at = min(history)
        _look_for_strangers(found, told, entry, first_no, published_at, chaos.periods)
        last_no, last_kind, _ = max(history)
        if last_kind is RevisionKind.RETRACTION and entry not in retracted:
            # it was restored, about which nobody is told; its retraction is told or cancelled
            continue
        before = len(found.wrongly_told)
        may_have = {
            address
            for address in steady
            if any(row.may_have_arrived for row in rows[address, entry] if row.no < last_no)
        }
        _compare(found, told, entry, last_no, last_kind, steady, may_have)
        for number, sentence in enumerate(found.wrongly_told[before:], before):
            address = sentence.partition(" ")[0]
            found.wrongly_told[number] += f"; ledger: {', '.join(map(str, rows[address, entry]))}"
    return found


def _compare(
    found: Findings,
    told: dict[tuple[str, int], set[int]],
    entry: int,
    last_no: int,
    last_kind: RevisionKind,
    steady: set[str],
    may_have: set[str],
) -> None:
    """Whoever follows all the time is told of the last alert of an entry; of a retraction, exactly
    those who were told before.

    ``may_have``: those whose connection broke while a mail about the entry was on its way. They are
    told in case it arrived.
    """
    for address in steady:
        heard = told[address, entry]
        if last_kind is not RevisionKind.RETRACTION:
            if last_no not in heard:
                found.lost.append(f"{address} was not told of revision {last_no} of entry {entry}")
        elif heard == {last_no} and address in may_have:
            found.told_in_case += 1
        elif bool(heard - {last_no}) != (last_no in heard):
            found.wrongly_told.append(
                f"{address} heard revisions {sorted(heard)} of entry {entry}, retracted by"
                f" {last_no}"
            )


def _look_for_strangers(
    found: Findings,
    told: dict[tuple[str, int], set[int]],
    entry: int,
    no: int,
    published_at: datetime,
    guests: dict[str, list[tuple[datetime, datetime | None]]],
) -> None:
    """Nobody is told of what came out before they followed or after they left."""
    for address, periods in guests.items():
        followed = any(
            began - OVERLAP <= published_at and (ended is None or ended + OVERLAP >= published_at)
            for began, ended in periods
        )
        if no in told[address, entry] and not followed:
            found.wrongly_told.append(f"{address} did not follow when entry {entry} came out")


@contextmanager
def chaos_on(folder: Path, names: list[str], **settings: str) -> Iterator[Chaos]:
    """A site of one node or more with readers and two channels, one of which fails now and then."""
    with mail_sink() as sink, ExitStack() as at_end:
        hooks = [ChaosWebhook(0.0, SEED), ChaosWebhook(0.3, SEED + 1)]
        for hook in hooks:
            at_end.callback(hook.close)
        settings |= {
            "mail_url": sink.url,
            "mail_connections": str(CONNECTIONS),
            "undo_seconds": "0",
            "confirm_above": "1000000",
        }
        settings |= {"allow_private_hosts": "127.0.0.1"}
        nodes = []
        for name in names:
            (folder / name).mkdir()
            nodes.append(Site(folder / name, **settings))
            at_end.callback(nodes[-1].close)
        nodes[0].do("init")
        for node in nodes:
            node.start()
        room = Newsroom(nodes[0].db)
        room.stream()
        room.subscribe_many(READERS)
        for hook in hooks:
            nodes[0].do("channel", "add", hook.name, "--url", hook.url, "--stream", "floods")
        yield Chaos(nodes, sink, hooks, SEED, [Editor(node, patient=True) for node in nodes])


def check(what: str, chaos: Chaos, say: Callable[[str, object], None]) -> None:
    """Reconcile and print; each post counts once."""
    found = reconcile(chaos)
    happened = ", ".join(f"{what} {number}" for what, number in sorted(chaos.done.items()))
    say(
        f"chaos on {what}, seed {SEED}, {SECONDS:g} s: {len(chaos.posted)} posts, {happened};"
        f" {len(chaos.sink.arrived)} mails",
        found,
    )
    with chaos.nodes[0].db.read() as tx:
        titles = Counter(tx.scalars(select(Entry.title)))
    assert titles == Counter(chaos.posted)
    assert found.lost == []
    assert found.wrongly_told == []
    assert found.doubled <= chaos.worker_kills * CONNECTIONS
    assert found.told_in_case <= chaos.done["cut"] + chaos.worker_kills * CONNECTIONS
    assert found.doubled_in_channels <= chaos.worker_kills * CHANNEL_THREADS


def copy_database(source: Path, to: Path) -> None:
    """A copy by SQLite's backup API, in a process of its own: closing the file here would drop the
    locks that this one has.
    """
    script = (
        "import sqlite3, sys; a, b = map(sqlite3.connect, sys.argv[1:]); a.backup(b); b.close();"
        " a.close()"
    )
    subprocess.run([sys.executable, "-c", script, str(source), str(to)], check=True)


def test_kills_on_sqlite_keep_the_delivery_promise_and_a_restored_copy_sends_nothing(tmp_path, say):
    with chaos_on(tmp_path, ["site"]) as chaos:
        [site] = chaos.nodes
        database, copy = site.folder / "data" / "storywire.sqlite3", tmp_path / "copy.sqlite3"
        copying = threading.Timer(SECONDS / 2, copy_database, (database, copy))
        copying.start()
        chaos.run(SECONDS)
        check("SQLite", chaos, say)
        copying.join()
        assert site.stop() == 0
        site.db.engine.dispose()
        with database.open("r+b") as live:  # as `cp` does it: the same file, other bytes
            live.write(copy.read_bytes())
            live.truncate()
        for leftover in ("-wal", "-shm"):
            Path(f"{database}{leftover}").unlink(missing_ok=True)
        before = len(chaos.sink.arrived)
        site.spawn("serve")

        def held() -> bool:
            with site.db.read() as tx:
                return tx.scalar(select(SiteRow.held_reason)) is not None

        eventually(held, within=RESTS_WITHIN, what="the hold")
        site.do("entry", "add", "floods", "--title", "After the restore")
        assert site.stop() == 0
        assert len(chaos.sink.arrived) == before


def test_kills_on_two_nodes_keep_the_delivery_promise(tmp_path, say, postgres_site_url):
    settings = {
        "database_url": postgres_site_url,
        "secret_key": "what all nodes of a site must share",
    }
    with chaos_on(tmp_path, ["one", "other"], **settings) as chaos:
        chaos.run(SECONDS)
        check("two nodes on PostgreSQL", chaos, say)
