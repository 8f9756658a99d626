"""Alerts on the desk: seen, stopped, resumed, sent to those who missed it."""

from collections.abc import Callable

import pytest
from sqlalchemy import update

from models import Alert, Delivery, DeliveryState, Role
from models.alerts.send_hold import hold
from models.db.database import Database
from models.recipients.audience import add_subscriber
from models.text.actor import SYSTEM
from notifier.ledger.fan_out import expand_all
from tests.support.newsroom import Newsroom
from tests.support.web_person import Person
from web.desk.alert_pages import left


@pytest.fixture
def alert(newsroom: Newsroom, db: Database) -> str:
    """An alert with two deliveries, of which one failed."""
    for name in ("one", "two"):
        add_subscriber(db, SYSTEM, f"{name}@example.org")
    newsroom.post()
    expand_all(db, go_on=lambda: True, ring=lambda lane: None)
    with db.begin() as tx:
        failed = (
            update(Delivery)
            .where(Delivery.id == 1)
            .values(state=DeliveryState.FAILED, last_reply="550 5.1.1 <who> is unknown")
        )
        tx.execute(failed)
    return "/desk/alerts/1"


def test_an_editor_stops_an_alert_and_goes_on_with_it(
    editor: Person, db: Database, alert: str
) -> None:
    page = editor.get(alert)
    assert "550 5.1.1 &lt;who&gt; is unknown" in page.text
    assert editor.send(page, f"{alert}/stop").location == alert
    with db.read() as tx:
        assert tx.get_one(Alert, 1).stopped_at is not None
    page = editor.get(alert)
    assert "This alert was stopped" in page.text
    assert f"{alert}/retry" not in page.text
    assert editor.send(page, f"{alert}/resume").location == alert
    assert editor.send(editor.get(alert), f"{alert}/retry").location == alert
    with db.read() as tx:
        assert tx.get_one(Delivery, 1).state is DeliveryState.QUEUED
    assert "River rising" in editor.get("/desk/alerts").text
    assert editor.get("/desk/alerts/9223372036854775807").status_code == 404
    assert editor.get("/desk/alerts/9223372036854775808").status_code == 404


def test_an_admin_pauses_all_sending_and_sees_what_waits_before_it_goes_on(
    log_in: Callable[[Role], Person], db: Database, alert: str
) -> None:
    admin, editor = log_in(Role.ADMIN), log_in(Role.EDITOR)
    admin.send(admin.get("/desk/alerts"), "/desk/alerts/pause")
    with db.begin() as tx:
        hold(tx, "It may be a copy.")
    for person, sentence in ((admin, "Resume"), (editor, "Only an admin can resume sending.")):
        page = person.get("/desk/alerts").text
        assert "It may be a copy." in page
        assert "Sending is on hold" in page
        assert sentence in page
    assert "It may be a copy." in editor.get("/desk").text
    page = admin.get("/desk/alerts/resume")
    assert "1 e-mail, 0 chat messages" in page.text
    assert admin.send(page, "/desk/alerts/resume").location == "/desk/alerts"
    assert "Pause all sending" in admin.get("/desk/alerts").text


@pytest.mark.parametrize(
    "seconds, words",
    [
        (3, "less than a minute left"),
        (60, "about 1 minute left"),
        (100, "about 2 minutes left"),
        (5000, "about 83 minutes left"),
        (7300, "about 2 hours left"),
    ],
)
def test_remaining_time_is_written_in_words(seconds: float, words: str) -> None:
    assert left(seconds) == words
