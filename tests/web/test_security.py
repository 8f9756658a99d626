"""Headers, health, and what an error may tell."""

import re
import sys
from dataclasses import replace

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from models import Account, Lane, Role
from models.db.clock import now
from models.db.database import Database, open_database
from models.db.heartbeats import record_heartbeat
from tests.support.databases import both_databases
from tests.support.newsroom import Newsroom
from tests.support.web_person import BASE_URL, Person
from web.context import AppContext

PATHS = [
    "/",
    "/streams/floods",
    "/login",
    "/nothing",
    "/healthz",
    "/static/storywire.css",
    "/u/x",
    "/desk",
]


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_holds_the_browser_back(path: str, reader: Person) -> None:
    with reader.get(path) as answer:
        policy = answer.headers["Content-Security-Policy"]
        for part in (
            "default-src 'none'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "form-action 'self'",
        ):
            assert part in policy
        assert "unsafe" not in policy and "*" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "same-origin"
        assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
        assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"


def test_no_page_has_script_or_style_in_it(
    newsroom: Newsroom, reader: Person, admin: Person
) -> None:
    uid = newsroom.post().uid
    desk = [
        "/desk",
        "/desk/post",
        "/desk/entries",
        f"/desk/entries/{uid}",
        f"/desk/entries/{uid}/edit",
        "/desk/streams",
        "/desk/channels",
    ]
    for page in [
        *map(
            reader.get,
            [
                "/",
                "/follow",
                "/streams/floods",
                f"/streams/floods/entries/{uid}",
                "/login",
                "/nothing",
            ],
        ),
        *map(admin.get, desk),
    ]:
        assert not re.search(
            r"<style|\sstyle=|\son[a-z]+=|<script(?! src=| type=\"application/ld\+json\">)",
            page.text,
        ), page.request.path


def test_every_form_outside_the_desk_is_known_to_need_no_token(app: Flask) -> None:
    open_to_all = {
        rule.rule
        for rule in app.url_map.iter_rules()
        if "POST" in rule.methods and not rule.rule.startswith("/desk")
    }
    of_links = {
        f"/p/<token:token>{action}"
        for action in ("", "/leave", "/fresh", "/shared", "/address", "/erase")
    } | {"/p/move/<token:token>"}
    signing_up = {"/subscribe", "/subscribe/<token:token>"}
    logging_in = {
        "/login",
        "/login/<token:token>",
        "/login/forgotten",
        "/login/password/<token:token>",
        "/logout",
    }
    assert open_to_all == {"/u/<token:token>"} | logging_in | of_links | signing_up


def test_the_stylesheet_is_cached_for_a_year_under_a_versioned_address(reader: Person) -> None:
    address = re.search(r"/static/storywire\.css\?v=[0-9a-f]{12}", reader.get("/").text)
    assert address is not None
    with reader.get(address[0]) as answer:
        assert "max-age=31536000" in answer.headers["Cache-Control"]
        assert len(answer.data) < 24_000, (
            "readers wait for it; forms to sign up and choose took what came above 20,000"
        )


def test_healthz_works_without_a_database_and_readyz_does_not(app: Flask, reader: Person) -> None:
    record_heartbeat(app.extensions["storywire"].db, Lane)
    assert (reader.get("/healthz").status_code, reader.get("/readyz").status_code) == (200, 200)
    service: AppContext = app.extensions["storywire"]
    app.extensions["storywire"] = replace(service, db=open_database("sqlite://"))
    assert (reader.get("/healthz").status_code, reader.get("/readyz").status_code) == (200, 503)


def test_an_unavailable_database_is_reported_without_details(
    app: Flask, reader: Person, newsroom: Newsroom
) -> None:
    with newsroom.db.begin() as tx:
        tx.execute(text("ALTER TABLE stream RENAME TO away"))
    for path in ("/", "/streams/floods", "/atom.xml"):
        answer = reader.get(path)
        assert answer.status_code == 503 and answer.headers["Retry-After"] == "5"
        assert "stream" not in answer.text.replace('class="', "").lower()


def test_a_bug_is_an_apology_and_no_traceback(
    app: Flask, newsroom: Newsroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(app.config, "PROPAGATE_EXCEPTIONS", False)

    def broken() -> str:
        raise RuntimeError("a secret")

    monkeypatch.setitem(app.view_functions, "public.index", broken)
    answer = app.test_client().get("/", base_url=BASE_URL)
    assert answer.status_code == 500
    assert (
        "Something went wrong on our side" in answer.text
        and "secret" not in answer.text
        and "Traceback" not in answer.text
    )


@both_databases
def test_concurrent_edits_are_a_conflict_and_the_typed_text_stays(
    newsroom: Newsroom, editor: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    def met(*_: object, **__: object) -> None:
        with newsroom.db.begin() as tx:
            tx.add_all(
                [
                    Account(
                        name="secret", email="a@example.org", role=Role.AUTHOR, created_at=now(tx)
                    )
                    for _ in range(2)
                ]
            )

    monkeypatch.setattr(sys.modules["web.desk.post"], "add_entry", met)
    answer = editor.write(title="River rising fast")
    assert answer.status_code == 409
    assert "Someone else just did the same" in answer.text and "River rising fast" in answer.text


@both_databases
@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO account (name, role) VALUES ('a', NULL)",
        (
            "INSERT INTO kept_form (account_id, place, fields, saved_at) VALUES (999, 'a', '{}',"
            " '2026-03-14 08:00:00')"
        ),
    ],
)
def test_a_constraint_that_we_break_is_our_fault_and_no_meeting(
    statement: str,
    app: Flask,
    editor: Person,
    newsroom: Newsroom,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setitem(app.config, "PROPAGATE_EXCEPTIONS", False)

    def broken(*_: object, **__: object) -> None:
        with newsroom.db.begin() as tx:
            tx.execute(text(statement))

    monkeypatch.setattr(sys.modules["web.desk.post"], "add_entry", broken)
    assert editor.write().status_code == 500
    assert "Traceback" in caplog.text


@both_databases
def test_a_number_that_the_database_cannot_hold_is_a_clear_error(
    editor: Person, newsroom: Newsroom, app: Flask
) -> None:
    def asked() -> str:
        with newsroom.db.read() as tx:
            tx.execute(
                text("SELECT id FROM account WHERE id = CAST(:id AS INTEGER)"), {"id": 2**40}
            ).all()
        return "fine"

    before = app.view_functions["public.index"]
    app.view_functions["public.index"] = asked
    try:
        assert editor.get("/?before=1").status_code in ({200} if newsroom.db.embedded else {404})
    finally:
        app.view_functions["public.index"] = before


def test_an_error_of_the_database_holds_none_of_the_values(db: Database) -> None:
    with pytest.raises(IntegrityError) as caught, db.begin() as tx:
        tx.add(Account(id=1, name="a secret", role=None, created_at=now(tx)))
    assert "a secret" not in str(caught.value)


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "http://[",
        "https://news.example.org.evil.example",
        "https://evil.example",
        "news.example.org",
        "",
    ],
)
def test_an_origin_that_is_not_ours_is_refused_however_it_is_written(
    origin: str, reader: Person
) -> None:
    answer = reader.client.post(
        "/login", base_url=BASE_URL, headers={"Origin": origin}, data={"email": "a@example.org"}
    )
    assert answer.status_code == 403
