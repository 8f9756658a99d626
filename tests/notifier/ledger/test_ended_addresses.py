"""Whose fault a refusal is: which addresses end, when mail waits, and when an operator is asked."""

from collections import Counter
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from sqlalchemy import select, update

from models import (
    Alert,
    Entry,
    Lane,
    Pause,
    Recipient,
    RecipientState,
    Revision,
    Role,
    TallyKind,
)
from models.alerts.alerts import tell_operators
from models.alerts.send_hold import pause_sending, resume_sending, watch
from models.db.tallies import add_to_tallies
from models.tables.stories import Site
from models.text.actor import SYSTEM
from notifier.ledger import ended_addresses
from notifier.ledger.claim import Message, may_claim
from notifier.ledger.pause import MAIL, Brake
from notifier.worker import installation_refusals
from tests.support.clock import StandingClock
from tests.support.databases import sqlite_only
from tests.support.inbox import Inbox
from tests.support.mail_sink import MailSink
from tests.support.newsroom import Newsroom
from tests.support.office import BASE_URL, Office

NOBODY = "550 5.1.1 <{}>: Recipient address rejected: User unknown"
REFUSALS_OF_US = [
    "550 5.1.0 <news@example.org> sender rejected",
    (
        "550-Requested action not taken: mailbox unavailable\r\n550 invalid DNS MX or A/AAAA"
        " resource record"
    ),
    (
        "550-Requested action not taken: mailbox unavailable\r\n550 Failure sending mail. Try again"
        " later"
    ),
    "554 5.1.0 Sender denied AUP#In-1310",
]


def confirmed(office: Office, addresses: list[str]) -> list[bool]:
    return [office.recipient(one).state is RecipientState.CONFIRMED for one in addresses]


def paused(office: Office) -> bool:
    with office.db.read() as tx:
        return tx.get(Pause, MAIL) is not None


def held(office: Office) -> str | None:
    with office.db.read() as tx:
        return tx.scalars(select(Site.held_reason)).one()


def sent_before(office: Office, entry: Entry, number: int) -> None:
    """So many more mails of its alert count as sent."""
    with office.db.begin() as tx:
        revision = select(Revision.id).where(Revision.entry_id == entry.id)
        alert_id = tx.scalars(select(Alert.id).where(Alert.revision_id.in_(revision))).one()
        add_to_tallies(tx, {(alert_id, Lane.BULK, TallyKind.SENT): number})


@sqlite_only
@pytest.mark.parametrize("reply", REFUSALS_OF_US)
def test_a_refusal_of_us_on_any_line_leaves_the_reader_subscribed_and_is_tried_again(
    newsroom: Newsroom, office: Office, inbox: Inbox, clock: StandingClock, reply: str
) -> None:
    office.subscribe("ann@example.com")
    newsroom.post()
    inbox.replies["rcpt"] = [reply]
    office.run()
    assert confirmed(office, ["ann@example.com"]) == [True]
    assert office.ledger() == [("ann@example.com", "queued")]
    clock.forward(minutes=1)
    office.send()
    assert inbox.addresses == ["ann@example.com"]


@sqlite_only
@pytest.mark.parametrize("domain", ["example.com", "reader{}.example"])
def test_forty_recipients_with_refusing_policies_do_not_block_others(
    newsroom: Newsroom,
    new_office: Callable[..., Office],
    sink: MailSink,
    domain: str,
) -> None:
    office = new_office()
    refused = [f"reader{n}@" + domain.format(n) for n in range(40)]
    others = [f"other{n}@example.org" for n in range(60)]
    office.subscribe(*refused, *others)
    sink.faults = dict.fromkeys(refused, "rcpt 550 5.7.1 not allowed by the policy of this mailbox")
    newsroom.post()
    office.run()
    assert sorted(to for to, _ in sink.arrived) == sorted(others)
    assert not paused(office)
    assert all(confirmed(office, refused))


def test_a_server_that_refuses_to_relay_pauses_mail_until_it_accepts(
    newsroom: Newsroom, office: Office, inbox: Inbox, clock: StandingClock
) -> None:
    readers = [f"reader{n}@reader{n}.example" for n in range(5)]
    office.subscribe(*readers)
    newsroom.post()
    inbox.replies["rcpt"] = ["554 5.7.1 Relay access denied"] * 7
    office.run()
    assert paused(office)
    clock.forward(seconds=30)
    assert office.mail.send_pass() == 1  # one is tried, and refused
    assert office.mail.send_pass() == 0
    assert paused(office)
    clock.forward(minutes=10)
    office.send()
    clock.forward(hours=1)
    office.send()
    assert not paused(office)
    assert sorted(inbox.addresses) == readers


@sqlite_only
def test_refusals_for_many_domains_without_success_pause_mail_early(
    newsroom: Newsroom, office: Office, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installation_refusals, "RUN_AT_RCPT", 10)
    office.subscribe(*[f"reader{n}@reader{n}.example" for n in range(30)])
    newsroom.post()
    inbox.replies["rcpt"] = ["554 5.7.1 Relay access denied"] * 30
    office.run()
    assert paused(office)
    assert len(inbox.replies["rcpt"]) == 20


@sqlite_only
def test_repeatedly_refused_recipients_do_not_pause_mail(
    newsroom: Newsroom, new_office: Callable[..., Office], sink: MailSink, clock: StandingClock
) -> None:
    refused = [f"reader{n}@reader{n}.example" for n in range(5)]
    office = new_office()
    office.subscribe(*refused, "well@example.org")
    newsroom.post()
    for _ in range(5):
        sink.faults = dict.fromkeys(
            refused, "rcpt 550 5.7.1 not allowed by the policy of this mailbox"
        )
        office.run()
        clock.forward(hours=1)
    assert [to for to, _ in sink.arrived] == ["well@example.org"]
    assert not paused(office)


def test_unknown_user_replies_for_several_domains_end_no_address_and_hold_mail(
    newsroom: Newsroom, office: Office, inbox: Inbox, clock: StandingClock
) -> None:
    readers = [f"reader{n}@place{n % 3}.example" for n in range(6)]
    office.subscribe(*readers)
    newsroom.post()
    inbox.replies["rcpt"] = [NOBODY.format(one) for one in readers]
    office.run()
    assert all(confirmed(office, readers))
    assert {row[1] for row in office.ledger()} == {"queued"}
    assert "refuses 3 addresses of 3 domains with the same words" in (held(office) or "")
    inbox.replies.clear()
    resume_sending(office.db, SYSTEM)
    office.send()
    assert sorted(inbox.addresses) == readers
    assert Counter(row.attempts for row in office.deliveries()) == {1: 6}


def test_a_server_that_fails_in_the_middle_of_a_long_alert_ends_no_address(
    newsroom: Newsroom,
    new_office: Callable[..., Office],
    sink: MailSink,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ended_addresses, "ALIKE_RUNNING", 5)
    office = new_office()
    taken, readers = (
        [f"taken{n}@example.org" for n in range(4)],
        [f"reader{n}@place{n % 3}.example" for n in range(9)],
    )
    office.subscribe(*taken, *readers)
    sink.faults = {one: "rcpt " + NOBODY.format(one) for one in readers}
    entry = newsroom.post()
    office.expand()
    sent_before(office, entry, 100_000)
    office.send()
    assert [to for to, _ in sink.arrived] == taken
    assert all(confirmed(office, readers))
    assert "with the same words" in (held(office) or "")
    sent_before(office, entry, -100_000)


@sqlite_only
def test_addresses_that_are_gone_here_and_there_in_a_long_alert_end(
    newsroom: Newsroom,
    new_office: Callable[..., Office],
    sink: MailSink,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ended_addresses, "ALIKE_RUNNING", 5)
    gone = [f"gone{n}@gone{n}.example" for n in range(6)]
    office = new_office()
    for one in gone:
        office.subscribe(*[f"{number}.{one}" for number in range(12)], one)
    sink.faults = {one: "rcpt " + NOBODY.format(one) for one in gone}
    entry = newsroom.post()
    office.expand()
    sent_before(office, entry, 1_000)
    office.send()
    assert not any(confirmed(office, gone))
    assert held(office) is None
    sent_before(office, entry, -1_000)


def test_a_recipient_who_left_during_the_refusals_is_not_resubscribed(
    newsroom: Newsroom, office: Office, inbox: Inbox
) -> None:
    readers = [f"reader{n}@place{n}.example" for n in range(3)]
    office.subscribe(*readers)
    newsroom.post()
    inbox.replies["rcpt"] = [NOBODY.format(one) for one in readers]
    office.expand()
    settle = office.mail._settler.settle

    def leave_first(message: Message, *args: Any, **rules: Any) -> Any:
        if message.address == readers[0]:
            office.unsubscribe(readers[0])
        return settle(message, *args, **rules)

    office.mail._settler.settle = leave_first  # type: ignore[method-assign]
    office.send()
    assert held(office) is not None
    assert [office.recipient(one).state.value for one in readers] == [
        "ended",
        "confirmed",
        "confirmed",
    ]


HELD_NOTICE = "Sending is on hold until you check the mail server"


def hold_by_refusals(newsroom: Newsroom, office: Office, inbox: Inbox) -> None:
    """Three readers are refused alike; a fourth waits."""
    newsroom.account(Role.ADMIN)
    readers = [f"reader{n}@place{n}.example" for n in range(3)]
    office.subscribe(*readers)
    newsroom.post()
    inbox.replies["rcpt"] = [NOBODY.format(one) for one in readers]
    office.expand()
    office.mail.send_pass()
    assert held(office) is not None


def test_operators_get_one_mail_about_a_hold_for_refusals(
    newsroom: Newsroom, office: Office, inbox: Inbox, clock: StandingClock
) -> None:
    hold_by_refusals(newsroom, office, inbox)
    newsroom.post()
    with office.db.begin() as tx:
        tell_operators(tx, "password", {"account": "Ann"})
    for _ in range(3):
        office.run()
        clock.forward(minutes=5)
    assert [mail["Subject"] for mail in inbox.mails] == [HELD_NOTICE]
    assert "3 addresses at 3 domains" in inbox.mails[0].get_body(("plain",)).get_content()  # type: ignore[union-attr]


def test_a_refusal_of_that_notice_ends_no_operator_s_address(
    newsroom: Newsroom, office: Office, inbox: Inbox
) -> None:
    hold_by_refusals(newsroom, office, inbox)
    inbox.replies["rcpt"] = [NOBODY.format("you")]
    assert office.chat.send_pass() == 1
    with office.db.read() as tx:
        assert not tx.scalars(
            select(Recipient.id).where(Recipient.state == RecipientState.SUPPRESSED)
        ).all()


@sqlite_only
@pytest.mark.parametrize("why", ["paused by a person", "a copy"])
def test_that_notice_waits_where_nothing_at_all_may_go_out(
    newsroom: Newsroom, office: Office, inbox: Inbox, why: str
) -> None:
    hold_by_refusals(newsroom, office, inbox)
    if why == "a copy":
        with office.db.begin() as tx:
            tx.execute(update(Site).values(fingerprint="url=0 host=0 file=0"))
        watch(office.db, BASE_URL, starting=True)
    else:
        pause_sending(office.db, SYSTEM)
    with office.db.read() as tx:
        assert not may_claim(tx, Lane.FAST)
    office.run()
    assert inbox.mails == []
    resume_sending(office.db, SYSTEM)
    with office.db.read() as tx:
        assert may_claim(tx, Lane.FAST)
    office.run()
    assert HELD_NOTICE in [mail["Subject"] for mail in inbox.mails]


@sqlite_only
def test_a_worker_is_woken_for_that_notice_alone(
    newsroom: Newsroom, office: Office, inbox: Inbox
) -> None:
    hold_by_refusals(newsroom, office, inbox)
    with office.db.read() as tx:
        assert [lane for lane in Lane if may_claim(tx, lane)] == [Lane.FAST]
    office.chat.send_pass()
    with office.db.begin() as tx:
        tell_operators(tx, "password", {"account": "Ann"})
    with office.db.read() as tx:
        assert not [lane for lane in Lane if may_claim(tx, lane)]


@sqlite_only
def test_a_pause_in_the_middle_of_a_claim_stops_that_notice_and_the_hold_does_not(
    newsroom: Newsroom, office: Office, inbox: Inbox
) -> None:
    hold_by_refusals(newsroom, office, inbox)
    brake = Brake(office.db, [], of_hold=True, monotonic=count(0.0).__next__)
    assert not brake.pulled()
    pause_sending(office.db, SYSTEM)
    assert brake.pulled()


@sqlite_only
def test_refusals_repeated_after_an_operators_release_end_the_addresses(
    newsroom: Newsroom, office: Office, inbox: Inbox
) -> None:
    readers = [f"reader{n}@place{n % 3}.example" for n in range(6)]
    office.subscribe(*readers)
    newsroom.post()
    inbox.replies["rcpt"] = [NOBODY.format(one) for one in readers * 2]
    office.run()
    resume_sending(office.db, SYSTEM)
    office.send()
    assert not any(confirmed(office, readers))
    assert held(office) is None


ENDED = {
    "of one domain": ([f"gone{n}@example.com" for n in range(6)], NOBODY, 0),
    "among many that are taken": ([f"gone{n}@gone{n}.example" for n in range(4)], NOBODY, 40),
    "two": ([f"gone{n}@gone{n}.example" for n in range(2)], NOBODY, 0),
}


@sqlite_only
@pytest.mark.parametrize("case", ENDED)
def test_addresses_that_are_gone_end_without_a_question(
    newsroom: Newsroom, new_office: Callable[..., Office], sink: MailSink, case: str
) -> None:
    gone, reply, others = ENDED[case]
    office = new_office()
    office.subscribe(*[f"other{n}@example.org" for n in range(others)], *gone)
    sink.faults = {one: "rcpt " + reply.format(one) for one in gone}
    newsroom.post()
    office.run()
    assert not any(confirmed(office, gone))
    assert held(office) is None


@sqlite_only
def test_addresses_that_end_by_different_words_are_no_sign_of_a_wrong_server(
    newsroom: Newsroom, office: Office, inbox: Inbox
) -> None:
    readers = [f"reader{n}@place{n}.example" for n in range(3)]
    office.subscribe(*readers)
    newsroom.post()
    inbox.replies["rcpt"] = [
        "550 5.1.1 user unknown",
        "550 5.1.1 no mailbox here",
        "550 No such user",
    ]
    office.run()
    assert not any(confirmed(office, readers))
    assert held(office) is None


DISABLED = "550 5.2.1 <ann@example.org>... Mailbox disabled for this recipient"
COURSES: dict[str, tuple[list[str | None], int, bool]] = {
    # what the server says to alert after alert, days between them, and whether the address ends
    "once": ([DISABLED], 1, False),
    "three times in a day": ([DISABLED] * 3, 0, False),
    "three times in eight days": ([DISABLED] * 3, 4, True),
    "taken between": ([DISABLED, DISABLED, None, DISABLED], 4, False),
    "otherwise refused between": ([DISABLED, "552 5.2.2 mailbox full", DISABLED], 4, False),
    "full for weeks": (["552 5.2.2 mailbox full"] * 5, 4, False),
}


@pytest.mark.parametrize("course", COURSES)
def test_a_mailbox_ends_that_is_called_disabled_for_a_week(
    newsroom: Newsroom, office: Office, inbox: Inbox, clock: StandingClock, course: str
) -> None:
    replies, days, ends = COURSES[course]
    office.subscribe("ann@example.org")
    for reply in replies:
        newsroom.post()
        inbox.replies["rcpt"] = [reply] if reply else []
        office.run()
        clock.forward(days=days)
    assert confirmed(office, ["ann@example.org"]) == [not ends]
