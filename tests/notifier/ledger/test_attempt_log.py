"""What the log says of attempts."""

import logging

import pytest
from pytest_httpserver import HTTPServer

from models import Delivery, DeliveryState
from tests.support.clock import StandingClock
from tests.support.databases import sqlite_only
from tests.support.inbox import Inbox
from tests.support.newsroom import Newsroom
from tests.support.office import Office

pytestmark = sqlite_only


def lines(caplog: pytest.LogCaptureFixture, name: str) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.name == name]


def test_each_attempt_is_logged_by_delivery_uid_without_the_address(
    newsroom: Newsroom,
    office: Office,
    inbox: Inbox,
    httpserver: HTTPServer,
    hook: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    httpserver.expect_request("/hook").respond_with_data("ok")
    office.subscribe("gone@example.org", "good@example.org")
    office.channel("room", hook)
    newsroom.post()
    inbox.replies["rcpt"] = ["550 5.1.1 <gone@example.org> no such user"]
    office.run()
    found = {record.fields["delivery"]: (record.fields["service"], record.fields["state"],
                                         record.levelname)  # type: ignore[attr-defined]
             for record in lines(caplog, "notifier.ledger.attempt_log")}  # fmt: skip
    expected = {DeliveryState.SENT: "DEBUG", DeliveryState.FAILED: "INFO"}
    services = ["webhook", "mail", "mail"]

    def line(one: Delivery, service: str) -> tuple[str, str, str]:
        return service, one.state.value, expected[one.state]

    assert found == {
        one.uid: line(one, service)
        for one, service in zip(office.deliveries(), services, strict=True)
    }
    said = "\n".join(
        record.getMessage()
        for record in caplog.records
        if record.name.startswith(("notifier", "apprise", "models"))
    )
    assert "example.org" not in said
    assert "/hook" not in said


def test_a_failing_target_is_logged_once_and_its_recovery_once(
    newsroom: Newsroom,
    office: Office,
    inbox: Inbox,
    clock: StandingClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    office.subscribe(*(f"reader{n}@example.org" for n in range(8)))
    newsroom.post()
    inbox.replies["mail"] = ["550 5.7.1 <courier@example.org> is blocked"] * 5
    for _ in range(4):
        office.run()
        clock.forward(minutes=10)
    office.run()
    assert [record.getMessage() for record in lines(caplog, "notifier.ledger.pause")] == [
        (
            "mail waits, and is tried now and then: The mail server refuses our mail: 550 5.7.1 …"
            " is blocked"
        ),
        "mail goes out again",
    ]
    assert {state for _, state in office.ledger()} == {"sent"}
