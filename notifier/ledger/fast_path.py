"""Fast path of the ledger: messages that were sent, and attempts that begin, in one transaction.

Nearly every message costs these two writes and no other, so they speak to the driver directly:
SQLAlchemy's part would cost more than the database's. Rows that need more are left as they are.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from models import TallyKind
from models.db.clock import database_clock
from models.db.database import Database
from models.db.tallies import ADD_TALLY_SQL, WORKER_NAME, tally_rows
from models.tables.base import UtcDateTime
from notifier.ledger.claim import Message

# A channel that failed before has more to be written down when it takes a message again.
_HEALTHY = """(lane = 'bulk' OR EXISTS (
    SELECT 1 FROM recipient WHERE recipient.id = recipient_id AND refusals = 0 AND failing_since IS NULL))"""
# A channel that asked for a rest, or is probed by one message at a time, takes nothing now.
_FREE = """(lane = 'bulk' OR NOT EXISTS (
    SELECT 1 FROM recipient WHERE recipient.id = recipient_id AND (sick_since IS NOT NULL OR next_at > {now})))"""
_SENT = "state = 'sent', claim_token = NULL, lease_until = NULL"
_SETTLE_ONE = f"UPDATE delivery SET {_SENT}, settled_at = ?, last_reply = ? WHERE id = ? AND claim_token = ? AND {_HEALTHY}"  # noqa: S608  fixed words
_START_ONE = f"UPDATE delivery SET started_at = ? WHERE id = ? AND claim_token = ? AND {_FREE.format(now='?')}"  # noqa: S608  fixed words
_DIGESTED = "UPDATE subscription SET digested_seq = ? WHERE id = ? AND digested_seq < ?"
_NOW = "coalesce(%s, clock_timestamp())"
_WRITE_ALL = f"""
    WITH settled AS (
        UPDATE delivery SET {_SENT}, settled_at = {_NOW}, last_reply = given.reply
        FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS given (id, token, reply)
        WHERE delivery.id = given.id AND claim_token = given.token AND {_HEALTHY}
        RETURNING delivery.id, alert_id, lane
    ), started AS (
        UPDATE delivery SET started_at = {_NOW}
        FROM unnest(%s::bigint[], %s::text[]) AS given (id, token)
        WHERE delivery.id = given.id AND claim_token = given.token AND {_FREE.format(now=_NOW)}
        RETURNING delivery.id
    ), digested AS (
        UPDATE subscription SET digested_seq = served.upto
        FROM settled JOIN unnest(%s::bigint[], %s::bigint[], %s::bigint[]) AS served (settled_id, id, upto)
            ON served.settled_id = settled.id
        WHERE subscription.id = served.id AND digested_seq < served.upto
    ), added AS (
        INSERT INTO tally (alert_id, worker, lane, state, number)
        SELECT alert_id, %s, lane, 'sent', count(*) FROM settled GROUP BY alert_id, lane ORDER BY alert_id, lane
        ON CONFLICT (alert_id, worker, lane, state) DO UPDATE SET number = tally.number + excluded.number
    )
    SELECT id, true FROM settled UNION ALL SELECT id, false FROM started
"""  # noqa: S608  fixed words


class SentRow(NamedTuple):
    """A message that its receiver took, the claim's token, and the receiver's reply."""

    message: Message
    token: str
    reply: str


class StartRow(NamedTuple):
    """A message whose attempt begins, and the claim's token."""

    message: Message
    token: str


class WrittenRows(NamedTuple):
    """Ids of the deliveries that were settled and started; the others need another look."""

    settled: set[int]
    started: set[int]


class FastPath:
    """For one thread. Keeps its connection until an error, or until ``close``."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._connection: Connection | None = None
        self._clock_session = db()  # for clocks that ask no database
        processor = UtcDateTime().bind_processor(db.engine.dialect)
        self._stamp: Callable[[datetime], object] = processor or (lambda moment: moment)

    def write(self, sent: Sequence[SentRow], starts: Sequence[StartRow]) -> WrittenRows:
        """Settle ``sent`` and mark ``starts`` as begun, in one transaction.

        Left out: rows that another worker has now, and rows whose channel is failing or resting.
        """
        connection = self._connection = self._connection or self._connect()
        try:
            driver = connection.connection.driver_connection
            write = self._write_each if self._db.embedded else self._write_all
            written = write(driver, sent, starts)
        except BaseException:
            self._connection = None
            connection.invalidate()
            connection.close()
            raise
        if self._db.short_of_connections:  # other threads and nodes wait for one
            self.close()
        return written

    def close(self) -> None:
        """Give the connection back; the next write takes another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            if not self._db.embedded:
                with suppress(DBAPIError):  # it is away, and so is the connection
                    connection.exec_driver_sql("RESET plan_cache_mode")
            connection.close()

    def _connect(self) -> Connection:
        connection = self._db.engine.connect()
        if not self._db.embedded:
            connection = connection.execution_options(isolation_level="AUTOCOMMIT")
            # Planning the statement anew takes longer than running it.
            connection.exec_driver_sql("SET plan_cache_mode = force_generic_plan")
        return connection

    def _write_each(
        self, driver: Any, sent: Sequence[SentRow], starts: Sequence[StartRow]
    ) -> WrittenRows:
        cursor = driver.cursor()
        cursor.execute("BEGIN IMMEDIATE")
        now = self._stamp(self._db.clock(self._clock_session))
        settled: list[Message] = []
        for message, token, reply in sent:
            if cursor.execute(_SETTLE_ONE, (now, reply, message.id, token)).rowcount:
                settled.append(message)
        started: set[int] = set()
        for message, token in starts:
            if cursor.execute(_START_ONE, (now, message.id, token, now)).rowcount:
                started.add(message.id)
        served = [(one.upto, served_id, one.upto) for one in settled for served_id in one.serves]
        cursor.executemany(_DIGESTED, served)
        tallies = Counter((one.alert_id, one.lane, TallyKind.SENT) for one in settled)
        cursor.executemany(ADD_TALLY_SQL, tally_rows(tallies))
        cursor.execute("COMMIT")
        return WrittenRows({one.id for one in settled}, started)

    def _write_all(
        self, driver: Any, sent: Sequence[SentRow], starts: Sequence[StartRow]
    ) -> WrittenRows:
        """One statement, so one round trip and a transaction by itself."""
        # PostgreSQL reads its own clock within the statement.
        own_clock = self._db.clock is database_clock
        now = None if own_clock else self._db.clock(self._clock_session)
        served = [
            (row.message.id, served_id, row.message.upto)
            for row in sent
            for served_id in row.message.serves
        ]
        values = (
            now,
            [row.message.id for row in sent],
            [row.token for row in sent],
            [row.reply for row in sent],
            now,
            [row.message.id for row in starts],
            [row.token for row in starts],
            now,
            *([row[column] for row in served] for column in range(3)),
            WORKER_NAME,
        )
        written = WrittenRows(set(), set())
        for delivery_id, is_settled in driver.execute(_WRITE_ALL, values, prepare=True):
            (written.settled if is_settled else written.started).add(delivery_id)
        return written
