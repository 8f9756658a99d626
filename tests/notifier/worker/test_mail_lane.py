"""From the ledger to an inbox, over real SMTP."""

import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from config.keys import Keys
from models import Delivery, DeliveryState, Importance, Lane, Pause, RecipientState, RevisionKind
from models.membership.suppression import erase_address
from models.recipients.audience import recipient_with_subscriptions, unsubscribe
from models.text.actor import SYSTEM
from models.text.tokens import read_unsubscribe_token
from notifier.content import mail_groups
from notifier.ledger.claim import claim
from notifier.ledger.lease import Lease, release_expired
from notifier.ledger.pause import MAIL
from notifier.ledger.settle import LeaseLost, Settler
from notifier.message.send_errors import Refused, SendError, Sent
from notifier.transport.smtp import MailConnection
from notifier.worker import mail_lane
from tests.support.clock import StandingClock
from tests.support.databases import sqlite_only
from tests.support.inbox import DROP, Inbox
from tests.support.newsroom import Newsroom
from tests.support.office import BASE_URL, Office, lines
from tests.support.running_worker import eventually


def test_a_post_is_a_mail_with_a_token_that_works(
    newsroom: Newsroom, office: Office, inbox: Inbox
) -> None:
    office.subscribe("reader@example.org")
    entry = newsroom.post(
        title="River rising", dek="Two metres by noon", body="Go **up**.", byline=("Ann B",)
    )
    assert office.run() == 1
    [mail] = inbox.mails
    delivery = office.deliveries()[0]
    assert (delivery.state, delivery.last_reply, delivery.attempts) == (
        DeliveryState.SENT,
        "250 2.0.0 stored",
        1,
    )
    assert mail["Subject"] == "River rising"
    assert mail["To"] == "reader@example.org"
    assert mail["From"] == "Courier <news@courier.example>"
    assert mail["Message-ID"] == f"<{delivery.uid}@courier.example>"
    assert mail["List-Id"] == "<floods.news.example.org>"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail["References"].split() == [
        f"<stream-{entry.stream.uid}@courier.example>",
        f"<entry-{entry.uid}@courier.example>",
    ]
    link = re.fullmatch(rf"<{re.escape(BASE_URL)}/u/(.+)>", mail["List-Unsubscribe"])
    assert link is not None
    token = read_unsubscribe_token(office.keys, link[1])
    assert token == (office.recipient("reader@example.org").uid, entry.stream.uid)
    text, html = (part.get_content() for part in mail.iter_parts())
    for body in (text, html):
        assert f"{BASE_URL}/u/{link[1]}" in body
        assert f"{BASE_URL}/streams/floods/entries/{entry.uid}" in body
        assert "Two metres by noon" in body
    unsubscribe(newsroom.db, *token)
    with newsroom.db.read() as tx:
        assert recipient_with_subscriptions(tx, token[0])[1] == []


@sqlite_only
def test_each_reader_gets_an_own_token_and_message_id(
    newsroom: Newsroom, office: Office, inbox: Inbox
) -> None:
    office.subscribe(*[f"reader{n}@example.org" for n in range(25)])
    newsroom.post()
    assert office.run() == 25
    assert sorted(inbox.addresses) == sorted(f"reader{n}@example.org" for n in range(25))
    assert len({mail["Message-ID"] for mail in inbox.mails}) == 25
    assert len({mail["List-Unsubscribe"] for mail in inbox.mails}) == 25
    assert len(inbox.sessions) == 1


@sqlite_only
def test_a_mail_states_why_the_recipient_gets_it(
    newsroom: Newsroom, office: Office, inbox: Inbox
) -> None:
    office.subscribe("one@example.org")
    office.subscribe("all@example.org", stream=None)
    newsroom.post()
    office.run()
    said = {mail["To"]: mail.get_body(("plain",)).get_content() for mail in inbox.mails}  # type: ignore[union-attr]
    assert "because you follow “The floods” on Courier" in said["one@example.org"]
    assert "because you follow all stories on Courier" in said["all@example.org"]


@sqlite_only
def test_a_mail_shows_the_entry_as_of_sending(
    newsroom: Newsroom, office: Office, inbox: Inbox
) -> None:
    office.subscribe("one@example.org")
    entry = newsroom.post(title="Rivr rising")
    office.expand()
    office.revise(entry, "River rising", RevisionKind.SILENT)
    office.run()
    assert [mail["Subject"] for mail in inbox.mails] == ["River rising"]


def test_a_corrected_entry_is_new_to_recipients_who_never_got_it(
    newsroom: Newsroom, office: Office, inbox: Inbox, clock: StandingClock
) -> None:
    office.subscribe("told@example.org", "waits@example.org")
    entry = newsroom.post(title="Dyke gives way", importance=Importance.BREAKING)
    office.expand()
    with newsroom.db.begin() as tx:
        waits = update(Delivery).where(
            Delivery.recipient_id == office.recipient("waits@example.org").id
        )
        tx.execute(waits.values(due_at=clock.now + timedelta(hours=1)))
    office.send()
    office.revise(entry, "Dyke holds", note="It never broke.")
    office.run()
    assert [(mail["To"], mail["Subject"]) for mail in inbox.mails] == [
        ("told@example.org", "Breaking: Dyke gives way"),
        ("told@example.org", "Correction: Dyke holds"),
        ("waits@example.org", "Dyke holds"),
    ]
    said = {mail["Subject"]: mail.as_string() for mail in inbox.mails}
    assert "It never broke." in said["Correction: Dyke holds"]
    assert "It never broke." not in said["Dyke holds"]


def test_a_retraction_goes_only_to_earlier_recipients(
    newsroom: Newsroom, office: Office, inbox: Inbox
) -> None:
    office.subscribe("told@example.org", "waits@example.org")
    entry = newsroom.post(title="Dyke gives way", dek="Leave at once")
    office.expand()
    found = claim(office.db, Lane.BULK, 1)
    assert found is not None
    with closing(Settler(office.db)) as settler:
        settler.settle(
            found.messages[0], found.lease.token, Sent("250 ok"), max_age=timedelta(hours=24)
        )
    office.retract(entry, "There was no such report.")
    office.run()
    [mail] = inbox.mails
    assert (mail["To"], mail["Subject"]) == ("told@example.org", "Retracted: Dyke gives way")
    assert "There was no such report." in mail.as_string()
    assert "Leave at once" not in mail.as_string()
    assert lines(office.ledger()) == [
        "told@example.org sent",
        "told@example.org sent",
        "waits@example.org skipped retracted",
    ]


def test_a_451_is_tried_again_later(
    newsroom: Newsroom, office: Office, inbox: Inbox, clock: StandingClock
) -> None:
    office.subscribe("one@example.org")
    newsroom.post()
    inbox.replies["rcpt"] = ["451 4.7.1 greylisted"]
    office.run()
    waiting = office.deliveries()[0]
    assert (waiting.state, waiting.last_reply, waiting.attempts) == (
        DeliveryState.QUEUED,
        "451 4.7.1 greylisted",
        1,
    )
    assert clock.now <= waiting.due_at <= clock.now + timedelta(seconds=30)
    assert inbox.mails == []
    clock.forward(seconds=30)
    office.send()
    sent = office.deliveries()[0]
    assert (sent.state, sent.attempts) == (DeliveryState.SENT, 2)
    assert inbox.mails[0]["Message-ID"] == f"<{waiting.uid}@courier.example>"


@sqlite_only
def test_a_message_that_cannot_be_sent_for_a_day_is_given_up_with_the_remotes_words(
    newsroom: Newsroom, office: Office, inbox: Inbox, clock: StandingClock
) -> None:
    office.subscribe("one@example.org")
    newsroom.post()
    office.expand()
    inbox.replies["rcpt"] = ["452 4.2.2 mailbox full"] * 100
    began = clock.now
    while (last := office.deliveries()[0]).state is DeliveryState.QUEUED:
        clock.now = max(clock.now, last.due_at)
        office.send()
    assert (last.state, last.last_reply) == (DeliveryState.FAILED, "452 4.2.2 mailbox full")
    assert timedelta(hours=22) < clock.now - began <= timedelta(hours=24)
    assert last.attempts == 100 - len(inbox.replies["rcpt"])


def test_an_unknown_recipient_is_suppressed_and_never_tried_again(
    newsroom: Newsroom, office: Office, inbox: Inbox
) -> None:
    office.subscribe("gone@example.org", "here@example.org")
    newsroom.post()
    inbox.replies["rcpt"] = ["550 5.1.1 no such user"]
    office.run()
    assert office.ledger() == [("gone@example.org", "failed"), ("here@example.org", "sent")]
    gone = office.recipient("gone@example.org")
    assert (gone.state, gone.reason) == (RecipientState.SUPPRESSED, "550 5.1.1 no such user")
    newsroom.post(title="Next")
    office.run()
    assert inbox.addresses == ["here@example.org", "here@example.org"]


def test_while_the_mail_server_is_away_nothing_is_used_up_and_nothing_spins(
    newsroom: Newsroom, keys: Keys, clock: StandingClock
) -> None:
    before, after = Inbox(), Inbox()
    before.start()
    office, after.port = Office(newsroom.db, keys, before.url), before.port
    before.stop()
    office.subscribe("a@example.org", "b@example.org", "c@example.org")
    newsroom.post()
    office.expand()
    assert office.mail.send_pass() == 3
    assert office.mail.send_pass() == 0
    assert {(delivery.state, delivery.attempts) for delivery in office.deliveries()} == {
        (DeliveryState.QUEUED, 0)
    }
    with newsroom.db.read() as tx:
        held = tx.get_one(Pause, MAIL)
        assert (held.failures, held.until) == (1, clock.now + timedelta(seconds=5))
        assert "cannot be reached" in held.reason
    clock.forward(seconds=5)
    assert office.mail.send_pass() == 1  # the probe
    with newsroom.db.read() as tx:
        assert tx.get_one(Pause, MAIL).until == clock.now + timedelta(seconds=10)
    after.start()
    clock.forward(seconds=10)
    office.send()
    office.close()
    after.stop()
    assert {(delivery.state, delivery.attempts) for delivery in office.deliveries()} == {
        (DeliveryState.SENT, 1)
    }
    assert len(after.mails) == 3
    with newsroom.db.read() as tx:
        assert tx.get(Pause, MAIL) is None


@sqlite_only
def test_a_server_that_drops_every_connection_pauses_mail(
    newsroom: Newsroom, office: Office, inbox: Inbox
) -> None:
    office.subscribe(*[f"reader{n}@example.org" for n in range(5)])
    newsroom.post()
    office.expand()
    inbox.replies["mail"] = [DROP] * 20
    office.send()
    with newsroom.db.read() as tx:
        assert tx.get_one(Pause, MAIL).failures == 1
        states = tx.scalars(select(Delivery.state)).all()
    assert set(states) == {DeliveryState.QUEUED}
    assert len(inbox.replies["mail"]) > 10  # five rows did not cost twenty connections


@sqlite_only
@pytest.mark.parametrize(
    ("stage", "reply", "state"),
    [
        ("mail", "550 5.7.1 your address is blocked", "queued"),
        ("data", "554 we want none of it", "failed"),
    ],
)
def test_three_refusals_running_because_of_us_pause_mail_until_one_gets_through(
    newsroom: Newsroom,
    office: Office,
    inbox: Inbox,
    clock: StandingClock,
    stage: str,
    reply: str,
    state: str,
) -> None:
    office.subscribe(*[f"reader{n}@example.org" for n in range(9)])
    newsroom.post()
    inbox.replies[stage] = [reply, reply, None, reply, reply, reply]  # type: ignore[list-item]
    office.run()
    assert [row[1] for row in office.ledger()] == [
        state,
        state,
        "sent",
        state,
        state,
        state,
        "queued",
        "queued",
        "queued",
    ]
    assert inbox.replies[stage] == []  # the last three were not tried
    with newsroom.db.read() as tx:
        assert tx.get_one(Pause, MAIL).reason == f"The mail server refuses our mail: {reply}"
    inbox.replies[stage] = [reply]
    clock.forward(seconds=5)
    assert office.mail.send_pass() == 1
    clock.forward(seconds=9)
    assert office.mail.send_pass() == 0  # the probe fared no better: twice as long
    clock.forward(hours=1)
    office.send()
    assert Counter(row[1] for row in office.ledger()) == (
        {"sent": 9} if state == "queued" else {"failed": 6, "sent": 3}
    )


@sqlite_only
def test_a_breaking_mail_overtakes_a_claim_that_is_under_way(
    newsroom: Newsroom, office: Office, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail_lane, "LOOK_SECONDS", 0.0)
    office.subscribe(*[f"reader{n}@example.org" for n in range(5)])
    newsroom.post(title="River rising")

    def dyke_gives_way(index: int) -> None:
        if index == 1:
            newsroom.post(title="Dyke gives way", importance=Importance.BREAKING)
            office.expand()

    inbox.on_data = dyke_gives_way
    office.run()
    rising, breaking = "River rising", "Breaking: Dyke gives way"
    assert [mail["Subject"] for mail in inbox.mails] == [rising] * 2 + [breaking] * 5 + [rising] * 3
    assert {delivery.attempts for delivery in office.deliveries()} == {1}


@sqlite_only
def test_a_connection_lost_after_the_data_is_tried_again_with_the_same_message_id(
    newsroom: Newsroom, office: Office, inbox: Inbox, clock: StandingClock
) -> None:
    office.subscribe("one@example.org")
    newsroom.post()
    inbox.replies["data"] = [DROP]
    office.run()
    assert office.ledger() == [("one@example.org", "queued")]
    clock.forward(seconds=30)
    office.send()
    assert office.ledger() == [("one@example.org", "sent")]
    assert len(inbox.mails) == 2
    assert len({mail["Message-ID"] for mail in inbox.mails}) == 1


def test_a_worker_whose_rows_another_has_taken_stops_at_once(
    newsroom: Newsroom, office: Office, inbox: Inbox, clock: StandingClock
) -> None:
    office.subscribe(*[f"reader{n}@example.org" for n in range(5)])
    newsroom.post()
    office.expand()

    def another_takes_over(index: int) -> None:
        # the second message is on its way, and this process was stopped for two minutes
        if index == 1:
            clock.forward(minutes=2)
            assert release_expired(office.db) == 4
            assert claim(office.db, Lane.BULK, 3) is not None

    inbox.on_data = another_takes_over
    office.mail.send_pass()
    assert len(inbox.mails) == 2  # the second had left already; nothing after it
    states = [delivery.state for delivery in office.deliveries()]
    assert states == [DeliveryState.SENT, *[DeliveryState.CLAIMED] * 3, DeliveryState.QUEUED]


@sqlite_only
def test_a_worker_that_lost_its_lease_sends_nothing_more(
    newsroom: Newsroom, office: Office, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.subscribe(*[f"reader{n}@example.org" for n in range(5)])
    newsroom.post()
    office.expand()
    monkeypatch.setattr(Lease, "held", lambda self: len(inbox.mails) < 2)
    office.mail.send_pass()
    assert len(inbox.mails) == 2
    assert [delivery.state for delivery in office.deliveries()] == [DeliveryState.SENT] * 2 + [
        DeliveryState.QUEUED
    ] * 3


@sqlite_only
def test_a_worker_that_is_asked_to_stop_gives_the_rest_back(
    newsroom: Newsroom, office: Office, inbox: Inbox
) -> None:
    office.subscribe(*[f"reader{n}@example.org" for n in range(5)])
    newsroom.post()
    office.expand()
    inbox.on_data = lambda index: index == 1 and office.stop.set()
    office.mail.send_pass()
    assert [delivery.state for delivery in office.deliveries()] == [DeliveryState.SENT] * 2 + [
        DeliveryState.QUEUED
    ] * 3
    assert [delivery.attempts for delivery in office.deliveries()] == [1, 1, 0, 0, 0]


@sqlite_only
def test_an_entry_that_cannot_be_rendered_does_not_hold_up_the_next(
    newsroom: Newsroom,
    office: Office,
    inbox: Inbox,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    office.subscribe("one@example.org")
    newsroom.post(title="Bad")
    newsroom.post(title="Good")
    render = mail_groups.render_mail

    def broken(story, *rest, **named):  # type: ignore[no-untyped-def]
        if story.title == "Bad":
            raise ZeroDivisionError
        return render(story, *rest, **named)

    monkeypatch.setattr(mail_groups, "render_mail", broken)
    office.run()
    assert [mail["Subject"] for mail in inbox.mails] == ["Good"]
    assert office.deliveries()[0].last_reply == "Rendering failed: ZeroDivisionError"
    assert "cannot be rendered" in caplog.text


@sqlite_only
def test_a_mail_that_breaks_the_sender_does_not_hold_up_the_next(
    newsroom: Newsroom,
    office: Office,
    inbox: Inbox,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    office.subscribe("bad@example.org", "good@example.org")
    newsroom.post()
    deliver = MailConnection.deliver

    def broken(
        self: MailConnection, sender: str, recipient: str, message: bytes
    ) -> Sent | SendError:
        if recipient == "bad@example.org":
            raise ZeroDivisionError
        return deliver(self, sender, recipient, message)

    monkeypatch.setattr(MailConnection, "deliver", broken)
    office.run()
    assert inbox.addresses == ["good@example.org"]
    bad = office.deliveries()[0]
    assert (bad.state, bad.attempts, bad.last_reply) == (
        DeliveryState.QUEUED,
        1,
        "The mail cannot be sent: ZeroDivisionError",
    )
    assert "cannot be sent" in caplog.text


def test_what_was_settled_or_taken_by_another_cannot_be_settled_again(
    newsroom: Newsroom, office: Office
) -> None:
    office.subscribe("one@example.org")
    newsroom.post()
    office.expand()
    found = claim(office.db, Lane.BULK, 1)
    assert found is not None
    with closing(Settler(office.db)) as settler:

        def settle(token: str, words: str) -> DeliveryState:
            return settler.settle(
                found.messages[0], token, Sent(words), max_age=timedelta(hours=24)
            ).state

        with pytest.raises(LeaseLost):
            settle("another's", "250 ok")
        assert settle(found.lease.token, "250 ok") is DeliveryState.SENT
        with pytest.raises(LeaseLost):
            settle(found.lease.token, "250 again")
    assert office.deliveries()[0].last_reply == "250 ok"


def test_a_row_that_cannot_be_written_down_costs_those_that_are_settled_with_it_nothing(
    newsroom: Newsroom, office: Office
) -> None:
    office.subscribe("bad@example.org", "good@example.org", "lost@example.org")
    newsroom.post()
    office.expand()
    found = claim(office.db, Lane.BULK, 3)
    assert found is not None
    day, token = timedelta(hours=24), found.lease.token
    bad, good, lost = found.messages
    with (
        closing(Settler(office.db)) as settler,
        ThreadPoolExecutor(3) as pool,
        settler._writing,
    ):  # so that all three wait for the same transaction
        ends = {
            "bad": pool.submit(settler.settle, bad, token, Sent("\ud800"), max_age=day),
            "good": pool.submit(settler.settle, good, token, Sent("250 ok"), max_age=day),
            "lost": pool.submit(settler.settle, lost, "another's", Sent("250 ok"), max_age=day),
        }
        assert eventually(lambda: len(settler._pending) == 3)
    assert isinstance(ends["bad"].exception(), UnicodeEncodeError)
    assert isinstance(ends["lost"].exception(), LeaseLost)
    assert ends["good"].result().state is DeliveryState.SENT
    assert [row[1] for row in office.ledger()] == ["claimed", "sent", "claimed"]


@sqlite_only
def test_a_recipient_erased_during_sending_stays_erased(newsroom: Newsroom, office: Office) -> None:
    office.subscribe("gone@example.org")
    newsroom.post()
    office.expand()
    found = claim(office.db, Lane.BULK, 10)
    assert found is not None
    erase_address(office.db, SYSTEM, "gone@example.org")
    refused = Refused("550 5.1.1 <gone@example.org> is nobody", ends_address=True)
    with closing(Settler(office.db)) as settler:
        settler.settle(found.messages[0], found.lease.token, refused, max_age=timedelta(hours=24))
    with office.db.read() as tx:
        gone = recipient_with_subscriptions(tx, found.messages[0].recipient_uid)[0]
    assert gone.erased and office.deliveries()[0].last_reply == ""
