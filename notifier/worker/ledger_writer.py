"""LedgerWriter: one thread that records what all senders do, as a group commit."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from sqlalchemy.exc import OperationalError

from models import DeliveryState
from models.alerts.send_mark import note_sends
from models.db.database import Database
from models.db.write_throttle import WriteThrottle
from notifier.ledger import settle
from notifier.ledger.attempt_log import log_attempt
from notifier.ledger.db_retry import AWAY_SECONDS, retry_while_db_unavailable
from notifier.ledger.fast_path import FastPath, SentRow, StartRow, WrittenRows
from notifier.ledger.retry import REPLY, Next
from notifier.ledger.settle import EndedAttempt, Start
from notifier.message.send_errors import Sent

log = logging.getLogger(__name__)

T = TypeVar("T")


class Recorded(NamedTuple):
    """What follows an ended attempt, and whether the next one began."""

    follows: Next | None
    started: bool


@dataclass(slots=True, eq=False)
class _Entry:
    """One sender's attempt that ended, one that begins, or both."""

    ended: EndedAttempt | None
    start: Start | None
    future: Future[Recorded] = field(default_factory=Future)
    follows: Next | None = None
    started: bool = False


class LedgerWriter:
    """Commits whatever has arrived meanwhile in one transaction, then completes the futures.

    Senders wait for theirs, so a crash doubles one message a sender at most.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        self._fast_path = FastPath(db)
        self._throttle = WriteThrottle(db)
        self._entries: list[_Entry] = []
        self._calls: list[Callable[[], None]] = []
        self._arrived = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="ledger writer")

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Write what has arrived, and end the thread."""
        with self._arrived:
            self._closed = True
            self._arrived.notify()
        if self._thread.ident is not None:
            self._thread.join()

    def record(
        self, ended: EndedAttempt | None = None, start: Start | None = None
    ) -> Future[Recorded]:
        """Record that one attempt has ended, that another one begins, or both.

        The future raises LeaseLost where another worker has one of the rows.
        """
        entry = _Entry(ended, start)
        with self._arrived:
            self._entries.append(entry)
            self._arrived.notify()
        return entry.future

    def call(self, write: Callable[[], T]) -> Future[T]:
        """Run another write of this worker's, so that its threads do not wait for each other's."""
        future: Future[T] = Future()

        def run() -> None:
            try:
                future.set_result(write())
            except Exception as exc:
                future.set_exception(exc)

        with self._arrived:
            self._calls.append(run)
            self._arrived.notify()
        return future

    def _run(self) -> None:
        while True:
            with self._arrived:
                self._arrived.wait_for(lambda: self._entries or self._calls or self._closed)
                entries, self._entries = self._entries, []
                calls, self._calls = self._calls, []
            if entries:
                with self._throttle.writing():
                    self._write(entries)
                note_sends(self._db)
            for call in calls:
                call()
            if not entries and not calls:
                self._fast_path.close()
                return

    def _write(self, entries: Sequence[_Entry]) -> None:
        for entry in entries:
            self._check_start(entry)
        try:
            self._write_fast(entries)
        except Exception as exc:
            # One of them, or the database: each by itself then, so that no other suffers from it.
            log.debug("outcomes are recorded one by one: %s", type(exc).__name__)
        slow = [entry for entry in entries if not self._complete(entry)]
        away_until = time.monotonic() + AWAY_SECONDS
        for entry in slow:
            # What did not leave yet need not wait for a database that is away.
            until = 0.0 if entry.ended is None else away_until
            try:
                retry_while_db_unavailable(lambda: self._write_slow(entry), until=until)  # noqa: B023  called at once
            except Exception as exc:
                entry.future.set_exception(exc)
            else:
                entry.future.set_result(Recorded(entry.follows, entry.started))

    def _check_start(self, entry: _Entry) -> None:
        try:
            if entry.start is not None and not entry.start.allowed():
                entry.start = None
        except OperationalError as exc:
            log.debug("no attempt begins while the database is away: %s", type(exc).__name__)
            entry.start = None

    def _write_fast(self, entries: Sequence[_Entry]) -> None:
        sent: list[SentRow] = []
        starts: list[StartRow] = []
        for entry in entries:
            ended, start = entry.ended, entry.start
            if ended is not None and isinstance(ended.outcome, Sent) and not ended.carried:
                sent.append(SentRow(ended.message, ended.token, ended.outcome.reply[:REPLY]))
            if start is not None and not start.pace and len(start.messages) == 1:
                starts.append(StartRow(start.messages[0], start.token))
        if sent or starts:
            self._note_written(entries, self._fast_path.write(sent, starts))

    def _note_written(self, entries: Sequence[_Entry], written: WrittenRows) -> None:
        for entry in entries:
            ended, start = entry.ended, entry.start
            if ended is not None and ended.message.id in written.settled:
                assert isinstance(ended.outcome, Sent)
                reply = ended.outcome.reply[:REPLY]
                entry.follows = Next(state=DeliveryState.SENT, reply=reply)
                log_attempt(ended.message, entry.follows)
            if start is not None and start.messages[0].id in written.started:
                entry.started = True

    def _complete(self, entry: _Entry) -> bool:
        """Answer an entry that the fast path has written whole."""
        is_settled = entry.ended is None or entry.follows is not None
        is_started = entry.start is None or entry.started
        if is_settled and is_started:
            entry.future.set_result(Recorded(entry.follows, entry.started))
        return is_settled and is_started

    def _write_slow(self, entry: _Entry) -> None:
        if entry.ended is not None and entry.follows is None:
            entry.follows = settle.settle(self._db, entry.ended)[0]
        if entry.start is not None and not entry.started:
            entry.started = settle.start(self._db, entry.start)
