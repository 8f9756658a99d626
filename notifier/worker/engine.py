"""The worker: its threads and ticker, and how they start and drain."""

import logging
import sys
import threading
from contextlib import suppress
from datetime import timedelta

from sqlalchemy.exc import DBAPIError

from config.keys import Keys
from config.settings import Settings
from models import Lane
from models.alerts.clock_jump import mend_backward_jump
from models.alerts.send_hold import watch
from models.alerts.send_mark import mark_sends
from models.db.database import Database
from models.db.heartbeats import record_heartbeat, remove_heartbeat
from notifier.ledger.db_retry import retry_while_db_unavailable
from notifier.ledger.digest_run import make_digests
from notifier.ledger.fan_out import expand_all
from notifier.ledger.lease import release_all
from notifier.ledger.pause import say_whether_mail_is_set_up
from notifier.transport.apprise_setup import set_up_apprise
from notifier.worker import wakeup
from notifier.worker.chat_lane import CHAT_THREADS, ChatLane
from notifier.worker.log_once import LogOnce
from notifier.worker.mail_lane import MailLane
from notifier.worker.station import Station
from notifier.worker.ticker import HELD, Ticker

log = logging.getLogger(__name__)

MOST_STAND_INS = 32
"""Threads more for chat, as long as so many wait for answers: so many targets that do not answer hold up nobody else."""
SWITCH_SECONDS = 0.0005
"""A thread that holds SQLite's write lock waits no longer for its turn: Python's 5 ms made those who post wait half a second."""
ALL_LANES = frozenset(Lane)


def run_worker(
    settings: Settings,
    keys: Keys,
    db: Database,
    stop: threading.Event,
    lanes: frozenset[Lane] = ALL_LANES,
) -> None:
    """Work until ``stop`` is set, then drain: messages in hand are settled, the rest of each claim
    goes back to the queue.

    On SQLite the caller must hold the worker's lock, since claims of earlier workers are released
    at the start.
    """
    sys.setswitchinterval(SWITCH_SECONDS)
    set_up_apprise(settings.allow_private_hosts)
    if db.embedded and (released := retry_while_db_unavailable(lambda: release_all(db))):
        log.info("released %d claims of an earlier worker", released)
    # before the heartbeat, by which it is seen, is made anew
    retry_while_db_unavailable(lambda: mend_backward_jump(db))
    if reason := retry_while_db_unavailable(lambda: watch(db, settings.base_url, starting=True)):
        log.warning(HELD, reason)
    worker = _Worker(settings, keys, db, stop, lanes)
    retry_while_db_unavailable(lambda: record_heartbeat(db, worker.lanes, starting=True))
    worker.start()
    try:
        stop.wait()
    finally:
        stop.set()
        worker.drain()
        with suppress(DBAPIError):  # the database is away: the row is forgotten after an hour
            remove_heartbeat(db)
        mark_sends(db, durable=True)


class _Worker:
    def __init__(
        self,
        settings: Settings,
        keys: Keys,
        db: Database,
        stop: threading.Event,
        lanes: frozenset[Lane],
    ) -> None:
        self._db, self._stop = db, stop
        troubles = LogOnce(log)
        self._remote = wakeup.BrokerWakeup(settings.broker_url) if settings.broker_url else None
        self._expand = Station("expand", self._expand_all, troubles)
        self._lanes: dict[Lane, Station] = {}
        if Lane.FAST in lanes:
            chat = ChatLane(settings, keys, db, stop, ring=lambda: self._ring(Lane.FAST))
            self._lanes[Lane.FAST] = Station(
                "urgent",
                lambda: chat.send_pass(self._lanes[Lane.FAST].stand_in),
                troubles,
                threads=CHAT_THREADS,
                most_stand_ins=MOST_STAND_INS,
                on_thread_end=chat.close_connection,
            )
        if Lane.BULK in lanes:
            has_mail = bool(settings.mail_url.get_secret_value())
            retry_while_db_unavailable(lambda: say_whether_mail_is_set_up(db, is_set=has_mail))
            if has_mail:
                mail = MailLane(settings, keys, db, stop)
                self._lanes[Lane.BULK] = Station(
                    "bulk",
                    mail.send_pass,
                    troubles,
                    threads=settings.mail_connections,
                    on_thread_end=mail.close_connection,
                )
        self._ticker = Ticker(
            db,
            settings.base_url,
            lanes=self.lanes,
            keep=timedelta(days=settings.keep_deliveries_days),
            max_delay=timedelta(minutes=settings.max_publication_delay_minutes),
            ring_expand=self._expand.ring,
            ring_lane=self._ring,
        )
        self._ticking = threading.Thread(target=self._ticker.run, args=(stop,), name="ticker")
        self._listener = (
            wakeup.BrokerListener(settings.broker_url, self._answers())
            if settings.broker_url
            else None
        )

    @property
    def lanes(self) -> frozenset[Lane]:
        """What this worker sends; bulk only where there is a mail server."""
        return frozenset(self._lanes)

    def _answers(self) -> dict[str, wakeup.Ring]:
        names = {Lane.FAST: wakeup.URGENT, Lane.BULK: wakeup.BULK}
        return {
            wakeup.EXPAND: self._expand.ring,
            **{names[lane]: station.ring for lane, station in self._lanes.items()},
        }

    def start(self) -> None:
        for station in (self._expand, *self._lanes.values()):
            station.start()
        if self._listener is not None:
            self._listener.start()
        self._ticking.start()

    def drain(self) -> None:
        """Nothing new is rung for, then each station ends what it has in hand."""
        self._ticking.join()
        if self._listener is not None:
            self._listener.stop()
        stations = [
            threading.Thread(target=station.stop)
            for station in (self._expand, *self._lanes.values())
        ]
        for stopping in stations:
            stopping.start()
        for stopping in stations:
            stopping.join()
        if self._remote is not None:
            self._remote.close()

    def _expand_all(self) -> int:
        """Fan out what waits and make digests that are due; the lanes are rung slice by slice, here
        and on the other nodes.
        """
        made = 0
        for work in (expand_all, make_digests):
            made += work(
                self._db, go_on=lambda: not self._stop.is_set(), ring=self._ring_everywhere
            )
        return made

    def _ring(self, lane: Lane) -> None:
        if lane in self._lanes:
            self._lanes[lane].ring()

    def _ring_everywhere(self, lane: Lane) -> None:
        self._ring(lane)
        if self._remote is not None:
            self._remote.ring(wakeup.BULK if lane is Lane.BULK else wakeup.URGENT)
