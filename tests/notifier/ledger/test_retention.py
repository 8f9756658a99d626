"""What is kept of an alert when all of it has come to an end."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from models import Alert, Delivery, Fanout, RevisionKind, Tally, TallyKind
from models.alerts.alerts import create_notice
from notifier.ledger import retention
from notifier.ledger.retention import finish_ended, fold_old
from notifier.reports.delivery_report import alert_sums
from tests.support.clock import StandingClock
from tests.support.databases import sqlite_only
from tests.support.inbox import Inbox
from tests.support.newsroom import Newsroom
from tests.support.office import Office

KEEP = timedelta(days=180)


def finished(office: Office) -> list[bool]:
    finish_ended(office.db)
    with office.db.read() as tx:
        return [
            moment is not None
            for moment in tx.scalars(select(Alert.finished_at).order_by(Alert.id))
        ]


@sqlite_only
def test_an_alert_is_finished_when_no_delivery_is_pending(
    newsroom: Newsroom, office: Office
) -> None:
    office.subscribe("one@example.org")
    newsroom.post()
    assert finished(office) == [False]
    office.expand()
    assert finished(office) == [False]
    office.send()
    newsroom.post(title="Next")
    assert finished(office) == [True, False]


def test_an_old_alert_keeps_its_sums_alone_and_never_expands_again(
    newsroom: Newsroom,
    office: Office,
    inbox: Inbox,
    clock: StandingClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retention, "SLICE", 2)
    office.subscribe(*[f"reader{n}@example.org" for n in range(5)])
    entry = newsroom.post()
    inbox.replies["data"] = ["554 5.6.0 no"]
    office.run()
    assert finished(office) == [True]
    clock.forward(days=179)
    assert fold_old(office.db, KEEP) == 0
    clock.forward(days=2)
    newsroom.post(title="Not yet")
    assert fold_old(office.db, KEEP) == 5
    with newsroom.db.begin() as tx:
        [_, told] = alert_sums(tx, 10)
        assert (told["owed"], told["sent"], told["failed"], told["queued"], told["expanded"]) == (
            5,
            4,
            1,
            0,
            True,
        )
        assert set(tx.scalars(select(Tally.worker).where(Tally.alert_id == told["id"]))) == {""}
        tx.execute(
            update(Fanout).where(Fanout.alert_id == told["id"]).values(done_at=None, cursor=0)
        )
    assert office.run() == 5  # of the newer alert
    with newsroom.db.begin() as tx:
        assert tx.scalar(select(func.count()).where(Delivery.alert_id == told["id"])) == 0
    office.revise(entry, "River falling", RevisionKind.CORRECTION)
    office.run()
    # though nobody knows any more who had the first
    assert inbox.mails[-1]["Subject"] == "Correction: River falling"


@sqlite_only
def test_an_alert_with_requeued_deliveries_is_not_compacted(
    newsroom: Newsroom, office: Office, clock: StandingClock
) -> None:
    office.subscribe("one@example.org")
    newsroom.post()
    office.run()
    assert finished(office) == [True]
    clock.forward(days=200)
    with newsroom.db.begin() as tx:
        tx.execute(update(Tally).where(Tally.kind == TallyKind.SENT).values(number=0))
    assert fold_old(office.db, KEEP) == 0
    with newsroom.db.begin() as tx:
        tx.execute(update(Tally).where(Tally.kind == TallyKind.SENT).values(number=1))
    assert fold_old(office.db, KEEP) == 1


@sqlite_only
def test_alerts_without_number_are_finished_some_at_a_time(
    newsroom: Newsroom, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "ALERTS", 2)
    newsroom.post()
    office.expand()
    office.subscribe("one@example.org")
    newsroom.post(title="Owed still")
    office.expand()
    office.unsubscribe("one@example.org")
    for number in range(3):
        newsroom.post(title=f"Entry {number}")
    office.expand()
    sizes, looked = [], retention.fully_settled
    monkeypatch.setattr(
        retention,
        "fully_settled",
        lambda tx, alert_ids: sizes.append(len(alert_ids)) or looked(tx, alert_ids),
    )
    assert finished(office) == [True, False, True, True, True]
    assert max(sizes) == 2


@sqlite_only
def test_the_text_of_an_old_notice_is_deleted(office: Office, clock: StandingClock) -> None:
    office.subscribe("one@example.org")
    with office.db.begin() as tx:
        create_notice(
            tx,
            office.recipient("one@example.org"),
            "healed",
            {"channel": "x", "masked_url": "x", "words": "x"},
        )
    office.send()
    assert finished(office) == [True]
    clock.forward(days=181)
    fold_old(office.db, KEEP)
    with office.db.read() as tx:
        assert tx.scalars(select(Alert.notice)).all() == [{"name": "healed", "values": {}}]
