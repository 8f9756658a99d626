"""Forms of strangers: little is taken, and a page gives back no more than came."""

import pytest
from flask import Flask

from tests.support.web_person import BASE_URL, SAME_ORIGIN, Person
from web.security import MAX_FORM_BYTES, MAX_LOGGED_OUT_FORM_BYTES, MAX_PUBLIC_FORM_BYTES

SMALL_PAGE = 24_000  # of a page with no more than a form

PUBLIC = [
    "/subscribe",
    "/login/forgotten",
    "/login/password/" + "A" * 43,
    "/u/x",
    "/p/x",
    "/nothing",
]
FIELDS = [
    "email",
    "title",
    "body",
    "next",
    "page",
    "choice",
    "stream",
    "website",
    "password",
    "kept.title",
    "kept.x",
    "anything",
]


@pytest.mark.parametrize(
    "path", [*PUBLIC, "/login", "/desk/post", "/desk/accounts", "/desk/nothing"]
)
@pytest.mark.parametrize("character", ['"', "a"])
def test_no_form_of_a_stranger_is_answered_with_much_more_than_it_sent(
    path: str, character: str, reader: Person
) -> None:
    for field in FIELDS:
        for size in (2_000, 60_000, 250_000):
            body = f"{field}=".encode() + character.encode() * size
            answer = reader.client.post(
                path,
                data=body,
                base_url=BASE_URL,
                headers=SAME_ORIGIN,
                content_type="application/x-www-form-urlencoded",
            )
            assert answer.status_code != 500
            assert len(answer.data) <= len(body) + 16_384 + SMALL_PAGE, (field, size)


@pytest.mark.parametrize("path", PUBLIC)
def test_outside_the_desk_little_is_taken(path: str, reader: Person) -> None:
    assert reader.post(path, {"email": "x" * MAX_PUBLIC_FORM_BYTES}).status_code == 413


def test_logged_in_accounts_can_send_large_forms(
    reader: Person, editor: Person, app: Flask
) -> None:
    text = {"title": "River", "body": "ü" * 90_000}
    assert reader.post("/desk/post", text).status_code == 413
    assert (
        reader.post("/desk/post", {"body": "x" * (MAX_LOGGED_OUT_FORM_BYTES - 100)}).status_code
        == 401
    )
    assert editor.write(body="ü" * 90_000).status_code == 303
    assert editor.post("/desk/post", {"body": "x" * MAX_FORM_BYTES}).status_code == 413


def test_a_cookie_that_no_log_in_has_signed_takes_no_more(reader: Person) -> None:
    reader.client.set_cookie(
        "__Host-storywire",
        "eyJfdXNlcl9pZCI6IngifQ.aaaa.bbbb",
        domain="news.example.org",
        secure=True,
    )
    assert reader.post("/desk/post", {"body": "x" * MAX_LOGGED_OUT_FORM_BYTES}).status_code == 413


def test_a_long_text_with_quotation_marks_survives_the_end_of_a_log_in(editor: Person) -> None:
    text = 'She said: "It rises." ' * 4_000
    page = editor.get("/desk/post")
    form = editor.form(page)[1] | {
        "title": 'The "river"',
        "body": text,
        "stream": "floods",
        "do": "post",
    }
    editor.client.delete_cookie("__Host-storywire", domain="news.example.org")
    answer = editor.post("/desk/post", form)
    assert answer.status_code == 401
    kept = editor.form(answer)[1]
    assert kept["kept.title"] == 'The "river"' and kept["kept.body"].strip() == text.strip()
