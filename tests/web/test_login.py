"""Logging in and out."""

from importlib import import_module

import pytest
from flask import Flask

from config.keys import Keys
from config.settings import load_settings
from models import Role
from models.accounts import accounts
from models.accounts.accounts import add_account, make_login_link
from models.db.database import Database
from tests.support.clock import StandingClock
from tests.support.newsroom import Newsroom
from tests.support.web_person import BASE_URL, SAME_ORIGIN, Person, titles
from web import create_app

ADDRESS, PASSWORD = "mara@example.org", "correct horse battery"


@pytest.fixture
def mara(newsroom: Newsroom) -> None:
    add_account(
        newsroom.db, newsroom.actor, ADDRESS, "Mara Eskelund", Role.EDITOR, password=PASSWORD
    )


def enter(reader: Person, **changed: str):  # type: ignore[no-untyped-def]
    return reader.send(reader.get("/login"), **({"email": ADDRESS, "password": PASSWORD} | changed))


def test_an_address_and_its_password_open_the_desk_until_log_out(
    mara: None, app: Flask, reader: Person
) -> None:
    assert reader.get("/desk").location == "/login?next=/desk"
    answer = enter(reader)
    assert (answer.status_code, answer.location) == (303, "/desk")
    assert "Mara Eskelund" in reader.get("/desk").text
    cookie = answer.headers["Set-Cookie"].split(";")[0]
    assert reader.post("/logout", {}).location == "/login"
    assert reader.get("/desk").status_code == 303
    stolen = app.test_client().get("/desk", base_url=BASE_URL, headers={"Cookie": cookie})
    assert stolen.status_code == 303, "the session ended on the server, too"


def test_a_wrong_password_and_an_unknown_address_get_the_same_answer(
    mara: None, reader: Person
) -> None:
    wrong, unknown = enter(reader, password="guess"), enter(reader, email="nobody@example.org")
    assert wrong.status_code == unknown.status_code == 422
    assert wrong.text.replace(ADDRESS, "") == unknown.text.replace("nobody@example.org", "")
    assert PASSWORD not in wrong.text and "guess" not in wrong.text


def test_after_ten_guesses_even_the_right_password_has_to_wait(
    mara: None, reader: Person, clock: StandingClock
) -> None:
    for _ in range(10):
        assert enter(reader, password="guess").status_code == 422
    refused = enter(reader)
    assert refused.status_code == 429
    assert 0 < int(refused.headers["Retry-After"]) <= 900
    clock.forward(minutes=16)
    assert enter(reader).status_code == 303


def test_password_guesses_by_others_do_not_lock_out_a_known_browser(
    mara: None, app: Flask, db: Database, reader: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = enter(reader)
    [cookie] = [value for value in first.headers.getlist("Set-Cookie") if "-browser=" in value]
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie and ADDRESS not in cookie
    reader.post("/logout", {})
    monkeypatch.setattr(accounts, "MAX_LOGIN_ATTEMPTS", 1)
    for number in range(9):  # and the first log-in
        assert accounts.log_in(db, ADDRESS, "guess", f"198.51.100.{number}") is None
    stranger = Person(app.test_client())
    assert enter(stranger).status_code == 429
    assert enter(reader).status_code == 303
    reader.post("/logout", {})
    assert enter(reader, password="guess").status_code == 422
    assert enter(reader).status_code == 429, "its own tries count, too"


@pytest.mark.parametrize(
    "path",
    [
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "/desk\\..\\x",
        "javascript:alert(1)",
        "/desk\r\nX: y",
        "/",
        "",
    ],
)
def test_log_in_never_redirects_to_another_site(path: str, mara: None, reader: Person) -> None:
    page = reader.get("/login", query_string={"next": path})
    assert reader.form(page)[1]["next"] == "/desk"
    assert enter(reader, next=path).location == "/desk"


def test_a_session_that_ends_during_log_in_is_reported(
    mara: None, reader: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_module("web.login"), "log_in", lambda *_, **__: "ended meanwhile")
    answer = enter(reader)
    assert answer.status_code == 409 and "Log in again" in answer.text


def test_the_page_that_was_wanted_comes_after_the_log_in(mara: None, reader: Person) -> None:
    asked = reader.get("/desk/post?stream=floods")
    answer = reader.send(reader.get(asked.location), email=ADDRESS, password=PASSWORD)
    assert answer.location == "/desk/post?stream=floods"
    assert reader.get("/login").location == "/desk", "who is logged in needs no log-in page"


def test_a_link_is_used_up_by_its_button_and_not_by_looking(
    mara: None, newsroom: Newsroom, reader: Person, clock: StandingClock
) -> None:
    path = f"/login/{make_login_link(newsroom.db, newsroom.actor, ADDRESS)}"
    for _ in range(3):
        page = reader.get(path)
        assert page.status_code == 200 and "Set-Cookie" not in page.headers
    assert reader.send(page).location == "/desk"
    assert reader.post(path, {}).status_code == 410, "it works once"
    old = f"/login/{make_login_link(newsroom.db, newsroom.actor, ADDRESS)}"
    clock.forward(minutes=16)
    assert reader.post(old, {}).status_code == reader.post("/login/unknown", {}).status_code == 410


def test_the_cookie_of_an_https_site_stays_with_its_host(mara: None, reader: Person) -> None:
    cookie = enter(reader).headers["Set-Cookie"]
    assert cookie.startswith("__Host-")
    for part in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/"):
        assert part in cookie.split("; ")
    assert "Domain" not in cookie


def test_a_site_without_https_can_be_used_too(
    mara: None, db: Database, keys: Keys, tmp_path
) -> None:  # type: ignore[no-untyped-def]
    settings = load_settings(data_dir=tmp_path, base_url="http://127.0.0.1:8000")
    client = create_app(settings, keys, db, ring=lambda: None).test_client()
    base = "http://127.0.0.1:8000"
    answer = client.post("/login", data={"email": ADDRESS, "password": PASSWORD}, base_url=base)
    assert (
        "Secure" not in answer.headers["Set-Cookie"]
        and "__Host-" not in answer.headers["Set-Cookie"]
    )
    page = client.get("/desk", base_url=base)
    assert page.status_code == 200 and "Strict-Transport-Security" not in page.headers


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ],
)
def test_another_site_cannot_log_a_browser_in_or_out(
    headers: dict[str, str], mara: None, editor: Person
) -> None:
    for path in ("/login", "/logout"):
        sent = editor.client.post(
            path, data={"email": ADDRESS, "password": PASSWORD}, base_url=BASE_URL, headers=headers
        )
        assert sent.status_code == 403
    assert editor.get("/desk").status_code == 200


def test_a_session_from_before_the_log_in_is_worth_nothing_after_it(
    mara: None, reader: Person
) -> None:
    enter(reader)
    former = reader.form(reader.get("/desk/post"))[1]["csrf_token"]
    reader.post("/logout", {})
    enter(reader)
    fields = reader.form(reader.get("/desk/post"))[1] | {
        "title": "River rising",
        "do": "post",
        "csrf_token": former,
    }
    assert reader.client.post("/desk/post", data=fields, base_url=BASE_URL).status_code == 400


def test_a_log_in_ends_by_age(mara: None, reader: Person, clock: StandingClock) -> None:
    enter(reader)
    clock.forward(hours=24 * 14 + 1)
    assert reader.get("/desk").status_code == 303


def test_text_written_before_a_log_out_is_restored_after_log_in(
    mara: None, reader: Person, newsroom: Newsroom, clock: StandingClock
) -> None:
    enter(reader)
    page = reader.get("/desk/post")
    clock.forward(hours=24 * 14 + 1)
    refused = reader.send(
        page, title="Ten <pages> of text", body="\nWritten\nlong", importance="key", do="post"
    )
    assert refused.status_code == 401
    assert "Ten &lt;pages&gt; of text" in refused.text
    wrong = reader.send(refused, email=ADDRESS, password="guess")
    assert wrong.status_code == 422 and "Ten &lt;pages&gt; of text" in wrong.text
    shown = reader.send(wrong, email=ADDRESS, password=PASSWORD)
    assert shown.status_code == 200 and "Ten &lt;pages&gt; of text" in shown.text
    assert not titles(newsroom), "nothing was posted by logging in"
    uid = reader.uid(reader.send(shown))
    entry = newsroom.entry(uid)
    assert (entry.title, entry.body, entry.importance.value) == (
        "Ten <pages> of text",
        "Written\nlong",
        "key",
    )


def test_a_form_of_an_earlier_log_in_comes_back_with_its_text(
    mara: None, reader: Person, newsroom: Newsroom
) -> None:
    enter(reader)
    page = reader.get("/desk/post")
    reader.post("/logout", {})
    enter(reader)
    refused = reader.send(page, title="Still here", do="post")
    assert refused.status_code == 400 and "Still here" in refused.text
    assert newsroom.entry(reader.uid(reader.send(refused))).title == "Still here"


def test_a_form_without_its_token_changes_nothing_where_no_browser_vouches_for_it(
    editor: Person, newsroom: Newsroom
) -> None:
    fields = {"stream": "floods", "title": "Forged", "do": "post", "request_key": "k"}
    sent = editor.client.post("/desk/post", data=fields, base_url=BASE_URL)
    assert sent.status_code == 400 and "Forged" not in sent.text
    assert (
        editor.client.post(
            "/desk/post", data=fields, base_url=BASE_URL, headers=SAME_ORIGIN
        ).status_code
        == 400
    )
    assert not titles(newsroom)


def test_a_proxy_may_change_the_host_but_not_who_sent_a_form(mara: None, reader: Person) -> None:
    fields = {"email": ADDRESS, "password": PASSWORD}
    inner = "https://backend.internal:8000"
    for origin, status in ((BASE_URL, 303), (inner, 303), ("https://evil.example", 403)):
        assert (
            reader.client.post(
                "/login", data=fields, base_url=inner, headers={"Origin": origin}
            ).status_code
            == status
        )
