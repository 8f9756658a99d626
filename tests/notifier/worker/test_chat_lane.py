"""From the ledger to a webhook, over real HTTP."""

import json
import re
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from pytest_httpserver import HTTPServer
from sqlalchemy.exc import OperationalError
from werkzeug import Request, Response

from config.keys import Keys
from models import DeliveryState, RevisionKind
from models.recipients.audience import signing_secret
from notifier.services import SERVICES
from notifier.services.webhook import signature
from notifier.worker.chat_lane import ChatLane
from tests.support.clock import StandingClock
from tests.support.databases import sqlite_only
from tests.support.newsroom import Newsroom
from tests.support.office import Office


def posted(httpserver: HTTPServer) -> list[dict[str, object]]:
    return [json.loads(request.get_data()) for request, _ in httpserver.log]


def test_a_post_is_one_signed_request(
    newsroom: Newsroom, office: Office, httpserver: HTTPServer, hook: str
) -> None:
    httpserver.expect_request("/hook").respond_with_data("ok")
    office.channel("room", hook)
    entry = newsroom.post(title="River rising", dek="Two metres", body="Go **up**.")
    assert office.run() == 1
    assert office.run() == 0
    [(request, _)] = httpserver.log
    delivery = office.deliveries()[0]
    assert (delivery.state, delivery.last_reply) == (DeliveryState.SENT, "200 ok")
    told = posted(httpserver)[0]
    assert (told["event"], told["title"], told["id"], told["delivery"]) == (
        "publish",
        "River rising",
        entry.guid,
        delivery.uid,
    )
    assert told["content_text"] == "Go up."
    assert told["url"] == f"https://news.example.org/streams/floods/entries/{entry.uid}"
    secret = signing_secret(office.keys, office.recipient("room").uid).encode()
    at = int(request.headers["Storywire-Signature"].partition(",")[0].removeprefix("t="))
    assert request.headers["Storywire-Signature"] == signature(secret, request.get_data(), at)


def test_what_a_slow_target_would_hold_up_is_sent_by_another_thread_but_for_what_goes_there(
    newsroom: Newsroom, office: Office, allow: Callable[..., None]
) -> None:
    others_have, told = threading.Event(), list[str]()

    def answer(request: Request) -> Response:
        told.append(f"{request.query_string.decode()} {json.loads(request.get_data())['title']}")
        slow = told[-1] == "slow=1 First"
        return Response("ok" if not slow or others_have.wait(30) else "nobody came")

    def stand_in(first: Callable[[], object]) -> None:
        threading.Thread(
            target=lambda: (first(), office.chat.close_connection(), others_have.set())
        ).start()

    with HTTPServer(threaded=True) as server:
        server.expect_request("/hook").respond_with_handler(answer)
        allow(f"{server.host}:{server.port}")
        for name in ("slow", "second", "third"):
            office.channel(name, server.url_for(f"/hook?-{name}=1").replace("http:", "json:"))
        for title in ("First", "Second"):
            newsroom.post(title=title)
        office.expand()
        assert office.chat.send_pass(stand_in) == 6
        office.chat.close_connection()
    others = ["second=1 First", "third=1 First", "second=1 Second", "third=1 Second"]
    assert told == ["slow=1 First", *others, "slow=1 Second"]
    assert {(one.state, one.attempts, one.last_reply) for one in office.deliveries()} == {
        (DeliveryState.SENT, 1, "200 ok")
    }


@pytest.mark.parametrize("reason", ["time", "stop"])
def test_unsent_deliveries_are_released_while_a_slow_request_still_waits(
    newsroom: Newsroom,
    office: Office,
    httpserver: HTTPServer,
    hook: str,
    monkeypatch: pytest.MonkeyPatch,
    reason: str,
) -> None:
    ledger = list[list[tuple[str, str]]]()
    looked = threading.Event()

    def answer(request: Request) -> Response:
        looked.wait(30)
        return Response("ok")

    httpserver.expect_request("/hook").respond_with_handler(answer)
    for name in ("slow", "second"):
        office.channel(name, hook)
    newsroom.post()
    office.expand()
    monkeypatch.setattr("notifier.worker.chat_lane.LONGEST_PASS_SECONDS", 60)

    def stand_in(first: Callable[[], object]) -> None:
        if reason == "stop":
            office.stop.set()
        for batch in office.chat._open if reason == "time" else ():
            batch._until = 0.0
        first()
        ledger.append(office.ledger())
        looked.set()

    assert office.chat.send_pass(stand_in) == 2
    assert ledger == [[("slow", "claimed"), ("second", "queued")]]
    assert office.ledger() == [("slow", "sent"), ("second", "queued")]
    assert [one.attempts for one in office.deliveries()] == [1, 0]


@sqlite_only
def test_updates_corrections_and_retractions_have_their_words(
    newsroom: Newsroom, office: Office, httpserver: HTTPServer, hook: str
) -> None:
    httpserver.expect_request("/hook").respond_with_data("ok")
    office.channel("room", hook)
    entry = newsroom.post(title="Dyke gives way", dek="Leave")
    office.run()
    office.revise(entry, "Dyke leaks", RevisionKind.UPDATE, "Water comes through.")
    office.run()
    office.revise(entry, "Dyke holds", RevisionKind.CORRECTION, "It never broke.")
    office.run()
    office.retract(entry, "There was no such report.")
    office.run()
    said = [
        (told["event"], told["label"], told["title"], told["note"]) for told in posted(httpserver)
    ]
    assert said == [
        ("publish", "", "Dyke gives way", ""),
        ("update", "Update", "Dyke leaks", "Water comes through."),
        ("correction", "Correction", "Dyke holds", "It never broke."),
        ("retraction", "Retracted", "Dyke holds", "There was no such report."),
    ]


def test_a_busy_webhook_is_retried_after_its_retry_after(
    newsroom: Newsroom, office: Office, httpserver: HTTPServer, hook: str, clock: StandingClock
) -> None:
    httpserver.expect_oneshot_request("/hook").respond_with_data(
        status=429, headers={"Retry-After": "90"}
    )
    httpserver.expect_request("/hook").respond_with_data("ok")
    office.channel("room", hook)
    newsroom.post(title="First")
    office.run()
    first = office.deliveries()[0]
    assert (first.state, first.due_at) == (DeliveryState.QUEUED, clock.now + timedelta(seconds=90))
    clock.forward(seconds=10)
    newsroom.post(title="Second")
    office.run()
    assert len(httpserver.log) == 1
    second = office.deliveries()[1]
    assert (second.state, second.attempts) == (DeliveryState.QUEUED, 0)
    clock.forward(seconds=81)
    office.send()
    assert [told["title"] for told in posted(httpserver)] == ["First", "First", "Second"]
    assert [delivery.attempts for delivery in office.deliveries()] == [2, 1]


def test_messages_to_one_target_keep_its_pace_without_anybody_sleeping(
    newsroom: Newsroom,
    office: Office,
    httpserver: HTTPServer,
    hook: str,
    clock: StandingClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    httpserver.expect_request("/hook").respond_with_data("ok")
    monkeypatch.setitem(SERVICES, "webhook", replace(SERVICES["webhook"], pace_seconds=5.0))
    office.channel("room", hook)
    for n in range(3):
        newsroom.post(title=f"News {n}")
    office.run()
    assert len(httpserver.log) == 1
    assert [delivery.attempts for delivery in office.deliveries()] == [1, 0, 0]
    clock.forward(seconds=4)
    office.send()
    assert len(httpserver.log) == 1
    for sent in (2, 3):
        clock.forward(seconds=5.1)
        office.send()
        assert len(httpserver.log) == sent


@sqlite_only
def test_a_target_that_refuses_fails_with_its_words(
    newsroom: Newsroom, office: Office, httpserver: HTTPServer, hook: str
) -> None:
    httpserver.expect_request("/hook").respond_with_data("no such hook", status=404)
    office.channel("room", hook)
    newsroom.post()
    office.run()
    delivery = office.deliveries()[0]
    assert (delivery.state, delivery.last_reply) == (DeliveryState.FAILED, "404 no such hook")
    assert len(httpserver.log) == 1


@sqlite_only
def test_deliveries_of_an_unknown_service_wait_for_a_newer_node(
    newsroom: Newsroom, office: Office, hook: str
) -> None:
    office.channel("room", hook, "carrier-pigeon")
    newsroom.post()
    office.run()
    delivery = office.deliveries()[0]
    assert (delivery.state, delivery.last_reply) == (
        DeliveryState.QUEUED,
        "This version of Storywire does not know the service carrier-pigeon.",
    )


def test_the_attempt_is_committed_before_the_request_leaves(
    newsroom: Newsroom, office: Office, httpserver: HTTPServer, hook: str, clock: StandingClock
) -> None:
    seen: dict[str, list[object]] = {"/": [], "/hook": []}

    def look(request: Request) -> Response:
        deliveries = {one.recipient_id: one for one in office.deliveries()}
        delivery = deliveries[{"/": topic, "/hook": room}[request.path]]
        seen[request.path].append((delivery.state, delivery.started_at))
        return Response("busy", status=503 if len(seen[request.path]) == 1 else 200)

    httpserver.expect_request(re.compile("/(hook)?$")).respond_with_handler(look)
    topic = office.channel(
        "topic", hook.replace("json:", "ntfy:").replace("/hook", "/topic"), "ntfy"
    ).id
    room = office.channel("room", hook).id
    newsroom.post()
    office.run()
    clock.forward(hours=1)
    office.run()
    began = (DeliveryState.CLAIMED, clock.now)
    assert seen["/"] == [(DeliveryState.CLAIMED, clock.now - timedelta(hours=1)), began]
    # What drops doubles may get one more, so its first attempt begins without a word in the ledger.
    assert seen["/hook"] == [(DeliveryState.CLAIMED, None), began]


@sqlite_only
def test_a_changed_secret_leaves_the_message_waiting_with_the_reason(
    newsroom: Newsroom, office: Office, hook: str
) -> None:
    office.channel("room", hook)
    newsroom.post()
    office.expand()
    other = ChatLane(
        office.settings, Keys("another secret than the one that sealed it"), office.db, office.stop
    )
    other.send_pass()
    delivery = office.deliveries()[0]
    assert delivery.state is DeliveryState.QUEUED
    assert "SECRET_KEY" in (delivery.last_reply or "")


@sqlite_only
def test_a_stopping_worker_leaves_the_rest_queued(
    newsroom: Newsroom, office: Office, httpserver: HTTPServer, hook: str
) -> None:
    def stop(request: Request) -> Response:
        office.stop.set()
        return Response("ok")

    httpserver.expect_request("/hook").respond_with_handler(stop)
    for n in range(3):
        office.channel(f"room {n}", f"{hook}?-n={n}")
    newsroom.post()
    office.expand()
    office.chat.send_pass()
    assert [(delivery.state, delivery.attempts) for delivery in office.deliveries()] == [
        (DeliveryState.SENT, 1),
        (DeliveryState.QUEUED, 0),
        (DeliveryState.QUEUED, 0),
    ]


def test_what_fails_before_it_leaves_goes_back_at_once_and_untried(
    newsroom: Newsroom,
    office: Office,
    httpserver: HTTPServer,
    hook: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def away(*_: object) -> None:
        raise OperationalError("", {}, Exception("away"))

    httpserver.expect_request("/").respond_with_data("ok")
    office.channel("topic", hook.replace("json:", "ntfy:").replace("/hook", "/topic"), "ntfy")
    newsroom.post()
    office.expand()
    with monkeypatch.context() as broken:
        broken.setattr("notifier.worker.chat_lane.begin", away)
        with pytest.raises(OperationalError):
            office.chat.send_pass()
    assert [(one.state, one.attempts, one.claim_token) for one in office.deliveries()] == [
        (DeliveryState.QUEUED, 0, None)
    ]
    office.send()
    assert office.ledger() == [("topic", "sent")]
