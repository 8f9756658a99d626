"""A channel that refuses: everything for it waits, one message at a time tries it, and the
operators hear of it once.
"""

from pytest_httpserver import HTTPServer

from models import DeliveryState, Role
from models.alerts.alerts import create_notice
from models.membership.channels import send_test_message
from models.recipients.audience import get_or_create_recipient, list_recipients, remove_recipient
from models.tables.ledger import RecipientKind
from models.text.actor import SYSTEM
from notifier.content.channel_check import trial
from notifier.content.render import Sender
from notifier.ledger.breaker import FIRST_REST, MAX_REFUSALS
from notifier.reports.delivery_report import why_waiting
from tests.support.clock import StandingClock
from tests.support.databases import sqlite_only
from tests.support.inbox import Inbox
from tests.support.newsroom import Newsroom
from tests.support.office import Office


def posted(newsroom: Newsroom, office: Office, *titles: str) -> None:
    for title in titles:
        newsroom.post(title=title)
        office.run()


def states(office: Office) -> list[str]:
    return [delivery.state.value for delivery in office.deliveries() if delivery.priority]


def test_a_sick_channel_lets_messages_wait_and_heals_by_the_next_one_that_gets_through(
    newsroom: Newsroom,
    office: Office,
    inbox: Inbox,
    httpserver: HTTPServer,
    hook: str,
    clock: StandingClock,
) -> None:
    newsroom.account(Role.ADMIN)
    httpserver.expect_request("/hook").respond_with_data("no such hook", status=404)
    office.channel("room", hook)
    posted(newsroom, office, *"abcde")
    assert states(office) == ["failed", "failed", "queued", "queued", "queued"]
    assert len(httpserver.log) == MAX_REFUSALS
    with office.db.read() as tx:
        assert "room" in why_waiting(tx)[0]
    clock.forward(seconds=FIRST_REST.total_seconds() + 1)
    office.send()  # one of the three tries, and they all rest longer
    office.send()
    assert (len(httpserver.log), states(office)) == (
        MAX_REFUSALS + 1,
        ["failed", "failed", "queued", "queued", "queued"],
    )
    assert [mail["Subject"] for mail in inbox.mails] == ["“room” is failing"]
    assert "404 no such hook" in inbox.mails[0].get_body(("plain",)).get_content()
    assert inbox.mails[0]["List-Unsubscribe"] is None
    httpserver.clear()
    httpserver.expect_request("/hook").respond_with_data("ok")
    clock.forward(hours=1)
    office.send()
    clock.forward(minutes=2)
    office.send()
    assert states(office) == ["failed", "failed", "sent", "sent", "sent"]
    assert [mail["Subject"] for mail in inbox.mails[1:]] == ["“room” is working again"]
    room = office.recipient("room")
    assert (room.sick_since, room.refusals, room.reason) == (None, 0, "")


@sqlite_only
def test_what_waits_for_a_sick_channel_fails_at_last_with_its_words(
    newsroom: Newsroom, office: Office, httpserver: HTTPServer, hook: str, clock: StandingClock
) -> None:
    httpserver.expect_request("/hook").respond_with_data("gone", status=410)
    office.channel("room", hook)
    posted(newsroom, office, *"abc")
    for _ in range(30):
        clock.forward(hours=1)
        office.send()
    assert states(office) == ["failed"] * 3
    assert {delivery.last_reply for delivery in office.deliveries()} == {"410 gone"}
    assert len(httpserver.log) < 14


@sqlite_only
def test_a_channel_that_is_added_anew_is_well(
    newsroom: Newsroom, office: Office, httpserver: HTTPServer, hook: str
) -> None:
    httpserver.expect_request("/gone").respond_with_data("gone", status=410)
    httpserver.expect_request("/hook").respond_with_data("ok")
    office.channel("room", hook.replace("/hook", "/gone"))
    posted(newsroom, office, *"abc")
    assert office.recipient("room").sick_since is not None
    remove_recipient(office.db, SYSTEM, RecipientKind.CHANNEL, "room", "removed")
    office.channel("room", hook)
    posted(newsroom, office, "d")
    assert states(office) == ["failed", "failed", "queued", "sent"]


@sqlite_only
def test_an_operator_gets_only_notices_and_is_not_subscribed(
    newsroom: Newsroom, office: Office, inbox: Inbox
) -> None:
    with office.db.begin() as tx:
        operator = get_or_create_recipient(tx, "op@example.org")
        create_notice(
            tx, operator, "healed", {"channel": "<b>&", "masked_url": "{token}", "words": "ok"}
        )
    newsroom.post()
    office.run()
    assert [mail["Subject"] for mail in inbox.mails] == ["“<b>&” is working again"]
    assert "&lt;b&gt;" in inbox.mails[0].get_body(("html",)).get_content()
    with office.db.read() as tx:
        assert list_recipients(tx, RecipientKind.MAIL) == []
    office.subscribe("op@example.org")
    newsroom.post()
    office.run()
    assert len(inbox.mails) == 2


@sqlite_only
def test_a_notice_waits_for_a_mail_server_that_is_away_and_causes_no_other(
    newsroom: Newsroom, office: Office, inbox: Inbox, clock: StandingClock
) -> None:
    newsroom.account(Role.ADMIN)
    inbox.replies["data"] = ["451 4.3.0 later", "550 5.6.0 never"]
    with office.db.begin() as tx:
        create_notice(
            tx,
            get_or_create_recipient(tx, "op@example.org"),
            "healed",
            {"channel": "room", "masked_url": "", "words": ""},
        )
    office.run()
    assert [delivery.state for delivery in office.deliveries()] == [DeliveryState.QUEUED]
    clock.forward(minutes=1)
    office.run()
    assert [(delivery.state, delivery.last_reply) for delivery in office.deliveries()] == [
        (DeliveryState.FAILED, "550 5.6.0 never")
    ]


@sqlite_only
def test_a_notice_reaches_a_channel(
    newsroom: Newsroom, office: Office, httpserver: HTTPServer, hook: str
) -> None:
    httpserver.expect_request("/hook").respond_with_data("ok")
    room = office.channel("room", hook)
    with office.db.begin() as tx:
        create_notice(tx, room, "healed", {"channel": "other", "masked_url": "", "words": ""})
    office.run()
    [(request, _)] = httpserver.log
    assert (request.json["event"], request.json["title"]) == (
        "notice",
        "“other” is working again",
    )


@sqlite_only
def test_a_test_that_gets_through_heals_a_sick_channel_and_one_that_fails_makes_none_sick(
    newsroom: Newsroom, office: Office, httpserver: HTTPServer, hook: str
) -> None:
    def tested() -> None:
        with office.db.read() as tx:
            values = trial(tx, Sender.of(office.settings))
        send_test_message(office.db, newsroom.actor, office.recipient("room").uid, values)
        office.send()

    httpserver.expect_request("/hook").respond_with_data("gone", status=410)
    office.channel("room", hook)
    for _ in range(MAX_REFUSALS + 1):
        tested()
    assert office.recipient("room").sick_since is None
    posted(newsroom, office, *"abc")
    assert office.recipient("room").sick_since is not None
    httpserver.clear()
    httpserver.expect_request("/hook").respond_with_data("ok")
    tested()
    assert office.recipient("room").sick_since is None
    told = httpserver.log[-1][0].json
    assert (told["event"], told["label"], told["title"]) == ("test", "Test", "c")
