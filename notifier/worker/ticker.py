"""The ticker: looks about once a second for what time brings, and rings where work waits."""

import logging
import random
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import func, select

from models import Alert, Entry, EntryState, Fanout, Lane, Revision, RevisionState, Subscription
from models.alerts.clock_jump import TOLERANCE, mend_backward_jump, mend_forward_jump
from models.alerts.daily_numbers import note_day
from models.alerts.send_hold import watch
from models.db.clock import now
from models.db.database import ChangeWatch, Database
from models.db.heartbeats import HEARTBEAT_SECONDS, record_heartbeat
from models.membership.signup import delete_unanswered_signups
from models.publishing.publishing import MAX_PUBLICATION_DELAY, publish_due
from models.publishing.revising import apply_due
from models.streams.autosave import delete_expired_autosaves
from models.streams.pictures import delete_unused_pictures
from models.streams.streams import mark_idle_streams_quiet
from models.tables.ledger import MAY_EXPAND
from notifier.ledger.claim import may_claim
from notifier.ledger.digest_run import digests_due
from notifier.ledger.lease import LEASE, release_expired
from notifier.ledger.retention import finish_ended, fold_old
from notifier.worker.log_once import LogOnce

log = logging.getLogger(__name__)

HELD = "sending is held until `storywire resume`: %s"
# Between two ticks: jittered, so that nodes do not tick together.
MIN_TICK_SECONDS = 0.6
MAX_TICK_SECONDS = 1.0
WATCH_SECONDS = 0.05
QUIET_SECONDS = 60.0
LOOK_INSIDE_SECONDS = 0.25


class Ticker:
    """Periodic work of one worker for ``lanes``; the rings wake its threads.

    ``keep``: how long finished alerts keep their deliveries.
    """

    def __init__(
        self,
        db: Database,
        base_url: str,
        *,
        lanes: frozenset[Lane],
        keep: timedelta,
        max_delay: timedelta = MAX_PUBLICATION_DELAY,
        ring_expand: Callable[[], None],
        ring_lane: Callable[[Lane], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._monotonic = monotonic
        self._clock_seen: tuple[datetime, float] | None = None
        self._db = db
        self._base_url = base_url
        self._lanes = lanes
        self._keep = keep
        self._max_delay = max_delay
        self._ring_expand = ring_expand
        self._ring_lane = ring_lane
        self._troubles = LogOnce(log)
        self._quiet_at = 0.0
        self._beat_at = time.monotonic() + HEARTBEAT_SECONDS  # the engine recorded the first one

    def run(self, stop: threading.Event) -> None:
        """Tick until ``stop``; on SQLite also look within 50 ms of every commit of any process."""
        watch: ChangeWatch | None = None
        while not stop.is_set():
            try:
                watch = watch or (ChangeWatch(self._db) if self._db.embedded else None)
                self.tick()
                self._sleep(stop, watch, self._pause())
                self._troubles.over("the ticker")
            except Exception as exc:
                # the database may be away; the ticker is what notices that it is back
                self._troubles.report("the ticker", exc)
                stop.wait(MAX_TICK_SECONDS)
        if watch is not None:
            watch.close()

    def tick(self) -> None:
        """Do what is due: check the clock, record heartbeats or hold, publish, apply, release,
        ring.
        """
        self._mind_clock()
        if reason := watch(self._db, self._base_url):
            log.warning(HELD, reason)
        if time.monotonic() >= self._beat_at:
            record_heartbeat(self._db, self._lanes)
            self._beat_at = time.monotonic() + HEARTBEAT_SECONDS
        publish_due(self._db, self._max_delay)
        apply_due(self._db)
        release_expired(self._db)
        if time.monotonic() >= self._quiet_at:
            # first: a failure below must not keep each tick from due work
            self._quiet_at = time.monotonic() + QUIET_SECONDS
            if self._db.file is not None:
                self._db.file.look_inside(seconds=LOOK_INSIDE_SECONDS)
            mark_idle_streams_quiet(self._db)
            delete_unanswered_signups(self._db)
            delete_expired_autosaves(self._db)
            delete_unused_pictures(self._db)
            finish_ended(self._db)
            fold_old(self._db, self._keep)
            note_day(self._db)
        self.look()

    def _mind_clock(self) -> None:
        """Repair times after a jump of the clock, before anything is decided by them."""
        previous = self._clock_seen
        with self._db.read() as tx:
            at = now(tx)
            monotonic = self._monotonic()
        self._clock_seen = (at, monotonic)
        if previous is not None:
            passed = timedelta(seconds=monotonic - previous[1])
            if at - previous[0] - passed > TOLERANCE:
                log.warning("the clock jumped ahead; claims are kept")
                mend_forward_jump(self._db, LEASE)
        mend_backward_jump(self._db)

    def look(self) -> None:
        """Ring where work waits.  Reads only."""
        with self._db.read() as tx:
            undone = select(Fanout.id).join(Alert, Alert.id == Fanout.alert_id)
            waiting = (
                tx.scalar(undone.where(Fanout.done_at.is_(None), MAY_EXPAND).limit(1)) is not None
            )
            if waiting or digests_due(tx):
                self._ring_expand()
            lanes = [lane for lane in Lane if may_claim(tx, lane)]
        for lane in lanes:
            self._ring_lane(lane)

    def _sleep(self, stop: threading.Event, watch: ChangeWatch | None, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (remaining := until - time.monotonic()) > 0 and not stop.wait(
            min(remaining, WATCH_SECONDS) if watch else remaining
        ):
            if watch is not None and watch.changed():
                self.look()

    def _pause(self) -> float:
        """Seconds until the next tick: earlier where something is due earlier, so that it goes out
        on the second.
        """
        # S311: the jitter spreads load and guards nothing
        pause = random.uniform(MIN_TICK_SECONDS, MAX_TICK_SECONDS)  # noqa: S311
        with self._db.read() as tx:
            scheduled = select(func.min(Entry.publish_at)).where(
                Entry.state == EntryState.SCHEDULED, Entry.publish_at > now(tx)
            )
            pending = select(func.min(Revision.apply_at)).where(
                Revision.state == RevisionState.PENDING, Revision.apply_at > now(tx)
            )
            digest = select(func.min(Subscription.next_digest_at)).where(
                Subscription.next_digest_at > now(tx), Subscription.ended_at.is_(None)
            )

            for query in (scheduled, pending, digest):
                due_at = tx.scalar(query)
                if due_at is not None:
                    pause = min(pause, (due_at - now(tx)).total_seconds())
        return pause
