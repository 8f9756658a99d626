"""What no form of ours sends: a clear error or a clean result, never a 500. (An exception would
fail the test by itself.)
"""

import pytest

from models import EntryState
from tests.support.databases import both_databases
from tests.support.newsroom import Newsroom
from tests.support.web_person import BASE_URL, SAME_ORIGIN, Person, titles

pytestmark = both_databases

MEGABYTE = "x" * 1_000_000
NESTED = "[" * 20_000 + "]" * 20_000
LONE = "\ud800"

REFUSED = [
    ("title", ""), ("title", " \t\n"), ("title", "\u200b\u2060"), ("title", MEGABYTE),
    ("title", "a\x00b"), ("title", "bell\x07"),
    ("dek", MEGABYTE), ("dek", "\x0b"), ("body", MEGABYTE), ("body", "\x1b[31m"),
        ("body", "\ufffe"),
    ("byline", "x" * 200), ("byline", ",".join(f"P{n}" for n in range(30))), ("byline", "a\x00b"),
    ("tags", "x" * 100), ("tags", ",".join(f"t{n}" for n in range(30))),
    ("tags", "floods, \U0001f30a"), ("tags", "River level, River-Level"),
    ("link", "javascript:alert(1)"), ("link", "//evil.example"), ("link", "http://[::1"),
        ("link", "https://a b"), ("link", MEGABYTE),
    ("importance", "URGENT"), ("importance", ""), ("alert", "everybody"), ("stream", "nothing"),
    ("stream", "a\x00b"), ("stream", ""),
    ("at", "tomorrow"), ("at", "2026-02-30T10:00"), ("at", "0001-01-01T00:00"),
    ("at", "9999-12-31T23:59"), ("at", "2026-03-14T25:00"),
    ("at", "2026-03-14T09:42+99:99"), ("at", "\x00"), ("at", MEGABYTE),
    ("request_key", "\x00"), ("request_key", ""), ("request_key", MEGABYTE),
]  # fmt: skip


@pytest.mark.parametrize("field", dict.fromkeys(field for field, _ in REFUSED))
def test_an_invalid_value_is_refused_and_the_typed_text_stays(
    field: str, newsroom: Newsroom, editor: Person
) -> None:
    for value in (value for name, value in REFUSED if name == field):
        answer = editor.write(**{"dek": "Kept"} | {field: value})
        assert answer.status_code == 422, value[:30]
        if field != "dek":
            assert editor.form(answer)[1]["dek"] == "Kept"
        assert not titles(newsroom)


@pytest.mark.parametrize("do", ["", "delete", "\x00"])
def test_an_unknown_button_does_nothing(do: str, newsroom: Newsroom, editor: Person) -> None:
    assert editor.write(do=do).status_code == 409
    assert not titles(newsroom)


HARMFUL = [
    NESTED,
    "(" * 20_000,
    "> " * 5_000,
    "*" * 20_000,
    "`" * 20_000,
    "<script>alert(1)</script>" * 100,
    "|" * 9_000,
]


@pytest.mark.parametrize("body", HARMFUL, ids=lambda body: body[:8])
def test_a_body_that_means_harm_becomes_harmless_html(
    body: str, newsroom: Newsroom, editor: Person
) -> None:
    shown = editor.write(do="preview", body=body)
    if shown.status_code == 422:  # it would take too long to render
        assert editor.write(body=body).status_code == 422
        return
    assert shown.status_code == 200
    uid = editor.uid(editor.write(body=body))
    assert "<script" not in newsroom.entry(uid).body_html


@pytest.mark.parametrize("version", ["", "-1", "0", "x", "1.5", "٣", "9" * 19, "9" * 40, "\x00"])
def test_a_version_that_is_none_changes_nothing(
    version: str, newsroom: Newsroom, editor: Person
) -> None:
    draft, out = newsroom.post(release=None), newsroom.post(title="Out")
    token = editor.form(editor.get("/desk/post"))[1] | {
        "version": version,
        "title": "Changed",
        "kind": "silent",
    }
    for path, do in (
        (f"/desk/entries/{draft.uid}/draft", "draft"),
        (f"/desk/entries/{out.uid}/revise", "save"),
        (f"/desk/entries/{out.uid}/retract", ""),
    ):
        assert editor.post(path, token | {"do": do}).status_code in {409, 422}
    assert sorted(titles(newsroom)) == ["Out", "River rising"]
    assert newsroom.entry(out.uid).state is EntryState.PUBLISHED


@pytest.mark.parametrize("kind", ["", "publish", "restore", "loud", "\x00"])
def test_a_kind_of_change_that_is_none_is_refused(
    kind: str, newsroom: Newsroom, editor: Person
) -> None:
    uid = newsroom.post().uid
    answer = editor.send(
        editor.get(f"/desk/entries/{uid}/edit"), title="Changed", kind=kind, do="save"
    )
    assert answer.status_code in {409, 422}
    assert titles(newsroom) == ["River rising"]


@pytest.mark.parametrize(
    "fields", [{}, {"do": "post"}, {"do": "draft", "title": "T"}, {"title": "T"}]
)
def test_missing_fields_are_no_accident(
    fields: dict[str, str], newsroom: Newsroom, editor: Person
) -> None:
    token = {"csrf_token": editor.form(editor.get("/desk/post"))[1]["csrf_token"]}
    uid = newsroom.post(title="Out").uid
    for path in (
        "/desk/post",
        f"/desk/entries/{uid}/draft",
        f"/desk/entries/{uid}/revise",
        f"/desk/entries/{uid}/undo",
        "/desk/streams/new",
    ):
        assert 400 <= editor.post(path, token | fields).status_code < 500
    assert titles(newsroom) == ["Out"]


@pytest.mark.parametrize(
    "body",
    [
        b"title=\xff\xfe&do=post",
        b"%",
        b"=&=&=",
        b"a" * 100_000,
        b"&" * 1_000,
        b"title=%ED%A0%80&do=post",
        b"",
    ],
)
def test_a_body_that_is_no_form_is_a_clear_error(body: bytes, editor: Person) -> None:
    for path in ["/desk/post", "/login", "/login/token", "/u/token", "/logout"]:
        answer = editor.client.post(
            path,
            data=body,
            content_type="application/x-www-form-urlencoded",
            base_url=BASE_URL,
            headers=SAME_ORIGIN,
        )
        assert answer.status_code in {303, 400, 404, 410, 413, 422}, path


def test_broken_characters_of_a_multipart_form_are_refused_or_cleaned(
    newsroom: Newsroom, editor: Person
) -> None:
    fields = editor.form(editor.get("/desk/post"))[1] | {"stream": "floods", "do": "draft"}
    parts = b"".join(
        f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    )
    parts += (
        b'--x\r\nContent-Disposition: form-data; name="title"\r\n\r\n\xff\xfe River'
        b" \xed\xa0\x80\r\n--x--\r\n"
    )
    answer = editor.client.post(
        "/desk/post",
        data=parts,
        content_type="multipart/form-data; boundary=x",
        base_url=BASE_URL,
        headers=SAME_ORIGIN,
    )
    assert answer.status_code in {303, 422}
    for title in titles(newsroom):
        title.encode()


@pytest.mark.parametrize(
    "kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain"]
)
def test_a_form_of_many_megabytes_is_too_much(kind: str, editor: Person) -> None:
    answer = editor.client.post(
        "/desk/post",
        data=b"a" * 5_000_000,
        content_type=kind,
        base_url=BASE_URL,
        headers=SAME_ORIGIN,
    )
    assert answer.status_code in {400, 413}
    assert "<h1" in answer.text, "a page, not a bare error"


def test_a_form_of_too_many_fields_is_not_even_read(reader: Person) -> None:
    assert (
        reader.client.post(
            "/login", data={str(n): "" for n in range(300)}, base_url=BASE_URL, headers=SAME_ORIGIN
        ).status_code
        == 413
    )


@pytest.mark.parametrize(
    "path",
    [
        "/streams/%00", "/streams/%ED%A0%80", "/streams/..%2f..%2fetc%2fpasswd",
        "/streams/FLOODS", "/streams/floods/entries/%00",
        "/streams/" + "a" * 5000,
        "/streams/floods/entries/" + "9" * 5000, "/streams/floods/entries/-",
        "/streams/floods/entries/é", "/u/%00", "/u/--", "/login/%00",
        "/desk/entries/%00", "/desk/entries/nothing", "/desk/entries/nothing/edit",
        "/desk/entries/nothing/retract",
        "/desk/caught/..%2fsecret.key",
        "/desk/caught/nothing", "/streams/floods//atom.xml", "/%0d%0aX:y", "/nothing",
    ],
)  # fmt: skip
def test_an_address_that_leads_nowhere_is_not_found(path: str, admin: Person) -> None:
    answer = admin.get(path)
    assert answer.status_code == 404
    assert any(words in answer.text for words in ("There is", "No mail", "link"))


def test_any_page_number_shows_a_page(newsroom: Newsroom, reader: Person) -> None:
    newsroom.post()
    for before in ("", "0", "-1", "x", "9" * 18, "9" * 19, "9" * 400, "٣", "1.5", "\x00"):
        assert reader.get("/streams/floods", query_string={"before": before}).status_code == 200, (
            before
        )


@pytest.mark.parametrize("state", ["published", "nothing", "\x00", "PUBLISHED"])
def test_the_list_of_entries_takes_known_states_only(state: str, editor: Person) -> None:
    assert editor.get(
        "/desk/entries", query_string={"state": state, "stream": "\x00"}
    ).status_code == (200 if state == "published" else 422)


@pytest.mark.parametrize(
    "email", ["", "\x00", "a" * 100_000, "a@b\r\nX: y", "ä@ö.example", "' OR 1=1 --"]
)
def test_a_malformed_address_cannot_log_in(email: str, reader: Person) -> None:
    answer = reader.send(reader.get("/login"), email=email, password="\x00" + "p" * 2000)
    assert answer.status_code == 422


def test_an_unsupported_method_gets_405(reader: Person) -> None:
    answer = reader.client.put("/streams/floods", base_url=BASE_URL)
    assert answer.status_code == 405 and "GET" in answer.headers["Allow"]


POSTS = [
    ("/desk/preview", ("entry", "title", "stream", "request_key", "window", "place")),
    ("/desk/account/sessions/end", ("session",)),
    ("/desk/post", ("entry", "stream", "request_key", "window", "at", "kept", "seen")),
    ("/desk/streams/new", ("slug", "title")),
    ("/desk/kept/new/drop", ("place",)), ("/desk/account", ("name",)),
    ("/subscribe", ("email", "stream", "page", "choice")),
    ("/login", ("email", "next", "kept.title")), ("/login/forgotten", ("email",)),
    ("/desk/channels/new", ("name", "url")),
    ("/desk/subscribers/suppress", ("email", "reason")),
    ("/desk/accounts/invite", ("email", "name", "role")),
]  # fmt: skip


@pytest.mark.parametrize(("path", "fields"), POSTS)
def test_a_nul_in_any_field_is_a_clear_error(
    path: str, fields: tuple[str, ...], admin: Person
) -> None:
    sound = admin.form(admin.get("/desk/post"))[1] | {"stream": "floods", "title": "River"}
    for field in fields:
        for value in ("\x00", "a\x00b"):
            assert admin.post(path, sound | {field: value}).status_code < 500, field
            assert admin.post(path, sound | {f"a{value}": "x"}).status_code < 500


QUERIES = [
    "/search?q=a%00b",
    "/search?q=x&stream=%00",
    "/desk/entries?q=%00",
    "/desk/entries?stream=%00&state=%00",
    "/desk/post?kept=%00",
    "/desk/post?stream=%00",
    "/desk/people?q=%00&stream=%00",
    "/desk/subscribers?q=%00",
    "/login?next=%00",
    "/streams/%00",
    "/tags/%00",
    "/u/%00",
    "/streams/floods?before=%00",
]


@pytest.mark.parametrize("path", QUERIES)
def test_a_nul_in_any_query_or_path_is_a_clear_error(path: str, admin: Person) -> None:
    assert admin.get(path).status_code < 500


@pytest.mark.parametrize(
    "seen",
    [
        "0001-01-01T00:00",
        "0001-01-01T00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "9999-12-31",
        "x",
        "2026-03-14T08:00",
    ],
)
def test_any_seen_value_shows_the_form_again(seen: str, editor: Person) -> None:
    assert editor.write(do="preview", seen=seen).status_code == 200
    assert editor.write(title="", seen=seen).status_code == 422
