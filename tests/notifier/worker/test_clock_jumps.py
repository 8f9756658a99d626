"""A clock that jumps two hours, ahead or back: nobody is forgotten or told twice, and nothing
stands still.
"""

from datetime import datetime, time, timedelta

import pytest
from pytest_httpserver import HTTPServer
from sqlalchemy import select, update

from models import Cadence, Delivery, DeliveryState, Lane, Recipient, RevisionKind, Subscription
from models.alerts.clock_jump import TOLERANCE, mend_backward_jump
from models.publishing.posting import Release
from models.publishing.revising import Change, retract
from models.recipients.preferences import Rhythm
from models.tables.people import Throttle
from models.tables.stories import EntryState, RevisionState, Site
from notifier.ledger.claim import claim
from notifier.ledger.fan_out import expand_all
from notifier.ledger.lease import LEASE, release_expired
from notifier.ledger.pause import server_away
from notifier.worker.ticker import Ticker
from tests.support.audience import Audience
from tests.support.clock import StandingClock
from tests.support.inbox import Inbox
from tests.support.newsroom import Newsroom
from tests.support.office import BASE_URL, Office

AHEAD, BACK = timedelta(hours=2), -timedelta(hours=2)


class JumpingWorker:
    """A ticker whose own clock goes on as time does, whatever the wall clock says."""

    def __init__(self, office: Office, clock: StandingClock) -> None:
        self._office, self._clock, self._monotonic = office, clock, 0.0
        self.ticker = Ticker(
            office.db,
            BASE_URL,
            lanes=frozenset(Lane),
            keep=timedelta(days=180),
            ring_expand=lambda: None,
            ring_lane=lambda lane: None,
            monotonic=lambda: self._monotonic,
        )
        self.ticker.tick()

    def later(self, seconds: float, jump: timedelta = timedelta(0)) -> None:
        """Let time pass and the wall clock jump; then the worker does what is due."""
        self._monotonic += seconds
        self._clock.now += timedelta(seconds=seconds) + jump
        self.ticker.tick()

    def works(self, minutes: int = 3) -> None:
        """Expand and send for some minutes."""
        for _ in range(minutes):
            self._office.run()
            self.later(60)
        self._office.run()


@pytest.fixture
def worker(newsroom: Newsroom, office: Office, clock: StandingClock) -> JumpingWorker:
    return JumpingWorker(office, clock)


def addresses(inbox: Inbox, title: str) -> list[str]:
    return sorted(str(mail["To"]) for mail in inbox.mails if mail["Subject"] == title)


@pytest.mark.parametrize("jump", [AHEAD, BACK])
def test_a_clock_jump_neither_loses_nor_adds_alerts_for_followers(
    newsroom: Newsroom, office: Office, inbox: Inbox, worker: JumpingWorker, jump: timedelta
) -> None:
    office.subscribe("early@example.org")
    newsroom.post(title="Before")
    office.expand()
    office.subscribe("joined@example.org")
    worker.later(5, jump)
    newsroom.post(title="After")
    office.subscribe("late@example.org")
    worker.works()
    assert addresses(inbox, "Before") == ["early@example.org"]
    assert addresses(inbox, "After") == ["early@example.org", "joined@example.org"]
    assert all(row[1] == "sent" for row in office.ledger())


@pytest.mark.parametrize("jump", [AHEAD, BACK])
def test_an_alert_expanded_after_a_clock_jump_goes_to_followers_at_posting_time(
    newsroom: Newsroom, office: Office, inbox: Inbox, worker: JumpingWorker, jump: timedelta
) -> None:
    office.subscribe("early@example.org")
    newsroom.post(title="Posted")
    worker.later(5, jump)
    office.subscribe("late@example.org")  # by the clock, before it was posted
    worker.works()
    assert addresses(inbox, "Posted") == ["early@example.org"]


def test_a_clock_set_ahead_and_back_loses_no_recipient(
    newsroom: Newsroom, office: Office, inbox: Inbox, worker: JumpingWorker
) -> None:
    worker.later(60, AHEAD)
    office.subscribe("meanwhile@example.org")
    newsroom.post(title="Meanwhile")
    worker.later(60, BACK)
    newsroom.post(title="Since")
    office.subscribe("since@example.org")
    worker.works()
    assert addresses(inbox, "Meanwhile") == addresses(inbox, "Since") == ["meanwhile@example.org"]


@pytest.mark.parametrize("jump", [AHEAD, BACK])
def test_a_live_worker_keeps_its_claim_and_a_dead_ones_is_freed_within_two_leases(
    newsroom: Newsroom, office: Office, worker: JumpingWorker, jump: timedelta
) -> None:
    office.subscribe("one@example.org")
    newsroom.post()
    office.expand()
    held = claim(office.db, Lane.BULK, 10)
    assert held is not None
    worker.later(5, jump)
    assert [one.state for one in office.deliveries()] == [DeliveryState.CLAIMED]
    assert release_expired(office.db) == 0
    for _ in range(2):
        worker.later(LEASE.total_seconds() + 1)
    assert [one.state for one in office.deliveries()] == [DeliveryState.QUEUED]


@pytest.mark.parametrize("jump", [AHEAD, BACK])
def test_a_retry_comes_as_soon_as_it_would_have_come(
    newsroom: Newsroom,
    office: Office,
    httpserver: HTTPServer,
    hook: str,
    worker: JumpingWorker,
    clock: StandingClock,
    jump: timedelta,
) -> None:
    httpserver.expect_oneshot_request("/hook").respond_with_data(
        "busy", status=503, headers={"Retry-After": "600"}
    )
    httpserver.expect_request("/hook").respond_with_data("ok")
    office.channel("room", hook)
    newsroom.post()
    office.run()
    worker.later(5, jump)
    (delivery,) = office.deliveries()
    assert delivery.due_at - clock.now <= timedelta(minutes=11)
    room = office.recipient("room")
    assert room.next_at is not None and room.next_at - clock.now <= timedelta(minutes=11)
    worker.works(12)
    assert [row[1] for row in office.ledger()] == ["sent"]


@pytest.mark.parametrize("jump", [AHEAD, BACK])
def test_a_mail_server_that_was_away_is_tried_again(
    newsroom: Newsroom, office: Office, inbox: Inbox, worker: JumpingWorker, jump: timedelta
) -> None:
    office.subscribe("one@example.org")
    newsroom.post(title="Held up")
    server_away(office.db, "it is away", probe=False)
    worker.later(1, jump)
    worker.works()
    assert addresses(inbox, "Held up") == ["one@example.org"]


@pytest.mark.parametrize(
    ("jump", "hour", "sent"),
    [(BACK, 7, False), (BACK, 5, False), (AHEAD, 5, True), (AHEAD, 23, False)],
)
def test_quiet_hours_are_those_of_the_clock_as_it_stands(
    newsroom: Newsroom,
    office: Office,
    inbox: Inbox,
    clock: StandingClock,
    jump: timedelta,
    hour: int,
    sent: bool,
) -> None:
    """They end at six; the jump leads out of them, or into them, or stays inside."""
    clock.now = clock.now.replace(hour=hour)
    worker = JumpingWorker(office, clock)
    office.subscribe("one@example.org")
    with office.db.begin() as tx:
        tx.execute(update(Recipient).values(quiet_from=time(22), quiet_until=time(6)))
    newsroom.post(title="At night")
    worker.later(1, jump)
    worker.works()
    assert bool(addresses(inbox, "At night")) is sent
    while clock.now.hour != 6:
        worker.later(1800)
    worker.works()
    assert addresses(inbox, "At night") == ["one@example.org"]


def test_undo_delays_survive_a_clock_jump_and_scheduled_entries_keep_their_hour(
    newsroom: Newsroom, office: Office, worker: JumpingWorker, clock: StandingClock
) -> None:
    out = newsroom.post()
    delay = timedelta(seconds=20)
    revision = retract(
        office.db,
        newsroom.actor,
        out.uid,
        out.version,
        Change(RevisionKind.RETRACTION, delay=delay),
    )
    soon = newsroom.post(release=Release(delay=delay))
    planned = newsroom.post(release=Release(at=clock.now + timedelta(hours=3)))
    worker.later(5, BACK)
    worker.later(60)
    assert newsroom.entry(soon.uid).state is EntryState.PUBLISHED
    assert newsroom.entry(planned.uid).publish_at == planned.publish_at
    with office.db.read() as tx:
        assert tx.get_one(type(revision), revision.id).state is RevisionState.APPLIED


RHYTHMS = {
    "every quarter of an hour": Rhythm(cadence=Cadence.INTERVAL, every_minutes=15),
    "hourly": Rhythm(cadence=Cadence.HOURLY),
    "daily": Rhythm(cadence=Cadence.DAILY),
    "weekly": Rhythm(cadence=Cadence.WEEKLY, digest_day=0),
}


def digests(inbox: Inbox) -> list[str]:
    """The titles that each digest tells, each once."""
    texts = [mail.get_body(("plain",)).get_content() for mail in inbox.mails]  # type: ignore[union-attr]
    return [
        ", ".join(title for title in ("Before", "Meanwhile", "Since") if title in text)
        for text in texts
    ]


@pytest.mark.parametrize("rhythm", RHYTHMS)
@pytest.mark.parametrize("ahead", [timedelta(hours=2), timedelta(days=400)])
def test_digests_go_on_in_their_rhythm_after_a_clock_was_ahead_for_a_while(
    newsroom: Newsroom,
    office: Office,
    inbox: Inbox,
    clock: StandingClock,
    worker: JumpingWorker,
    rhythm: str,
    ahead: timedelta,
) -> None:
    chosen = RHYTHMS[rhythm]
    Audience(office, inbox, clock).reads(rhythm=chosen)
    newsroom.post(title="Before")
    worker.later(1, ahead)
    office.run()
    newsroom.post(title="Meanwhile")
    worker.later(1800)
    office.run()
    worker.later(1, -ahead)
    newsroom.post(title="Since")
    office.run()
    with office.db.read() as tx:
        due = tx.scalars(select(Subscription.next_digest_at)).one()
    assert due is not None
    period = {"every quarter of an hour": 15, "hourly": 60, "daily": 1440, "weekly": 10_080}[rhythm]
    assert due - clock.now <= timedelta(minutes=period)
    worker.later((due - clock.now).total_seconds())
    office.run()
    assert ", ".join(digests(inbox)).split(", ") == ["Before", "Meanwhile", "Since"]


def test_a_digest_comes_at_a_moment_that_comes_a_second_time(
    newsroom: Newsroom, office: Office, inbox: Inbox, clock: StandingClock, worker: JumpingWorker
) -> None:
    Audience(office, inbox, clock).reads(rhythm=RHYTHMS["every quarter of an hour"])
    newsroom.post(title="Before")
    office.expand()
    worker.later(905)  # it is 08:15:05
    office.run()
    worker.later(60, -timedelta(minutes=31))
    for title in ("Meanwhile", "Since"):
        newsroom.post(title=title)
        office.expand()
        worker.later(900)  # to 08:00:05, and to 08:15:05 again
        office.run()
    assert digests(inbox) == ["Before", "Meanwhile", "Since"]


def test_a_daily_digest_does_not_come_again_where_the_clock_is_put_back_before_its_hour(
    newsroom: Newsroom, office: Office, inbox: Inbox, clock: StandingClock, worker: JumpingWorker
) -> None:
    Audience(office, inbox, clock).reads(rhythm=RHYTHMS["daily"])
    newsroom.post(title="Before")
    worker.later(1, timedelta(days=1))
    office.run()
    worker.later(1, BACK)
    newsroom.post(title="Since")
    worker.later(1, AHEAD)
    office.run()
    assert digests(inbox) == ["Before"]
    worker.later(1, timedelta(days=1))
    office.run()
    assert digests(inbox) == ["Before", "Since"]


def test_a_clock_that_is_put_back_between_two_runs_is_noticed_at_the_start(
    newsroom: Newsroom, office: Office, worker: JumpingWorker, clock: StandingClock
) -> None:
    office.subscribe("one@example.org")
    newsroom.post()
    expand_all(office.db, go_on=lambda: True, ring=lambda lane: None)
    with office.db.begin() as tx:
        tx.add(Throttle(key="log-in of somebody", window_at=clock.now, tries=3))
    clock.now += BACK
    assert mend_backward_jump(office.db) is not None
    assert mend_backward_jump(office.db) is None, "another node that noticed it, too"
    assert office.deliveries()[0].due_at <= clock.now
    with office.db.read() as tx:
        assert tx.get_one(Throttle, "log-in of somebody").window_at <= clock.now


@pytest.mark.parametrize("seconds", [-TOLERANCE.total_seconds(), -1, 0, 1, 3600])
def test_a_clock_that_is_only_set_right_changes_nothing(
    newsroom: Newsroom, office: Office, worker: JumpingWorker, clock: StandingClock, seconds: float
) -> None:
    office.subscribe("one@example.org")
    newsroom.post()
    office.expand()
    before: list[tuple[datetime, datetime | None]] = [
        (one.due_at, one.lease_until) for one in office.deliveries()
    ]
    with office.db.read() as tx:
        beat = tx.execute(select(Site.heartbeat_at)).scalar_one()
    assert beat is not None
    clock.now = beat + timedelta(seconds=seconds)
    assert mend_backward_jump(office.db) is None
    assert [(one.due_at, one.lease_until) for one in office.deliveries()] == before


def test_what_an_operator_holds_stays_held(
    newsroom: Newsroom, office: Office, worker: JumpingWorker, clock: StandingClock
) -> None:
    office.subscribe("one@example.org")
    newsroom.post()
    office.expand()
    with office.db.begin() as tx:
        tx.execute(update(Delivery).values(held_at=clock.now))
    worker.later(5, BACK)
    assert office.deliveries()[0].held_at is not None
