"""Accounts by the pages: invitations, a forgotten password, one's own sessions."""

import re
from collections.abc import Callable

import pytest
from pydantic import SecretStr
from werkzeug.test import TestResponse

from config.keys import Keys
from models import Role
from models.accounts.accounts import add_account
from models.accounts.staff import find_account
from models.tables.ledger import Alert
from models.text.tokens import decrypt_token
from tests.support.newsroom import Newsroom
from tests.support.web_person import BASE_URL, Person
from web.middleware.browsers import browser_name

ADDRESS, PASSWORD = "mara@example.org", "correct horse battery"
FIREFOX = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}


@pytest.fixture
def mara(newsroom: Newsroom) -> None:
    add_account(
        newsroom.db, newsroom.actor, ADDRESS, "Mara Eskelund", Role.EDITOR, password=PASSWORD
    )


@pytest.fixture
def mail(change_settings: Callable[..., None]) -> None:
    change_settings(mail_url=SecretStr("smtp://127.0.0.1:25"))


def mailed_link(newsroom: Newsroom, keys: Keys) -> str:
    with newsroom.db.read() as tx:
        notice = tx.query(Alert).one().notice or {}
    return f"/login/password/{decrypt_token(keys, notice['values']['sealed'])}"


def enter(person: Person, password: str = PASSWORD) -> int:
    return person.send(person.get("/login"), email=ADDRESS, password=password).status_code


def press(person: Person, path: str, button: str) -> TestResponse:
    return person.send(person.get(path), f"{path}/{button}")


def test_an_invitation_by_mail_leads_to_the_desk(
    mail: None, admin: Person, reader: Person, newsroom: Newsroom, keys: Keys
) -> None:
    answer = admin.send(admin.get("/desk/accounts"), name="Mara", email=ADDRESS, role="author")
    page = admin.get(answer.location)
    assert "Invited" in page.text and "/login/password/" not in page.text, (
        "only the mail holds the link"
    )
    path = mailed_link(newsroom, keys)
    for _ in range(2):
        assert ADDRESS in reader.get(path).text, "a look uses nothing up"
    refused = reader.send(reader.get(path), password="short")
    assert refused.status_code == 422 and "Use 10 to 1,000 characters" in refused.text
    assert reader.send(refused, password=PASSWORD).location == "/desk"
    assert "Mara, Author" in reader.get("/desk").text
    assert (
        reader.get(path).status_code == reader.post(path, {"password": PASSWORD}).status_code == 410
    )


def test_where_no_mail_is_sent_the_link_is_shown_once(admin: Person, reader: Person) -> None:
    answer = admin.send(admin.get("/desk/accounts"), name="Mara", email=ADDRESS, role="author")
    link = re.search(rf"{BASE_URL}(/login/password/[\w-]+)", admin.get(answer.location).text)
    assert link and "/login/password/" not in admin.get(answer.location).text
    again = re.search(
        rf"{BASE_URL}(/login/password/[\w-]+)",
        admin.get(press(admin, answer.location, "invite").location).text,
    )
    assert again and reader.get(link[1]).status_code == 410, "a new invitation ends the one before"
    assert reader.send(reader.get(again[1]), password=PASSWORD).location == "/desk"


def test_an_invitation_that_cannot_be_taken_comes_back_as_typed(mara: None, admin: Person) -> None:
    for fields, says in (
        ({"email": ADDRESS, "role": "author"}, "already has an account"),
        ({"email": "no", "role": "author"}, "is not an e-mail address"),
    ):
        refused = admin.send(admin.get("/desk/accounts"), name="Mara <b>", **fields)
        assert (
            refused.status_code == 422 and says in refused.text and "Mara &lt;b&gt;" in refused.text
        )


def test_an_ended_account_is_out_at_once_and_the_last_admin_stays(
    mara: None, admin: Person, reader: Person, newsroom: Newsroom
) -> None:
    assert enter(reader) == 303
    path = f"/desk/accounts/{find_account(newsroom.db, ADDRESS).id}"
    press(admin, path, "end")
    assert reader.get("/desk").status_code == 303 and enter(reader) == 422
    press(admin, path, "reopen")
    assert enter(reader) == 303
    own = f"/desk/accounts/{find_account(newsroom.db, 'admin@example.org').id}"
    refused = press(admin, own, "end")
    assert refused.status_code == 409 and "only admin" in refused.text
    admin.send(admin.get(path), f"{path}/role", role="author")
    assert reader.get("/desk/alerts").status_code == 403, "a role counts from the next page on"


def test_a_forgotten_password_is_answered_alike_known_or_not(
    mail: None, mara: None, reader: Person, newsroom: Newsroom, keys: Keys
) -> None:
    assert 'href="/login/forgotten"' in reader.get("/login").text
    page = reader.get("/login/forgotten")
    known, unknown = (
        reader.send(page, email=address) for address in (ADDRESS, "nobody@example.org")
    )
    assert known.status_code == unknown.status_code == 200
    assert known.text.replace(ADDRESS, "") == unknown.text.replace("nobody@example.org", "")
    form = reader.get(mailed_link(newsroom, keys))
    assert (
        form.headers["Cache-Control"] == "no-store"
        and form.headers["Referrer-Policy"] == "same-origin"
    )
    assert reader.send(form, password="another horse battery").location == "/desk"
    reader.post("/logout", {})
    assert enter(reader) == 422 and enter(reader, "another horse battery") == 303


def test_asking_for_links_is_held_back(mara: None, reader: Person) -> None:
    for address in (ADDRESS, "nobody@example.org"):
        answers = [reader.send(reader.get("/login/forgotten"), email=address) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert reader.send(reader.get("/login/forgotten"), email="no address").status_code == 422


def test_one_sees_and_ends_ones_own_sessions(mara: None, app, reader: Person) -> None:  # type: ignore[no-untyped-def]
    other = Person(app.test_client())
    fields = {"email": ADDRESS, "password": PASSWORD}
    other.client.post(
        "/login",
        data=fields,
        base_url=BASE_URL,
        headers=FIREFOX | {"Sec-Fetch-Site": "same-origin"},
    )
    assert enter(reader) == 303
    page = reader.get("/desk/account")
    assert page.text.count("This device") == 1 and "Firefox on Linux" in page.text
    reader.send(page, "/desk/account/sessions/end")
    assert other.get("/desk").status_code == 303 and reader.get("/desk").status_code == 200
    assert enter(other) == 303
    reader.send(reader.get("/desk/account"), "/desk/account/sessions/end-others")
    assert other.get("/desk").status_code == 303 and reader.get("/desk").status_code == 200


def test_changing_a_password_requires_the_current_one(mara: None, app, reader: Person) -> None:  # type: ignore[no-untyped-def]
    other = Person(app.test_client())
    assert enter(reader) == enter(other) == 303
    form = reader.get("/desk/account")
    refused = reader.send(
        form, "/desk/account/password", present="guess", password="another horse battery"
    )
    assert (
        refused.status_code == 422
        and "isn’t your current password" in refused.text
        and "another horse" not in refused.text
    )
    assert (
        reader.send(
            form, "/desk/account/password", present=PASSWORD, password="another horse battery"
        ).status_code
        == 303
    )
    assert reader.get("/desk").status_code == 200 and other.get("/desk").status_code == 303
    assert enter(other) == 422 and enter(other, "another horse battery") == 303


def test_an_account_logged_in_by_link_sets_a_password_and_a_name(author: Person) -> None:
    page = author.get("/desk/account")
    assert "Current password" not in page.text
    assert author.send(page, "/desk/account/password", password=PASSWORD).status_code == 303
    assert "Current password" in author.get("/desk/account").text
    assert author.send(page, "/desk/account/name", name="  ").status_code == 422
    author.send(page, "/desk/account/name", name="Nora <Field>")
    assert "Nora &lt;Field&gt;, Author" in author.get("/desk").text


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        (FIREFOX["User-Agent"], "Firefox on Linux"),
        (
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605"
                " Version/18.0 Safari/604.1"
            ),
            "Safari on iPhone",
        ),
        (
            (
                "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 Chrome/140.0 Mobile"
                " Safari/537.36"
            ),
            "Chrome on Android",
        ),
        (
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36"
                " Edg/140.0"
            ),
            "Edge on Windows",
        ),
        ("<script>" * 1000, "A program without a known name"),
        ("", "A program without a known name"),
    ],
)
def test_a_browser_has_a_short_name(agent: str, name: str) -> None:
    assert browser_name(agent) == name
