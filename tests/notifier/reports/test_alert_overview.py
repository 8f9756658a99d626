"""One alert from all sides, and how long it will take."""

import pytest
from pytest_httpserver import HTTPServer

from models.alerts.alert_control import stop_alert
from models.text.actor import SYSTEM
from models.text.errors import NotFound
from notifier.reports.alert_overview import overview
from notifier.reports.estimate import Estimate, ProgressSample, estimate
from tests.support.clock import StandingClock
from tests.support.inbox import Inbox
from tests.support.newsroom import Newsroom
from tests.support.office import Office


@pytest.mark.parametrize(
    "looks, owed, expected",
    [
        ([], 100, Estimate()),
        ([(0, 0)], 100, Estimate()),
        ([(0, 0), (2, 50)], 100, Estimate(25, 2)),
        ([(0, 0), (2, 50)], None, Estimate(25, None)),  # its recipients are still being found
        # what was long ago tells nothing
        ([(0, 0), (100, 1000), (110, 1100)], 2100, Estimate(10, 100)),
        ([(0, 90), (1, 20), (2, 40)], 100, Estimate(20, 3)),  # some were owed anew
        ([(0, 40), (10, 40)], 100, Estimate(0, None)),  # nothing moves
        ([(0, 40), (10, 100)], 100, Estimate(6, 0)),
        ([(0, 100), (10, 100)], 100, Estimate(0, 0)),
    ],
)
def test_pace_and_remaining_time_are_estimated_from_recent_samples(looks, owed, expected):
    assert estimate([ProgressSample(at, ended) for at, ended in looks], owed) == expected


def test_an_alert_is_shown_by_service_with_the_texts_of_refusals(
    newsroom: Newsroom,
    office: Office,
    inbox: Inbox,
    httpserver: HTTPServer,
    hook: str,
    clock: StandingClock,
) -> None:
    httpserver.expect_request("/hook").respond_with_data("gone", status=410)
    office.subscribe("gone@example.org", "good@example.org", "later@example.org")
    office.channel("room", hook)
    newsroom.post()
    with newsroom.db.read() as tx:
        assert overview(tx, 1).reasons == ["Recipients are still being found."]
    inbox.replies["data"] = ["554 5.6.0 no", "250 ok", "451 later"]
    clock.forward(seconds=4)
    office.run()
    with newsroom.db.read() as tx:
        found = overview(tx, 1)
        with pytest.raises(NotFound):
            overview(tx, 2)
    assert found.services["mail"] == {
        "owed": 3,
        "sent": 1,
        "failed": 1,
        "unknown": 0,
        "skipped": 0,
        "queued": 1,
    }
    assert found.services["webhook"]["owed"] == 1
    assert list(found.services.values()) == list(found.lanes.values())[::-1]
    assert ("gone@example.org", "554 5.6.0 no") in [
        (one.shown, one.last_reply) for one in found.troubles
    ]
    assert (found.done, found.average.rate) == (False, found.ended / 4)
    stop_alert(newsroom.db, SYSTEM, 1)
    clock.forward(hours=1)
    office.run()
    with newsroom.db.read() as tx:
        assert overview(tx, 1).done
