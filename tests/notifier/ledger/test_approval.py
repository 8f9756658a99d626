"""Alerts that wait on the desk until an editor lets them go."""

from typing import Any

import pytest
from sqlalchemy import select

from models import Alert, EntryState, Importance, RevisionKind, Role
from models.alerts.alert_control import resume_alert, retry_alert, stop_alert
from models.alerts.send_hold import waiting, watch
from models.db.approval_rules import alerts_in_last_hour
from models.publishing.revising import Change, revise
from models.streams.review_queue import waiting_alerts
from models.text.actor import SYSTEM
from models.text.errors import Conflict, Forbidden
from models.text.texts import EntryText
from notifier.ledger.fan_out import expand_all
from notifier.reports.delivery_report import alert_sums, why_waiting
from tests.support.clock import StandingClock
from tests.support.inbox import Inbox
from tests.support.newsroom import Newsroom
from tests.support.office import BASE_URL, Office, lines

READERS = ["ann@example.org", "ben@example.org"]


@pytest.fixture(autouse=True)
def _followers(office: Office) -> None:
    office.subscribe(*READERS)


def on_desk(newsroom: Newsroom) -> list[int]:
    with newsroom.db.read() as tx:
        return [one.id for one in waiting_alerts(tx)]


def test_an_alert_above_the_limit_sends_nothing_until_it_is_let_go_and_then_once(
    newsroom: Newsroom, office: Office, inbox: Inbox, clock: StandingClock
) -> None:
    newsroom.agree(most_alerts=1)
    newsroom.post(title="First")
    clock.forward(minutes=59)
    second = newsroom.post(title="Second")
    assert second.state is EntryState.PUBLISHED, "the entry itself is out"
    office.run()
    assert [mail["Subject"] for mail in inbox.mails] == ["First"] * 2
    (alert_id,) = on_desk(newsroom)
    with pytest.raises(Conflict):
        retry_alert(office.db, SYSTEM, alert_id)
    clock.forward(hours=7)
    resume_alert(office.db, SYSTEM, alert_id)
    resume_alert(office.db, SYSTEM, alert_id)
    office.run()
    office.run()
    assert [mail["Subject"] for mail in inbox.mails[2:]] == ["Second"] * 2, (
        "however long it waited, nothing holds it any more"
    )
    assert on_desk(newsroom) == []


def test_the_limit_is_a_storys_own_and_counts_what_was_let_out(
    newsroom: Newsroom, office: Office, clock: StandingClock
) -> None:
    newsroom.agree(most_alerts=2)
    newsroom.stream("budget")
    for title in "abc":
        newsroom.post(title=title)
    newsroom.post("budget", title="Elsewhere")
    newsroom.post("budget", title="Quiet", release=None)
    with newsroom.db.read() as tx:
        assert [one.title for one in waiting_alerts(tx)] == ["c"]
        assert [alerts_in_last_hour(tx, id_) for id_ in (1, 2)] == [2, 1]
    clock.forward(minutes=61)
    newsroom.post(title="d")
    assert len(on_desk(newsroom)) == 1


def test_a_dropped_alert_is_not_sent(newsroom: Newsroom, office: Office, inbox: Inbox) -> None:
    newsroom.agree(most_alerts=1)
    newsroom.post(title="First")
    newsroom.post(title="Second")
    stop_alert(office.db, SYSTEM, on_desk(newsroom)[0])
    office.run()
    assert ([mail["Subject"] for mail in inbox.mails], on_desk(newsroom)) == (["First"] * 2, [])


def test_a_change_of_what_is_breaking_waits_for_another_editor(
    newsroom: Newsroom, office: Office, inbox: Inbox
) -> None:
    entry = newsroom.post(importance=Importance.BREAKING)
    office.run()
    newsroom.agree(second_editor=True)
    text = EntryText("It broke", importance=Importance.BREAKING)
    revise(office.db, newsroom.actor, entry.uid, entry.version, text, Change(RevisionKind.UPDATE))
    assert newsroom.entry(entry.uid).title == "It broke"
    office.run()
    assert len(inbox.mails) == 2
    (alert_id,) = on_desk(newsroom)
    with pytest.raises(Forbidden, match="Another editor has to approve"):
        resume_alert(office.db, newsroom.actor, alert_id)
    with pytest.raises(Forbidden):
        resume_alert(office.db, newsroom.account(Role.AUTHOR), alert_id)
    resume_alert(office.db, newsroom.account(Role.EDITOR), alert_id)
    office.run()
    assert len(inbox.mails) == 4


@pytest.mark.parametrize("kind", [RevisionKind.SILENT, RevisionKind.UPDATE])
@pytest.mark.parametrize("stage", ["unexpanded", "expanded", "stopped", "above the limit"])
def test_a_pending_alert_does_not_send_an_unapproved_change_to_breaking(
    stage: str, kind: RevisionKind, newsroom: Newsroom, office: Office, inbox: Inbox
) -> None:
    newsroom.agree(second_editor=True, most_alerts=1)
    other = newsroom.account(Role.EDITOR)
    if stage == "above the limit":
        newsroom.post(title="First")
        office.run()
    before = len(inbox.mails)
    entry = newsroom.post(title="Harmless")
    (alert_id,) = [one["id"] for one in sums_of(newsroom) if one["entry_uid"] == entry.uid]
    if stage == "expanded":
        office.expand()
    elif stage == "stopped":
        stop_alert(office.db, newsroom.actor, alert_id)
        office.run()
    revise(
        office.db,
        newsroom.actor,
        entry.uid,
        entry.version,
        EntryText("It broke", importance=Importance.BREAKING),
        Change(kind),
    )
    office.run()
    with pytest.raises(Forbidden, match="Another editor has to approve"):
        resume_alert(office.db, newsroom.actor, alert_id)
    office.run()
    assert len(inbox.mails) == before
    for one in sums_of(newsroom):
        if one["waits_for"]:
            resume_alert(office.db, other, one["id"])
    office.run()
    assert [mail["Subject"] for mail in inbox.mails[before:]] == ["Breaking: It broke"] * 2, (
        "each reader is told once"
    )
    assert all(one["queued"] == 0 for one in sums_of(newsroom))


def test_an_alert_already_sent_to_all_needs_no_approval(newsroom: Newsroom, office: Office) -> None:
    newsroom.agree(second_editor=True)
    entry = newsroom.post(title="Harmless")
    office.run()
    revise(
        office.db,
        newsroom.actor,
        entry.uid,
        entry.version,
        EntryText("It broke", importance=Importance.BREAKING),
        Change(),
    )
    assert on_desk(newsroom) == []
    (told,) = sums_of(newsroom)
    with pytest.raises(Forbidden, match="Another editor has to approve"):
        retry_alert(office.db, newsroom.actor, told["id"])
    assert retry_alert(office.db, newsroom.account(Role.EDITOR), told["id"]) == 0


def test_the_last_editor_cannot_release_an_alert_but_the_author_can(
    newsroom: Newsroom, office: Office, inbox: Inbox
) -> None:
    entry = newsroom.post(importance=Importance.BREAKING)
    office.run()
    newsroom.agree(second_editor=True)
    other = newsroom.account(Role.EDITOR)
    revise(
        office.db,
        other,
        entry.uid,
        entry.version,
        EntryText("One", importance=Importance.BREAKING),
        Change(RevisionKind.UPDATE),
    )
    (alert_id,) = on_desk(newsroom)
    changed = newsroom.entry(entry.uid)
    revise(
        office.db,
        newsroom.actor,
        entry.uid,
        changed.version,
        EntryText("Two", importance=Importance.BREAKING),
        Change(),
    )
    with pytest.raises(Forbidden):
        resume_alert(office.db, newsroom.actor, alert_id)
    resume_alert(office.db, other, alert_id)
    office.run()
    assert len(inbox.mails) == 4


def sums_of(newsroom: Newsroom) -> list[dict[str, Any]]:
    with newsroom.db.read() as tx:
        return alert_sums(tx, 10)


def test_of_several_alerts_of_an_entry_that_waited_each_reader_gets_the_last_as_new(
    newsroom: Newsroom, office: Office, inbox: Inbox
) -> None:
    newsroom.agree(most_alerts=1)
    newsroom.post(title="First")
    office.run()
    entry = newsroom.post(title="Five metres")
    office.revise(entry, "Six metres")
    assert len(on_desk(newsroom)) == 2
    resume_alert(office.db, SYSTEM, on_desk(newsroom)[1])
    assert on_desk(newsroom) == [], (
        "what went before goes with it, for those who want no corrections"
    )
    office.run()
    assert [mail["Subject"] for mail in inbox.mails[2:]] == ["Six metres"] * 2
    assert lines(office.ledger())[1::3] == [f"{reader} sent" for reader in READERS]
    assert sum("superseded" in line for line in lines(office.ledger())) == 2


def test_waiting_alerts_of_a_retracted_entry_are_dropped_and_earlier_recipients_get_the_retraction(
    newsroom: Newsroom, office: Office, inbox: Inbox
) -> None:
    newsroom.agree(most_alerts=1)
    told = newsroom.post(title="First")
    office.run()
    untold = newsroom.post(title="Second")
    (alert_id,) = on_desk(newsroom)
    office.retract(untold)
    office.retract(told)
    office.run()
    assert len(inbox.mails) == 4, "a withdrawal waits for no limit"
    with newsroom.db.read() as tx:
        assert tx.get_one(Alert, alert_id).stopped_at is not None


def test_an_alert_on_the_desk_keeps_no_worker_busy_and_holds_nothing(
    newsroom: Newsroom, office: Office, clock: StandingClock
) -> None:
    newsroom.agree(most_alerts=1)
    watch(office.db, BASE_URL, starting=True)
    newsroom.post(title="First")
    office.run()
    newsroom.post(title="Second")
    rings: list[str] = []
    with newsroom.db.read() as tx:
        assert waiting(tx).finding == 0
        assert alert_sums(tx, 1)[0]["waits_for"] == "most"
    assert (
        expand_all(office.db, go_on=lambda: True, ring=lambda lane: rings.append(lane.value)) == 0
    )
    clock.forward(hours=2)
    assert watch(office.db, BASE_URL) is None
    with newsroom.db.read() as tx:
        assert why_waiting(tx) == []
        assert tx.scalars(select(Alert.finished_at)).all()[-1] is None
