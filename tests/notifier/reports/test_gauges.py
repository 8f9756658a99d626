"""What monitoring is told, and that it costs little to ask."""

from sqlalchemy import event, update
from sqlalchemy.orm import Session

from models import Recipient
from models.alerts.send_hold import pause_sending
from models.db.database import Database
from models.text.actor import SYSTEM
from notifier.ledger.pause import server_away
from notifier.reports.alert_overview import overview
from notifier.reports.gauges import gauges
from tests.support.clock import StandingClock
from tests.support.inbox import Inbox
from tests.support.newsroom import Newsroom
from tests.support.office import Office


def measured(db: Database) -> dict[str, dict[str, float]]:
    with db.read() as tx:
        return {
            gauge.name.removeprefix("storywire_"): {
                " ".join(key): value for key, value in gauge.values.items()
            }
            for gauge in gauges(tx)
        }


def test_gauges_report_waiting_deliveries_their_age_and_the_reason(
    newsroom: Newsroom, office: Office, inbox: Inbox, clock: StandingClock, hook: str
) -> None:
    office.subscribe("gone@example.org", "good@example.org", "later@example.org")
    office.channel("room", hook)
    newsroom.post()
    office.expand()
    clock.forward(seconds=30)
    inbox.replies["data"] = ["554 5.6.0 no"]
    office.mail.send_pass()
    server_away(newsroom.db, "it is away", probe=False)
    pause_sending(newsroom.db, SYSTEM)
    with newsroom.db.begin() as tx:
        tx.execute(
            update(Recipient).where(Recipient.address == "room").values(sick_since=clock.now)
        )
    found = measured(newsroom.db)
    mail = {"sent": 2, "failed": 1, "unknown": 0, "skipped": 0}
    assert {
        name.removeprefix("bulk "): value
        for name, value in found["deliveries"].items()
        if name.startswith("bulk")
    } == mail
    assert found["enqueued_deliveries"] == {"bulk": 3, "urgent": 1}
    assert found["pending_deliveries"] == {"bulk": 0, "urgent": 1}
    of_the_day = {f"bulk mail {name}": value for name, value in mail.items()}
    assert found["day_deliveries"] == of_the_day | {
        "bulk mail pending": 0,
        "urgent webhook pending": 1,
    }
    assert found["oldest_due_seconds"] == {"bulk mail": 0, "urgent webhook": 30}
    assert (found["channels"], found["sick_channels"]) == ({"webhook": 1}, {"webhook": 1})
    assert (found["sending_paused"], found["sending_held"], found["target_away"]) == (
        {"": True},
        {"": False},
        {"mail": 1},
    )
    clock.forward(days=2)
    found = measured(newsroom.db)
    assert found["day_deliveries"]["bulk mail sent"] == 0
    assert found["enqueued_deliveries"]["bulk"] == 3


def test_no_question_of_monitoring_or_of_the_desk_walks_the_ledger(sqlite_db: Database) -> None:
    newsroom = Newsroom(sqlite_db)
    newsroom.stream()
    newsroom.post()
    asked: list[tuple[str, object]] = []

    @event.listens_for(sqlite_db.engine, "before_cursor_execute")
    def note(
        connection: object,
        cursor: object,
        statement: str,
        parameters: object,
        context: object,
        many: bool,
    ) -> None:
        asked.append((statement, parameters))

    def plans(tx: Session) -> str:
        mine = tx.connection().connection.cursor()
        return "\n".join(
            str(row[3])
            for query in asked
            for row in mine.execute(f"EXPLAIN QUERY PLAN {query[0]}", query[1])
        )

    with sqlite_db.read() as tx:
        list(gauges(tx))
        overview(tx, 1)
        found = plans(tx)
    assert "SEARCH delivery USING INDEX ix_delivery_alert_id_id" in found
    assert "SCAN delivery" not in found
    assert "SCAN recipient" not in found
    assert "delivery USING INDEX sqlite_autoindex_delivery_1 (alert_id=?)" not in found, (
        "all deliveries of an alert"
    )
