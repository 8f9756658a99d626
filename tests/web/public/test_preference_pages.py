"""What reaches a recipient, set by the links in mails."""

import json

import lxml.html
import pytest
from sqlalchemy import select, update
from werkzeug.test import TestResponse

from config.keys import Keys
from models import (
    Alert,
    Cadence,
    Delivery,
    Importance,
    Recipient,
    RecipientKind,
    RecipientState,
    StreamState,
    Subscription,
)
from models.recipients.audience import (
    add_subscriber,
    excluded_streams,
    find_recipient,
    recipient_with_subscriptions,
    unsubscribe,
)
from models.streams.streams import set_stream_state
from models.text.tokens import unsubscribe_token
from tests.support.clock import StandingClock
from tests.support.newsroom import Newsroom
from tests.support.web_person import Person

HEDDA, NEW = "hedda@post.example", "hedda@new.example"


@pytest.fixture
def uid(newsroom: Newsroom) -> str:
    newsroom.stream("strike")
    add_subscriber(newsroom.db, newsroom.actor, HEDDA, stream="strike")
    return add_subscriber(newsroom.db, newsroom.actor, HEDDA, stream="floods").uid


@pytest.fixture
def path(newsroom: Newsroom, keys: Keys, uid: str) -> str:
    return f"/p/{unsubscribe_token(keys, uid, newsroom.stream().uid)}"


def found(newsroom: Newsroom, address: str = HEDDA) -> tuple[Recipient, list[Subscription]] | None:
    with newsroom.db.read() as tx:
        recipient = find_recipient(tx, RecipientKind.MAIL, address)
        return (
            (recipient, list(recipient_with_subscriptions(tx, recipient.uid)[1]))
            if recipient
            else None
        )


def following(newsroom: Newsroom) -> dict[str, Subscription]:
    one = found(newsroom)
    assert one is not None
    return {each.stream.slug if each.stream else "all": each for each in one[1]}


def filled(page: TestResponse) -> dict[str, list[str]]:
    """All that the form of the settings would send."""
    form = lxml.html.fromstring(page.text).get_element_by_id("settings")
    values: dict[str, list[str]] = {}
    for name, value in form.form_values():
        values.setdefault(name, []).append(value)
    return values


def last_link(newsroom: Newsroom) -> str:
    with newsroom.db.read() as tx:
        notice = tx.scalars(
            select(Alert.notice).where(Alert.notice.is_not(None)).order_by(Alert.id.desc())
        ).first()
    assert notice is not None
    return str(notice["values"]["link"])


def fresh(newsroom: Newsroom, reader: Person, path: str) -> str:
    assert "e-mailed you a new link" in reader.post(f"{path}/fresh", {}).text
    return last_link(newsroom)


def test_looking_changes_nothing_and_gives_nothing_away(
    newsroom: Newsroom, reader: Person, path: str
) -> None:
    page = reader.get(path)
    assert page.status_code == 200 and "h•••@post.example" in page.text and HEDDA not in page.text
    assert "Set-Cookie" not in page.headers and page.headers["Cache-Control"] == "no-store"
    before = {slug: one.cadence for slug, one in following(newsroom).items()}
    assert reader.post(path, filled(page)).status_code == 200  # type: ignore[arg-type]
    assert {slug: one.cadence for slug, one in following(newsroom).items()} == before


def test_all_is_chosen_without_a_script_and_comes_back_as_it_was_chosen(
    newsroom: Newsroom, reader: Person, path: str
) -> None:
    strike, floods = newsroom.stream("strike").uid, newsroom.stream().uid
    chosen = filled(reader.get(path)) | {
        "follow": [strike, "all"], "left_out": [floods], "own": ["all"],
        "tags": "River Level, Évacuation", "least": "key", "kinds": "new",
        "cadence": "weekly", "at": "18:30", "day": "4", "sooner": "breaking",
        "quiet_from": "22:00", "quiet_until": "06:30",
        "pause": "2027-01-02", "timezone": "Europe/Berlin", "language": "de", "tags-all": "",
        "least-all": "normal", "kinds-all": "corrections",
        "cadence-all": "interval", "minutes-all": "45", "at-all": "", "day-all": "",
        "sooner-all": "",
    }  # fmt: skip
    assert "Gespeichert" in reader.post(path, chosen).text  # type: ignore[arg-type]
    follows = following(newsroom)
    assert set(follows) == {"strike", "all"}
    one, every = follows["strike"], follows["all"]
    assert (one.cadence, one.digest_day, one.at_once_from, one.news, one.corrections) == (
        Cadence.WEEKLY,
        4,
        Importance.BREAKING,
        True,
        False,
    )
    assert (every.cadence, every.every_minutes, every.news, every.corrections) == (
        Cadence.INTERVAL,
        45,
        False,
        True,
    )
    assert one.next_digest_at is not None and one.next_digest_at.isoformat().endswith(
        "17:30:00+00:00"
    )
    again = filled(reader.get(path))
    for name in ("quiet_from", "quiet_until", "pause", "timezone", "language", "left_out"):
        assert again[name] == (chosen[name] if isinstance(chosen[name], list) else [chosen[name]])
    reader.post(path, again)  # type: ignore[arg-type]
    assert following(newsroom)["all"].every_minutes == 45


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"timezone": "Mars/Olympus"}, "isn’t a time zone"),
        ({"cadence": "yearly"}, "How often"),
        ({"cadence": "interval", "minutes": "-1"}, "from 5 to 1,440"),
        ({"cadence": "daily", "at": "25:00"}, "is not a time"),
        ({"quiet_from": "22:00", "quiet_until": ""}, "enter both a start"),
        ({"pause": "0001-01-01"}, "a future date"),
        ({"pause": "9999-99-99"}, "is not a date"),
        ({"language": "\x00"}, "language tag"),
        ({"follow": []}, "Choose at least one story"),
        ({"tags": "x" * 61}, "Tags"),
        ({"tags": "\U0001f30a"}, "Tags"),
        ({"tags": "floods, .."}, "Tags"),
    ],
)
def test_what_cannot_be_is_refused_with_what_was_typed(
    newsroom: Newsroom, reader: Person, path: str, changed: dict[str, str], words: str
) -> None:
    answer = reader.post(path, filled(reader.get(path)) | {"tags": "kept"} | changed)  # type: ignore[arg-type]
    assert answer.status_code in (409, 422) and words in answer.text
    assert changed.get("tags", "kept") in answer.text
    assert following(newsroom)["floods"].cadence is Cadence.AT_ONCE


def test_saving_preferences_of_many_streams_keeps_each_cadence(
    newsroom: Newsroom, reader: Person, path: str
) -> None:
    for number in range(40):
        newsroom.stream(f"s{number}")
        add_subscriber(newsroom.db, newsroom.actor, HEDDA, stream=f"s{number}")
    with newsroom.db.begin() as tx:
        own = update(Subscription).where(Subscription.id % 3 == 0)
        tx.execute(own.values(cadence=Cadence.INTERVAL, every_minutes=Subscription.id + 5))
    before = {slug: one.every_minutes for slug, one in following(newsroom).items()}
    assert reader.post(path, filled(reader.get(path))).status_code == 200  # type: ignore[arg-type]
    assert {slug: one.every_minutes for slug, one in following(newsroom).items()} == before


def test_an_unsubscribed_stream_stays_unsubscribed_on_any_page(
    newsroom: Newsroom, reader: Person, keys: Keys, uid: str, path: str
) -> None:
    add_subscriber(newsroom.db, newsroom.actor, HEDDA)
    floods = newsroom.stream("floods")
    unsubscribe(newsroom.db, uid, floods.uid)
    set_stream_state(newsroom.db, newsroom.actor, "floods", StreamState.ENDED)
    set_stream_state(newsroom.db, newsroom.actor, "strike", StreamState.HIDDEN)
    page = reader.get(path)
    assert "The strike" not in page.text
    assert reader.post(path, filled(page)).status_code == 200  # type: ignore[arg-type]
    assert "strike" in following(newsroom), "what is hidden comes back"
    with newsroom.db.read() as tx:
        assert [one.slug for one in excluded_streams(tx, following(newsroom)["all"])] == ["floods"]


def test_one_leaves_the_story_or_everything(newsroom: Newsroom, reader: Person, path: str) -> None:
    reader.post(f"{path}/leave", {"scope": "story"})
    assert set(following(newsroom)) == {"strike"}
    page = reader.post(f"{path}/leave", {"scope": "all"})
    assert following(newsroom) == {} and "Subscribe again" in page.text
    assert reader.post(path, filled_for(newsroom)).status_code == 410, (
        "nobody comes back by a mail that may be forwarded"
    )


def filled_for(newsroom: Newsroom) -> dict[str, str]:
    return {
        "follow": newsroom.stream().uid,
        "kinds": "both",
        "least": "normal",
        "cadence": "at_once",
        "language": "en",
    }


@pytest.mark.parametrize("action", ["address", "erase", "shared", "data.json"])
def test_the_link_of_a_mail_opens_nothing_that_a_forwarded_mail_must_not(
    newsroom: Newsroom, reader: Person, path: str, action: str
) -> None:
    target = f"{path}/{action}"
    answer = (
        reader.get(target) if "." in action else reader.post(target, {"email": NEW, "sure": "yes"})
    )
    assert answer.status_code == 403 and "needs a new link" in answer.text
    assert found(newsroom) is not None and found(newsroom, NEW) is None


def test_a_fresh_link_opens_it_for_half_an_hour(
    newsroom: Newsroom, reader: Person, path: str, clock: StandingClock
) -> None:
    newsroom.post()
    link = fresh(newsroom, reader, path)
    data = json.loads(reader.get(f"{link}/data.json").text)
    assert data["recipient"]["address"] == HEDDA and {one["story"] for one in data["follows"]} == {
        "The floods",
        "The strike",
    }
    assert data["mails"][0]["what"] == "fresh-link"
    clock.forward(minutes=30)
    stale = reader.get(link)
    assert stale.status_code == 410 and "link has expired" in stale.text


def test_one_moves_once_the_new_address_has_agreed(
    newsroom: Newsroom, reader: Person, path: str
) -> None:
    link = fresh(newsroom, reader, path)
    assert NEW in reader.post(f"{link}/address", {"email": NEW}).text
    there = last_link(newsroom)
    assert "h•••@post.example" in reader.get(there).text and found(newsroom) is not None
    assert "Address changed" in reader.post(there, {}).text
    moved = found(newsroom, NEW)
    assert found(newsroom) is None and moved is not None and len(moved[1]) == 2
    assert moved[0].state is RecipientState.CONFIRMED and moved[0].domain == "new.example"
    for old in (path, path.replace("/p/", "/u/"), link, there):
        assert reader.get(old).status_code == 410, "links in mails to the former address end"


def test_an_address_with_its_own_subscriptions_cannot_be_taken_over(
    newsroom: Newsroom, reader: Person, path: str
) -> None:
    add_subscriber(newsroom.db, newsroom.actor, NEW)
    link = fresh(newsroom, reader, path)
    reader.post(f"{link}/address", {"email": NEW})
    assert reader.post(last_link(newsroom), {}).status_code == 409
    assert found(newsroom) is not None


def test_an_erased_recipient_is_deleted(newsroom: Newsroom, reader: Person, path: str) -> None:
    link = fresh(newsroom, reader, path)
    assert reader.post(f"{link}/erase", {}).status_code == 409, "not by a slip"
    assert "Your data has been deleted" in reader.post(f"{link}/erase", {"sure": "yes"}).text
    with newsroom.db.read() as tx:
        assert HEDDA not in str(
            [
                tx.execute(select(Recipient.address, Recipient.consent)).all(),
                tx.scalars(select(Delivery.last_reply)).all(),
            ]
        )
    for old in (path, link, path.replace("/p/", "/u/")):
        answer = reader.get(old)
        assert answer.status_code == 410 and "no longer store anything" in answer.text


@pytest.mark.parametrize(
    "bad", ["x", "a-b-c", "{token}x", "{token}/leave/more", "move/x", "-", "{cut}"]
)
def test_a_forged_or_cut_link_is_refused_in_words(reader: Person, path: str, bad: str) -> None:
    token = path.removeprefix("/p/")
    answer = reader.get("/p/" + bad.format(token=token, cut=token[:-1]))
    assert answer.status_code == 404 and "<h1" in answer.text
