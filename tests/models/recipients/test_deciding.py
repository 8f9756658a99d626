"""What a subscription makes of an alert: as a table, and the same as the SQL that asks for all
recipients at once.
"""

import itertools
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from models import (
    Cadence,
    Importance,
    Lane,
    Recipient,
    RecipientKind,
    RecipientState,
    SkipReason,
    Subscription,
    SubscriptionExcept,
    SubscriptionTag,
)
from models.recipients.audience import AlertTopic, eligible_recipients
from models.recipients.digest_rules import Wanted
from models.tables.base import new_uid
from tests.support.delivery_rules import (
    Decision,
    ForDigest,
    Later,
    News,
    Reader,
    Send,
    Skip,
    decide,
    most_immediate,
)


def utc(month: int, day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


NOW = utc(3, 14, 8)
BEFORE, AFTER = NOW - timedelta(days=1), NOW + timedelta(seconds=1)
KYIV = ZoneInfo("Europe/Kyiv")
TOPIC = AlertTopic(1, Importance.KEY, ("river",), correction=False)
FILTERED = Skip(SkipReason.FILTER)


def decision(now: datetime = NOW, **given: object) -> Decision:
    reader, wanted, topic = Reader(confirmed_at=BEFORE), Wanted(created_at=BEFORE), TOPIC
    for name, value in given.items():
        if name in Reader.__slots__:
            reader = replace(reader, **{name: value})  # type: ignore[arg-type]
        elif name in Wanted.__slots__:
            wanted = replace(wanted, **{name: value})  # type: ignore[arg-type]
        else:
            topic = replace(topic, **{name: value})  # type: ignore[arg-type]
    return decide(reader, wanted, News(topic, NOW), now)


NIGHT = {"quiet_from": time(22), "quiet_until": time(7), "timezone": KYIV}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, Send()),
        ({"state": RecipientState.SUPPRESSED}, Skip(SkipReason.SUPPRESSED)),
        ({"state": RecipientState.PENDING}, Skip(SkipReason.CANCELLED)),
        ({"ended_at": BEFORE}, Skip(SkipReason.CANCELLED)),
        ({"created_at": AFTER}, FILTERED),
        ({"confirmed_at": AFTER}, FILTERED),
        ({"stream_id": 2}, FILTERED),
        ({"left_out": frozenset({1})}, FILTERED),
        ({"least_importance": Importance.BREAKING}, FILTERED),
        ({"tags": frozenset({"rain"})}, FILTERED),
        ({"tags": frozenset({"rain", "river"})}, Send()),
        ({"corrections": False}, Send()),
        ({"corrections": False, "correction": True}, FILTERED),
        ({"news": False}, FILTERED),
        ({"news": False, "correction": True}, Send()),
        ({"paused_until": AFTER}, Skip(SkipReason.QUIET)),
        ({"paused_until": AFTER, "importance": Importance.BREAKING}, Skip(SkipReason.QUIET)),
        ({"paused_until": NOW}, Send()),
        ({"cadence": Cadence.DAILY}, ForDigest(Cadence.DAILY)),
        ({"cadence": Cadence.DAILY, "at_once_from": Importance.BREAKING}, ForDigest(Cadence.DAILY)),
        ({"cadence": Cadence.DAILY, "at_once_from": Importance.KEY}, Send()),
        (NIGHT, Send()),  # 10:00 in Kyiv
        (NIGHT | {"now": NOW.replace(hour=4, minute=59)}, Later(NOW.replace(hour=5))),
        (NIGHT | {"now": NOW.replace(hour=5)}, Send()),
        (NIGHT | {"now": NOW.replace(hour=20)}, Later(NOW.replace(hour=5) + timedelta(days=1))),
        (NIGHT | {"now": NOW.replace(hour=20), "importance": Importance.BREAKING}, Send()),
        (NIGHT | {"quiet_from": time(9), "quiet_until": time(11)}, Later(NOW.replace(hour=9))),
        (NIGHT | {"quiet_from": time(9), "quiet_until": time(9)}, Send()),
        # On 29 March 2026 the clocks of Kyiv skip from 03:00 to 04:00, and on 25 October they show
        # 03:00 to 04:00 twice.
        (NIGHT | {"now": utc(3, 28, 21)}, Later(utc(3, 29, 4))),
        (NIGHT | {"now": utc(3, 29, 0), "quiet_until": time(3, 30)}, Later(utc(3, 29, 1, 30))),
        (NIGHT | {"now": utc(10, 24, 20)}, Later(utc(10, 25, 5))),
        (NIGHT | {"now": utc(10, 25, 1, 10), "quiet_until": time(3, 30)},
         Later(utc(10, 25, 1, 30))),
    ],
)  # fmt: skip
def test_what_a_subscription_makes_of_an_alert(
    given: dict[str, object], expected: Decision
) -> None:
    assert decision(**given) == expected  # type: ignore[arg-type]


def test_the_most_immediate_of_several_subscriptions_wins() -> None:
    later, digest = Later(AFTER), ForDigest(Cadence.DAILY)
    assert most_immediate([FILTERED, digest, later, Send()]) == Send()
    assert most_immediate([digest, later]) == later
    assert most_immediate([]) == FILTERED


def _audience(streams: list[int], dice: random.Random) -> Iterator[tuple[Reader, list[Wanted]]]:
    states = [*RecipientState, *[RecipientState.CONFIRMED] * 6]
    for _ in range(250):
        reader = Reader(
            state=dice.choice(states), confirmed_at=dice.choice([BEFORE, BEFORE, NOW, AFTER])
        )
        yield (
            reader,
            [
                Wanted(
                    created_at=dice.choice([BEFORE, BEFORE, NOW, AFTER]),
                    stream_id=stream,
                    left_out=frozenset(
                        dice.sample(streams, dice.choice([0, 0, 1])) if stream is None else []
                    ),
                    least_importance=dice.choice(list(Importance)),
                    tags=frozenset(
                        dice.sample(["river", "rain", "dyke"], dice.choice([0, 0, 1, 2]))
                    ),
                    news=dice.random() < 0.8,
                    corrections=dice.random() < 0.7,
                    cadence=dice.choice([Cadence.AT_ONCE, Cadence.AT_ONCE, Cadence.DAILY]),
                    at_once_from=dice.choice([None, *Importance]),
                    ended_at=dice.choice([None, None, None, BEFORE]),
                )
                for stream in dice.sample([None, *streams], dice.choice([1, 1, 2, 3]))
            ],
        )


@pytest.mark.parametrize("db", ["sqlite"], indirect=True)
def test_the_sql_for_all_agrees_with_the_rule_for_one(newsroom, db) -> None:
    streams = [newsroom.stream(slug).id for slug in ("one", "two")]
    audience = list(_audience(streams, random.Random(7)))
    with db.begin() as tx:
        for number, (reader, subscriptions) in enumerate(audience, 1):
            values = {
                "id": number,
                "uid": new_uid(16),
                "kind": RecipientKind.MAIL,
                "address": f"r{number}@example.org",
                "lane": Lane.BULK,
            }
            tx.add(
                Recipient(
                    **values,
                    state=reader.state,
                    confirmed_at=reader.confirmed_at,
                    created_at=BEFORE,
                )
            )
            tx.flush()
            for one in subscriptions:
                values = {
                    name: getattr(one, name)
                    for name in Wanted.__slots__
                    if name not in ("left_out", "tags")
                }
                row = Subscription(recipient_id=number, **values)
                tx.add(row)
                tx.flush()
                tx.add_all(SubscriptionTag(subscription_id=row.id, slug=tag) for tag in one.tags)
                tx.add_all(
                    SubscriptionExcept(subscription_id=row.id, stream_id=stream)
                    for stream in one.left_out
                )
    tags = ((), ("rain",), ("river", "dyke"))
    for importance, labels, correction in itertools.product(Importance, tags, (False, True)):
        news = News(AlertTopic(streams[0], importance, labels, correction=correction), NOW)
        with db.read() as tx:
            found = {
                row.recipient_id
                for row in tx.execute(eligible_recipients(news.topic, confirmed_by=news.created_at))
            }
        decisions = (
            most_immediate(decide(reader, one, news, NOW) for one in wanted)
            for reader, wanted in audience
        )
        assert found == {number for number, made in enumerate(decisions, 1) if made == Send()}
        assert 0 < len(found) < 200
