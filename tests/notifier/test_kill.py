"""A worker killed in the middle of its work: everybody gets the message, at most those in flight twice."""

import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import select, text

from config.keys import Keys
from models import Delivery, DeliveryState, Lane, Recipient, RecipientKind, RecipientState, Subscription
from models.database import Database, open_database
from models.streams import get_stream
from tests.conftest import Newsroom
from tests.notifier.conftest import Inbox
from tests.notifier.office import BASE_URL, MAIL_FROM, counted, tallied
from tests.notifier.test_engine import eventually, states

READERS, CONNECTIONS, KILLED_AT = 300, 3, 100


def subscribe_all(room: Newsroom) -> None:
    with room.db.begin() as tx:
        stream = get_stream(tx, "floods")
        confirmed = {"state": RecipientState.CONFIRMED, "confirmed_at": stream.created_at, "created_at": stream.created_at}
        readers = [
            Recipient(uid=f"reader{n}", kind=RecipientKind.MAIL, address=f"reader{n}@example.org", lane=Lane.BULK, **confirmed)
            for n in range(READERS)
        ]
        tx.add_all(readers)
        tx.flush()
        tx.add_all(Subscription(recipient_id=one.id, stream_id=stream.id, created_at=stream.created_at) for one in readers)


def start_worker(db: Database, folder: Path, inbox: Inbox) -> subprocess.Popen[bytes]:
    given = {
        "DATA_DIR": str(folder),
        "DATABASE_URL": db.engine.url.render_as_string(hide_password=False),
        "SECRET_KEY": "a secret for tests that is long enough",
        "BASE_URL": BASE_URL,
        "MAIL_URL": inbox.url,
        "MAIL_FROM": MAIL_FROM,
        "MAIL_CONNECTIONS": str(CONNECTIONS),
    }
    environment = {**os.environ, **{f"STORYWIRE_{name}": value for name, value in given.items()}}
    return subprocess.Popen([sys.executable, "-m", "cli.main", "worker"], env=environment, stdin=subprocess.DEVNULL)


@pytest.mark.processes
def test_a_worker_killed_between_claim_and_settle_loses_nobody(db: Database, keys: Keys, tmp_path: Path, inbox: Inbox) -> None:
    real = open_database(db.engine.url.render_as_string(hide_password=False))
    room = Newsroom(real)
    room.stream()
    subscribe_all(room)
    room.post()
    killed = threading.Event()

    def kill(index: int) -> None:
        if index >= KILLED_AT and not killed.is_set():  # the mail has left, and its answer never arrives
            os.kill(worker.pid, signal.SIGKILL)
            killed.set()

    inbox.on_data = kill
    worker = start_worker(real, tmp_path, inbox)
    assert eventually(killed.is_set)
    worker.wait(10)
    left = states(room)
    assert left[DeliveryState.CLAIMED] > 0
    assert left[DeliveryState.SENT] < READERS
    if not real.embedded:  # a minute later: leases of a node that is gone run out
        with real.begin() as tx:
            tx.execute(text("UPDATE delivery SET lease_until = lease_until - interval '2 minutes' WHERE state = 'claimed'"))
    second = start_worker(real, tmp_path, inbox)
    try:
        assert eventually(lambda: states(room) == {DeliveryState.SENT: READERS}, 60)
    finally:
        second.terminate()
        assert second.wait(30) == 0
    got = Counter(inbox.addresses)
    doubled = [address for address, times in got.items() if times > 1]
    assert len(got) == READERS
    assert doubled  # else the worker was not killed between an answer and its settling
    assert sum(got.values()) <= READERS + CONNECTIONS
    for address in doubled:
        assert len({mail["Message-ID"] for mail in inbox.mails if mail["To"] == address}) == 1
    with real.read() as tx:
        assert set(tx.scalars(select(Delivery.attempts))) <= {1, 2}
    assert tallied(real) == counted(real)
    real.engine.dispose()
