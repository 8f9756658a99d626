"""Signing up by mail, on pages."""

import pytest
from sqlalchemy import func, select

from models import Alert, Recipient, RecipientState
from models.recipients.audience import add_subscriber, recipient_with_subscriptions
from tests.support.clock import StandingClock
from tests.support.databases import both_databases
from tests.support.newsroom import Newsroom
from tests.support.web_person import BASE_URL, Person

pytestmark = both_databases


def notices(newsroom: Newsroom) -> list[dict[str, dict[str, str]]]:
    with newsroom.db.read() as tx:
        return list(
            tx.scalars(select(Alert.notice).where(Alert.notice.is_not(None)).order_by(Alert.id))
        )


def confirm_path(newsroom: Newsroom) -> str:
    return f"/subscribe/{notices(newsroom)[-1]['values']['confirm']}"


@pytest.mark.parametrize(
    "path",
    [
        "/subscribe",
        "/",
        "/follow",
        "/streams/floods",
        "/streams/floods/follow",
        "/streams/floods/entries/{uid}",
    ],
)
def test_a_question_and_a_button_in_the_mail_make_a_subscriber(
    newsroom: Newsroom, reader: Person, rings: list[None], path: str
) -> None:
    page = reader.get(path.format(uid=newsroom.post().uid))
    assert "Set-Cookie" not in page.headers
    sent = reader.send(page, "/subscribe", email="Hedda@post.example")
    assert (
        sent.status_code == 200
        and "Check your inbox" in sent.text
        and "hedda@post.example" in sent.text
    )
    assert (
        "Set-Cookie" not in sent.headers and sent.headers["Cache-Control"] == "no-store" and rings
    )
    question = reader.get(confirm_path(newsroom))
    assert "breaking and key news right away, the rest in a daily digest" in question.text
    with newsroom.db.read() as tx:
        assert tx.scalars(select(Recipient.state)).all() == [RecipientState.PENDING], (
            "a look changes nothing"
        )
    done = reader.send(question)
    assert "You’re subscribed" in done.text and "Set-Cookie" not in done.headers
    assert "You’re subscribed" in reader.send(question).text, "and pressing it again neither"
    with newsroom.db.read() as tx:
        [hedda] = tx.scalars(select(Recipient))
        [one] = recipient_with_subscriptions(tx, hedda.uid)[1]
    assert (one.stream.slug if one.stream else None) == ("floods" if "floods" in path else None)
    assert hedda.consent is not None and hedda.consent["given"][0]["page"].rstrip(
        "/"
    ) == path.partition("/entries")[0].rstrip("/")


def test_the_answer_is_the_same_whoever_is_known(newsroom: Newsroom, reader: Person) -> None:
    add_subscriber(newsroom.db, newsroom.actor, "known@post.example", stream="floods")
    page = reader.get("/streams/floods")
    answers = [
        reader.send(page, "/subscribe", email=f"{name}@post.example").text.replace(name, "")
        for name in ("known", "xyzzy")
    ]
    assert answers[0] == answers[1]
    assert [notice["name"] for notice in notices(newsroom)] == ["preferences", "confirm"]


def test_what_fills_in_the_hidden_field_is_answered_and_ignored(
    newsroom: Newsroom, reader: Person
) -> None:
    answer = reader.send(
        reader.get("/subscribe"), email="bot@post.example", website="https://spam.example"
    )
    assert "Check your inbox" in answer.text
    assert notices(newsroom) == []


@pytest.mark.parametrize(
    "email",
    [
        "",
        "hedda",
        "hedda@post.example\r\nBcc: all@post.example",
        "a" * 300 + "@post.example",
        "hedda@spam.example",
    ],
)
def test_an_address_that_cannot_be_taken_comes_back_with_why(
    newsroom: Newsroom, reader: Person, email: str, change_settings
) -> None:
    change_settings(blocked_mail_domains=frozenset({"spam.example"}))
    answer = reader.send(
        reader.get("/streams/floods/follow"), "/subscribe", email=email, choice="daily"
    )
    assert answer.status_code == 422 and 'class="wrong"' in answer.text
    _, fields = reader.form(answer, "/subscribe")
    assert (fields["choice"], fields["stream"]) == ("daily", "floods")
    assert notices(newsroom) == []


@pytest.mark.parametrize(
    "fields", [{"choice": "hourly"}, {"stream": "nothing"}, {"stream": "a b"}, {"stream": "\x00"}]
)
def test_a_form_that_is_not_ours_is_refused(
    newsroom: Newsroom, reader: Person, fields: dict[str, str]
) -> None:
    sent = {"email": "hedda@post.example", "choice": "split", "page": "/"} | fields
    assert reader.post("/subscribe", sent).status_code in (404, 422)
    elsewhere = reader.client.post(
        "/subscribe", data=sent, base_url=BASE_URL, headers={"Sec-Fetch-Site": "cross-site"}
    )
    assert elsewhere.status_code == 403
    with newsroom.db.read() as tx:
        assert tx.scalar(select(func.count()).select_from(Recipient)) == 0


def test_too_many_sign_ups_are_refused_with_a_waiting_time(
    newsroom: Newsroom, reader: Person
) -> None:
    page = reader.get("/subscribe")
    answers = [reader.send(page, email="hedda@post.example") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert (
        int(answers[-1].headers["Retry-After"]) > 600
        and "Try again in 15 minutes" in answers[-1].text
    )


def test_a_truncated_or_expired_link_is_explained(
    newsroom: Newsroom, reader: Person, clock: StandingClock
) -> None:
    reader.send(reader.get("/subscribe"), email="hedda@post.example")
    path = confirm_path(newsroom)
    cut = reader.get(path[:-3])
    assert cut.status_code == 404 and "This link is incomplete" in cut.text
    clock.forward(days=3)
    for answer in (reader.get(path), reader.post(path, {})):
        assert answer.status_code == 410 and "link has expired" in answer.text
