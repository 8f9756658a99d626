"""Writing down what was sent: the one write that nearly every message costs, so with as little work
as the database allows.

The driver is spoken to directly, since SQLAlchemy's part would cost more than the database's.
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
from models.db.write_throttle import WriteThrottle
from models.tables.base import UtcDateTime
from notifier.ledger.claim import Message

_WELL = """(lane = 'bulk' OR EXISTS (
    SELECT 1 FROM recipient WHERE recipient.id = recipient_id AND refusals = 0 AND failing_since IS NULL))"""
"""Of a channel that failed before there is more to write down."""
_SENT = "state = 'sent', claim_token = NULL, lease_until = NULL"
_EACH = f"UPDATE delivery SET {_SENT}, settled_at = ?, last_reply = ? WHERE id = ? AND claim_token = ? AND {_WELL}"  # noqa: S608  fixed words
_NEXT = "UPDATE delivery SET started_at = ? WHERE id = ? AND claim_token = ?"
_DIGESTED = "UPDATE subscription SET digested_seq = ? WHERE id = ? AND digested_seq < ?"
_ALL = f"""
    WITH told AS (
        UPDATE delivery SET {_SENT}, settled_at = coalesce(%s, clock_timestamp()), last_reply = given.reply
        FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS given (id, token, reply)
        WHERE delivery.id = given.id AND claim_token = given.token AND {_WELL}
        RETURNING delivery.id, alert_id, lane
    ), next AS (
        UPDATE delivery SET started_at = coalesce(%s, clock_timestamp())
        FROM unnest(%s::bigint[], %s::text[]) AS begun (id, token)
        WHERE delivery.id = begun.id AND claim_token = begun.token
    ), digested AS (
        UPDATE subscription SET digested_seq = served.upto
        FROM told JOIN unnest(%s::bigint[], %s::bigint[], %s::bigint[]) AS served (told_id, id, upto) ON served.told_id = told.id
        WHERE subscription.id = served.id AND digested_seq < served.upto
    ), added AS (
        INSERT INTO tally (alert_id, worker, lane, state, number)
        SELECT alert_id, %s, lane, 'sent', count(*) FROM told GROUP BY alert_id, lane ORDER BY alert_id, lane
        ON CONFLICT (alert_id, worker, lane, state) DO UPDATE SET number = tally.number + excluded.number
    )
    SELECT id FROM told
"""  # noqa: S608  fixed words


class SentDelivery(NamedTuple):
    """A message that was taken, by whose claim, what its receiver said to it, and the delivery that
    is begun next.
    """

    message: Message
    token: str
    reply: str
    next_id: int | None = None


class SentWriter:
    """For one thread at a time. Keeps a connection until something goes wrong with it, or until
    ``close``.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        self._throttle = WriteThrottle(db)
        self._connection: Connection | None = None
        self._asks = db()  # a clock that the database is not needed for
        self._stamp: Callable[[datetime], object] = UtcDateTime().bind_processor(
            db.engine.dialect
        ) or (lambda moment: moment)

    def write(self, told: Sequence[SentDelivery]) -> set[int]:
        """Settle these in one transaction; returns the ids of those that were.

        The others were not ours any more, or their channel was not well, and are to be looked at
        one by one.
        """
        connection = self._connection = self._connection or self._connect()
        try:
            with self._throttle.writing():
                driver = connection.connection.driver_connection
                written = (
                    self._write_each(driver, told)
                    if self._db.embedded
                    else self._write_all(driver, told)
                )
        except BaseException:
            self._connection = None
            connection.invalidate()
            connection.close()
            raise
        if self._db.short_of_connections:  # other threads and nodes wait for one
            self.close()
        return written

    def _connect(self) -> Connection:
        connection = self._db.engine.connect()
        if not self._db.embedded:
            connection = connection.execution_options(isolation_level="AUTOCOMMIT")
            # to plan it anew takes longer than to do it
            connection.exec_driver_sql("SET plan_cache_mode = force_generic_plan")
        return connection

    def close(self) -> None:
        """Give the connection back; the next write takes another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            if not self._db.embedded:
                with suppress(DBAPIError):  # it is away, and so is the connection
                    connection.exec_driver_sql("RESET plan_cache_mode")
            connection.close()

    def _write_each(self, driver: Any, told: Sequence[SentDelivery]) -> set[int]:
        cursor = driver.cursor()
        cursor.execute("BEGIN IMMEDIATE")
        moment = self._stamp(self._db.clock(self._asks))
        written = [
            one
            for one in told
            if cursor.execute(_EACH, (moment, one.reply, one.message.id, one.token)).rowcount
        ]
        messages = [one.message for one in written]
        cursor.executemany(
            _NEXT, [(moment, one.next_id, one.token) for one in told if one.next_id is not None]
        )
        cursor.executemany(
            _DIGESTED,
            [(one.upto, subscription, one.upto) for one in messages for subscription in one.serves],
        )
        cursor.executemany(
            ADD_TALLY_SQL,
            tally_rows(Counter((one.alert_id, one.lane, TallyKind.SENT) for one in messages)),
        )
        cursor.execute("COMMIT")
        return {one.id for one in messages}

    def _write_all(self, driver: Any, told: Sequence[SentDelivery]) -> set[int]:
        """One statement, so one round trip and a transaction by itself."""
        # its own clock it reads by itself
        moment = None if self._db.clock is database_clock else self._db.clock(self._asks)
        given = [
            [one.message.id for one in told],
            [one.token for one in told],
            [one.reply for one in told],
        ]
        begun = [(one.next_id, one.token) for one in told if one.next_id is not None]
        served = [
            (one.message.id, subscription, one.message.upto)
            for one in told
            for subscription in one.message.serves
        ]
        columns = [[row[column] for row in begun] for column in range(2)]
        values = (
            moment,
            *given,
            moment,
            *columns,
            *([row[column] for row in served] for column in range(3)),
            WORKER_NAME,
        )
        return {row[0] for row in driver.execute(_ALL, values, prepare=True)}
