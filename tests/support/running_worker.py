"""A worker in a thread of the test's process."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import select

from config.keys import Keys
from models import Delivery, DeliveryState, Lane
from models.db.database import Database, open_database
from models.recipients.audience import add_subscriber
from models.text.actor import SYSTEM
from notifier.worker.engine import run_worker
from tests.support.newsroom import Newsroom
from tests.support.office import settings

PATIENCE = 30.0


def eventually(condition: Callable[[], object], seconds: float = PATIENCE) -> bool:
    """Whether ``condition`` comes true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


@contextmanager
def working(
    db: Database, keys: Keys, *, lanes: frozenset[Lane] = frozenset(Lane), **given: object
) -> Iterator[threading.Event]:
    """A worker with its own connections; drained at the end, or when the event is set."""
    own = open_database(db.engine.url.render_as_string(hide_password=False), synchronous="NORMAL")
    stop, failures = threading.Event(), []

    def run() -> None:
        try:
            run_worker(settings(**given), keys, own, stop, lanes)
        except BaseException as exc:
            failures.append(exc)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield stop
    finally:
        stop.set()
        thread.join(PATIENCE)
        own.engine.dispose()
    assert not thread.is_alive()
    assert failures == []


def subscribe(room: Newsroom, *addresses: str) -> None:
    for address in addresses:
        add_subscriber(room.db, SYSTEM, address, stream="floods")


def states(room: Newsroom) -> Counter[DeliveryState]:
    with room.db.read() as tx:
        return Counter(tx.scalars(select(Delivery.state)))
