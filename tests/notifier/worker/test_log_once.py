"""An outage is one line of log when it begins and one when it is over; a fault in the code keeps
its traceback.
"""

import logging
import sqlite3

import pytest
from dramatiq.errors import ConnectionClosed
from pika.exceptions import AMQPConnectionError, ConnectionClosedByBroker, StreamLostError
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from notifier.worker.log_once import LogOnce

OUTAGES = [
    OperationalError("SELECT 1", {}, sqlite3.OperationalError("disk I/O error\nsecond line")),
    InterfaceError("SELECT 1", {}, sqlite3.InterfaceError("connection is closed")),
    PoolTimeoutError("QueuePool limit reached"),
    AMQPConnectionError(),
    StreamLostError("Stream connection lost"),
    ConnectionClosedByBroker(320, "CONNECTION_FORCED"),
    ConnectionClosed(AMQPConnectionError(ConnectionRefusedError(111, "Connection refused"))),
    ConnectionRefusedError(111, "Connection refused"),
    TimeoutError("timed out"),
]


@pytest.fixture
def troubles(caplog: pytest.LogCaptureFixture) -> LogOnce:
    return LogOnce(logging.getLogger("test"))


@pytest.mark.parametrize("error", OUTAGES, ids=lambda error: type(error).__name__)
def test_an_outage_is_one_line(
    error: Exception, troubles: LogOnce, caplog: pytest.LogCaptureFixture
) -> None:
    troubles.report("the ticker", error)
    (record,) = caplog.records
    assert record.exc_info is None
    assert "\n" not in record.getMessage()
    assert record.getMessage().startswith(
        "the ticker failed; it is tried again, and this is said once: "
    )
    assert not record.getMessage().endswith(": ")


def test_an_outage_with_several_errors_is_logged_once_and_its_end_once(
    troubles: LogOnce, caplog: pytest.LogCaptureFixture
) -> None:
    for error in OUTAGES * 2:
        troubles.report("the ticker", error)
    troubles.over("the ticker")
    troubles.over("the ticker")
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]
    assert caplog.records[1].getMessage() == "the ticker works again"


def test_a_fault_in_the_code_keeps_its_traceback(
    troubles: LogOnce, caplog: pytest.LogCaptureFixture
) -> None:
    troubles.report("the ticker", KeyError("nobody foresaw this"))
    assert caplog.records[0].exc_info is not None


def test_no_address_and_no_password_is_logged(
    troubles: LogOnce, caplog: pytest.LogCaptureFixture
) -> None:
    troubles.report("ringing", OSError("amqp://ann:hunter2@rabbit ann@example.org"))
    assert "hunter2" not in caplog.text
    assert "example.org" not in caplog.text
