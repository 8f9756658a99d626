"""The link at the foot of a mail."""

import pytest
from sqlalchemy import select

from config.keys import Keys
from models import Alert, RecipientState
from models.recipients.audience import add_subscriber, recipient_with_subscriptions
from models.text.tokens import ALL_STREAMS, unsubscribe_token
from tests.support.clock import StandingClock
from tests.support.newsroom import Newsroom
from tests.support.web_person import BASE_URL, Person


@pytest.fixture
def uid(newsroom: Newsroom) -> str:
    return add_subscriber(newsroom.db, newsroom.actor, "hedda@post.example", stream="floods").uid


def state(newsroom: Newsroom, uid: str) -> RecipientState:
    with newsroom.db.read() as tx:
        return recipient_with_subscriptions(tx, uid)[0].state


def test_looking_changes_nothing_and_shows_no_whole_address(
    newsroom: Newsroom, keys: Keys, uid: str, reader: Person
) -> None:
    page = reader.get(f"/u/{unsubscribe_token(keys, uid, ALL_STREAMS)}")
    assert page.status_code == 200
    assert "h•••@post.example" in page.text and "hedda" not in page.text
    assert state(newsroom, uid) is RecipientState.CONFIRMED


def test_a_mail_program_leaves_in_one_click_and_may_do_it_again(
    newsroom: Newsroom, keys: Keys, uid: str, reader: Person, rings: list[None]
) -> None:
    path = f"/u/{unsubscribe_token(keys, uid, ALL_STREAMS)}"
    for _ in range(2):
        answer = reader.client.post(path, data={"List-Unsubscribe": "One-Click"}, base_url=BASE_URL)
        assert answer.status_code == 200, "RFC 8058 forbids a redirect"
        assert "Set-Cookie" not in answer.headers
        assert state(newsroom, uid) is RecipientState.ENDED
    assert rings


def test_the_token_counts_wherever_the_button_stood(
    newsroom: Newsroom, keys: Keys, uid: str, reader: Person
) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Origin": "https://webmail.example"}
    assert (
        reader.client.post(
            f"/u/{unsubscribe_token(keys, uid, ALL_STREAMS)}", base_url=BASE_URL, headers=headers
        ).status_code
        == 200
    )
    assert state(newsroom, uid) is RecipientState.ENDED


def test_leaving_a_story_lets_a_subscription_to_all_go_on_without_it(
    newsroom: Newsroom, keys: Keys, uid: str, reader: Person, clock: StandingClock
) -> None:
    floods = newsroom.stream()
    add_subscriber(newsroom.db, newsroom.actor, "hedda@post.example")
    page = reader.get(f"/u/{unsubscribe_token(keys, uid, floods.uid)}")
    assert (
        "Unsubscribe</button>" in page.text and "Unsubscribe from everything</button>" in page.text
    )
    done = reader.post(page.request.path, {"List-Unsubscribe": "One-Click"})
    assert "You’re unsubscribed" in done.text and "All stories except this one" in done.text
    assert ">Unsubscribe</button>" not in reader.get(page.request.path).text
    assert reader.post(page.request.path, {"scope": "all"}).status_code == 200
    assert state(newsroom, uid) is RecipientState.ENDED


def test_unsubscribing_another_address_of_a_shared_mailbox_needs_a_mail(
    newsroom: Newsroom, keys: Keys, uid: str, reader: Person
) -> None:
    with newsroom.db.begin() as tx:
        recipient_with_subscriptions(tx, uid)[0].shared = True
    path = f"/u/{unsubscribe_token(keys, uid, ALL_STREAMS)}"
    assert "Check your inbox" in reader.client.post(path, base_url=BASE_URL).text
    assert state(newsroom, uid) is RecipientState.CONFIRMED
    settings = f"/p/{path.removeprefix('/u/')}"
    assert "request a new link" in reader.get(settings).text
    assert reader.post(f"{settings}/leave", {}).status_code == 403
    with newsroom.db.read() as tx:
        notice = tx.scalars(select(Alert.notice)).one()
    assert (notice["name"], notice["values"]["purpose"]) == ("fresh-link", "leave")
    reader.post(f"{notice['values']['link']}/leave", {})
    assert state(newsroom, uid) is RecipientState.ENDED


def test_unsubscribing_from_one_stream_keeps_the_other(
    newsroom: Newsroom, keys: Keys, uid: str, reader: Person
) -> None:
    stream = newsroom.stream("strike")
    add_subscriber(newsroom.db, newsroom.actor, "hedda@post.example", stream="strike")
    page = reader.get(f"/u/{unsubscribe_token(keys, uid, stream.uid)}")
    assert "Unsubscribe from this story?" in page.text and "The strike" in page.text
    done = reader.send(page)
    assert (
        "You’re unsubscribed" in done.text
        and "The floods" in done.text
        and "The strike" not in done.text
    )
    assert state(newsroom, uid) is RecipientState.CONFIRMED


@pytest.mark.parametrize(
    "forged",
    [
        "{uid}-all-",
        "{uid}-xyz-{signature}",
        "other-all-{signature}",
        "{uid}-all-x{signature}",
        "x",
        "a-b-c",
    ],
)
def test_a_forged_token_is_not_found(
    forged: str, newsroom: Newsroom, keys: Keys, uid: str, reader: Person
) -> None:
    signature = unsubscribe_token(keys, uid, ALL_STREAMS).split("-", 2)[2]
    path = "/u/" + forged.format(uid=uid, signature=signature)
    assert (
        reader.get(path).status_code
        == reader.client.post(path, base_url=BASE_URL).status_code
        == 404
    )
    assert state(newsroom, uid) is RecipientState.CONFIRMED
