"""What people see of the ledger."""

from collections.abc import Callable
from importlib.resources import files

from pytest_httpserver import HTTPServer
from sqlalchemy import event

from models import Role, SkipReason
from models.alerts.alerts import tell_operators
from models.db.database import Database
from models.membership.channels import TEST_NOTICE
from notifier.ledger.pause import say_whether_mail_is_set_up
from notifier.reports.delivery_report import NOTICE_TITLES, alert_sums, why_waiting
from notifier.reports.reach import reach
from tests.support.databases import sqlite_only
from tests.support.inbox import Inbox
from tests.support.newsroom import Newsroom
from tests.support.office import Office


def test_sums_and_lines_say_what_became_of_each_message(
    newsroom: Newsroom, office: Office, inbox: Inbox, httpserver: HTTPServer, hook: str
) -> None:
    httpserver.expect_request("/hook").respond_with_data("ok")
    office.subscribe("good@example.org", "also@example.org", "left@example.org")
    office.channel("room", hook)
    entry = newsroom.post(title="River rising")
    with newsroom.db.read() as tx:
        assert [(one["expanded"], one["owed"]) for one in alert_sums(tx, 10)] == [(False, 0)]
    office.expand()
    office.unsubscribe("left@example.org")
    office.send()
    with newsroom.db.read() as tx:
        [told] = alert_sums(tx, 10)
        [got] = reach(tx, entry_id=entry.id)
    assert {
        name: told[name]
        for name in (
            "kind",
            "title",
            "entry_uid",
            "expanded",
            "owed",
            "sent",
            "skipped",
            "failed",
            "queued",
        )
    } == {
        "kind": "publish",
        "title": "River rising",
        "entry_uid": entry.uid,
        "expanded": True,
        "owed": 4,
        "sent": 3,
        "skipped": 1,
        "failed": 0,
        "queued": 0,
    }
    assert {name: got.mail[name] for name in ("owed", "sent", "skipped")} == {
        "owed": 3,
        "sent": 2,
        "skipped": 1,
    }
    assert got.skipped == {SkipReason.CANCELLED: 1}
    assert [(line.shown, line.state.value) for line in got.channels] == [
        ("room (webhook …)", "sent")
    ]


def test_mails_that_failed_are_shown_in_the_remotes_words(
    newsroom: Newsroom, office: Office, inbox: Inbox
) -> None:
    office.subscribe("gone@example.org", "good@example.org", "later@example.org")
    entry = newsroom.post()
    inbox.replies["data"] = ["554 5.6.0 no", "250 ok", "451 later"]
    office.run()
    with newsroom.db.read() as tx:
        [got] = reach(tx, entry_id=entry.id)
        [same] = reach(tx, alert_id=got.alert_id)
    assert same == got
    assert [(line.shown, line.state.value, line.last_reply) for line in got.failed] == [
        ("gone@example.org", "failed", "554 5.6.0 no")
    ]
    assert (got.missed, got.mail["queued"]) == (1, 1)


@sqlite_only
def test_the_reason_why_nothing_is_sent_is_reported(newsroom: Newsroom, office: Office) -> None:
    with newsroom.db.read() as tx:
        assert why_waiting(tx) == []
    say_whether_mail_is_set_up(newsroom.db, is_set=False)
    with newsroom.db.read() as tx:
        assert why_waiting(tx) == ["STORYWIRE_MAIL_URL is not set, so mail waits."]


def test_the_number_of_queries_does_not_grow(newsroom: Newsroom, office: Office) -> None:
    office.subscribe("a@example.org", "b@example.org")

    def queries() -> int:
        return counted(newsroom.db, lambda: _read_all(newsroom.db, entry.id))

    entry = newsroom.post()
    office.run()
    few = queries()
    for n in range(5):
        newsroom.post(title=f"More {n}")
    office.run()
    assert queries() == few


def _read_all(db: Database, entry_id: int) -> None:
    with db.read() as tx:
        assert alert_sums(tx, 100)
        assert reach(tx, entry_id=entry_id)


def counted(db: Database, call: Callable[[], object]) -> int:
    seen: list[str] = []

    def count(connection: object, cursor: object, statement: str, *rest: object) -> None:
        seen.append(statement)

    event.listen(db.engine, "before_cursor_execute", count)
    try:
        call()
    finally:
        event.remove(db.engine, "before_cursor_execute", count)
    return len(seen)


def test_every_notice_has_a_title_for_people() -> None:
    folders = [
        folder
        for folder in files("notifier").joinpath("templates/mail/notice").iterdir()
        if folder.is_dir()
    ]
    assert set(NOTICE_TITLES) == {folder.name for folder in folders} | {TEST_NOTICE}
    assert all(title[0].isupper() and "-" not in title for title in NOTICE_TITLES.values())


def test_a_notice_is_listed_by_its_title(newsroom: Newsroom) -> None:
    newsroom.account(Role.ADMIN)
    with newsroom.db.begin() as tx:
        tell_operators(tx, "late-entries", {"number": 1, "titles": ["Trams"]})
    with newsroom.db.read() as tx:
        assert [told["title"] for told in alert_sums(tx, 1)] == ["Entries are late"]
