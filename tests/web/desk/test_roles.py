"""Who may open and press what: every route of the desk, for every role."""

from collections.abc import Callable
from datetime import timedelta
from io import BytesIO

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from config.keys import Keys
from config.settings import Settings
from models import Importance, RevisionKind, Role
from models.accounts.accounts import add_account, list_accounts
from models.membership.suppression import suppress_address
from models.publishing.posting import Release, add_entry
from models.publishing.revising import Change, retract
from models.recipients.audience import ChannelTarget, add_channel
from models.text.actor import Actor
from models.text.texts import EntryText
from tests.support.newsroom import Newsroom
from tests.support.picture_files import photo
from tests.support.web_person import Person
from web.desk import board
from web.desk.guard import requires
from web.dev_mailbox import store

A, E, D = Role.AUTHOR, Role.EDITOR, Role.ADMIN
HOOK = ChannelTarget(
    "jsons://hooks.example.org/path", "webhook", "JSON webhook hooks.example.org …"
)
PICTURE = "/desk/pictures/<sha256:sha256>"
MAIL = b"Subject: Hello\r\nContent-Type: text/html\r\n\r\n<p>Hello</p>\r\n"
ALERT = "/desk/alerts/<int(max=9223372036854775807):alert_id>"
ACCOUNT = "/desk/accounts/<int(max=9223372036854775807):account_id>"

# A route and the least role that it serves; of a button also which entry it is pressed on, and what
# is sent.
LOOK = [
    ("/desk/", A), ("/desk/entries", A), ("/desk/post", A), ("/desk/entries/<uid:uid>", A),
    ("/desk/streams", A),
    ("/desk/people", A), ("/desk/kept/<uid:place>/mail", A), ("/desk/schedule", A),
    ("/desk/entries/<uid:uid>/edit", E), ("/desk/entries/<uid:uid>/retract", E),
    ("/desk/streams/new", E),
    ("/desk/streams/<slug:slug>/edit", E), ("/desk/alerts", E), (ALERT, E),
    ("/desk/alerts/resume", D),
    (PICTURE, A),
    ("/desk/channels", D), ("/desk/channels/new/<slug:name>", D), ("/desk/channels/<uid:uid>", D),
    ("/desk/subscribers", D), ("/desk/subscribers/export", D),
    ("/desk/subscribers/suppressed", D), ("/desk/subscribers/<uid:uid>", D),
    ("/desk/account", A), ("/desk/accounts", D), (ACCOUNT, D),
    ("/desk/caught", D), ("/desk/caught/<token:mail_id>", D),
    ("/desk/caught/<token:mail_id>/html", D),
]  # fmt: skip
CHANGE = [
    ("/desk/pictures", A, "", {}),
    ("/desk/post", A, "", {"stream": "floods", "title": "T", "request_key": "k1", "do": "post"}),
    ("/desk/preview", A, "", {"stream": "floods", "title": "T"}),
    ("/desk/kept/<uid:place>/drop", A, "published", {}),
    ("/desk/entries/<uid:uid>/draft", E, "draft", {"title": "T", "do": "draft"}),
    ("/desk/entries/<uid:uid>/undo", E, "scheduled", {}),
    ("/desk/entries/<uid:uid>/now", E, "scheduled", {}),
    (
        "/desk/entries/<uid:uid>/revise",
        E,
        "published",
        {"title": "T", "kind": "silent", "request_key": "k2", "do": "save"},
    ),
    ("/desk/entries/<uid:uid>/retract", E, "published", {"request_key": "k3"}),
    ("/desk/entries/<uid:uid>/restore", E, "retracted", {}),
    ("/desk/entries/<uid:uid>/approve", E, "submitted", {}),
    ("/desk/entries/<uid:uid>/return", E, "submitted", {"remark": "Who says so?"}),
    ("/desk/entries/<uid:uid>/take-back", A, "own", {}),
    ("/desk/entries/<uid:uid>/time", E, "scheduled", {"at": "2026-03-14T12:00"}),
    ("/desk/entries/<uid:uid>/pin", E, "published", {}),
    ("/desk/entries/<uid:uid>/unpin", E, "published", {}),
    (
        "/desk/streams/new",
        E,
        "",
        {"slug": "new", "title": "T", "language": "en", "timezone": "UTC"},
    ),
    ("/desk/streams/<slug:slug>/edit", E, "", {"title": "T", "language": "en", "timezone": "UTC"}),
    ("/desk/streams/<slug:slug>/state", E, "", {"state": "ended"}),
    (f"{ALERT}/stop", E, "", {}),
    (f"{ALERT}/resume", E, "", {}),
    (f"{ALERT}/retry", E, "", {}),
    ("/desk/alerts/pause", D, "", {}),
    ("/desk/alerts/resume", D, "", {}),
    ("/desk/channels", D, "", {"name": "Room", "url": "ntfys://ntfy.example.org/topic"}),
    (
        "/desk/channels/<uid:uid>",
        D,
        "",
        {
            "name": "Room",
            "stream": "*",
            "cadence": "at_once",
            "least": "normal",
            "kinds": "new",
        }
        | {"timezone": "UTC"},
    ),
    ("/desk/channels/<uid:uid>/test", D, "", {}),
    ("/desk/channels/<uid:uid>/again", D, "", {}),
    ("/desk/channels/<uid:uid>/remove", D, "", {}),
    ("/desk/subscribers/suppressed", D, "", {"email": "ann@example.org", "reason": "asked"}),
    ("/desk/subscribers/<uid:uid>/lift", D, "", {}),
    ("/desk/subscribers/<uid:uid>/end", D, "", {}),
    ("/desk/subscribers/<uid:uid>/erase", D, "", {}),
    ("/desk/account/name", A, "", {"name": "Nora Field"}),
    ("/desk/account/password", A, "", {"password": "correct horse battery"}),
    ("/desk/account/sessions/end", A, "", {"session": "another's"}),
    ("/desk/account/sessions/end-others", A, "", {}),
    ("/desk/accounts", D, "", {"name": "Ann", "email": "ann@example.org", "role": "author"}),
    (f"{ACCOUNT}/role", D, "", {"role": "editor"}),
    (f"{ACCOUNT}/end", D, "", {}),
    (f"{ACCOUNT}/reopen", D, "", {}),
    (f"{ACCOUNT}/invite", D, "", {}),
]
Button = tuple[str, Role, str, dict[str, str]]
ROLES = [None, A, E, D]
# what a refusal must not show
SECRETS = {"somebody@example.org", "Somebody", "reader@example.org", "Hook"}


@pytest.fixture
def values(newsroom: Newsroom, settings: Settings, keys: Keys) -> dict[str, str]:
    gone = newsroom.post(title="Gone")
    retract(newsroom.db, newsroom.actor, gone.uid, gone.version, Change(RevisionKind.RETRACTION))
    return {
        "draft": newsroom.post(release=None).uid,
        "scheduled": newsroom.post(release=Release(delay=timedelta(seconds=10))).uid,
        "submitted": (
            add_entry(
                newsroom.db, Actor(None, A), "floods", EntryText("Submitted"), Release(alerts=False)
            ).uid
        ),
        "published": newsroom.post(importance=Importance.KEY).uid,
        "retracted": gone.uid,
        "channel": add_channel(newsroom.db, newsroom.actor, keys, "Hook", HOOK).uid,
        "subscriber": (
            suppress_address(newsroom.db, newsroom.actor, "reader@example.org", "asked").uid
        ),
        "account": str(
            add_account(
                newsroom.db, newsroom.actor, "somebody@example.org", "Somebody", Role.AUTHOR
            ).id
        ),
        "sha256": newsroom.picture(),
        "mail_id": store(settings.data_dir / "caught", "a@example.org", ["b@example.org"], MAIL),
    }


def path_of(rule: str, values: dict[str, str], entry: str) -> str:
    path = rule.replace("<slug:slug>", "floods").replace("<token:mail_id>", values["mail_id"])
    path = path.replace("<slug:name>", "slack").replace("<sha256:sha256>", values["sha256"])
    for kind in ("channel", "subscriber"):
        path = path.replace(f"/desk/{kind}s/<uid:uid>", f"/desk/{kind}s/{values[kind]}")
    return (
        path.replace(ALERT, "/desk/alerts/2")
        .replace(ACCOUNT, f"/desk/accounts/{values['account']}")
        .replace("<uid:uid>", values.get(entry, ""))
        .replace("<uid:place>", values.get(entry, ""))
    )


def test_the_tables_name_every_route_of_the_desk(app: Flask) -> None:
    rules = [rule for rule in app.url_map.iter_rules() if rule.rule.startswith("/desk")]
    assert {rule.rule for rule in rules if "GET" in rule.methods} == {rule for rule, *_ in LOOK}
    assert {rule.rule for rule in rules if "POST" in rule.methods} == {rule for rule, *_ in CHANGE}


@pytest.mark.parametrize("role", ROLES)
def test_each_page_is_shown_to_its_roles_only(
    role: Role | None, values: dict[str, str], reader: Person, log_in: Callable[[Role], Person]
) -> None:
    person = log_in(role) if role else reader
    for rule, least in LOOK:
        path = path_of(rule, values, "published")
        shown = 302 if rule == PICTURE else 200  # to the file, which anybody may see
        expected = 303 if role is None else shown if role.includes(least) else 403
        answer = person.get(path)
        assert answer.status_code == expected, path
        assert answer.headers["Cache-Control"] == "no-store", path
        if role is None:
            assert answer.location.startswith("/login?next=/desk")


def submitted_last(newsroom: Newsroom) -> str:
    """An entry that whoever was made an account last has submitted."""
    last = max((account.id for account in list_accounts(newsroom.db)), default=None)
    return add_entry(newsroom.db, Actor(last, A), "floods", EntryText("Own"), Release()).uid


def press(
    person: Person,
    newsroom: Newsroom,
    values: dict[str, str],
    button: Button,
    *,
    token: bool = True,
) -> TestResponse:
    rule, _, entry, fields = button
    if entry == "own":  # of whoever presses it
        values = values | {"own": submitted_last(newsroom)}
    version = str(newsroom.entry(values[entry]).version) if entry else "1"
    csrf = {"csrf_token": person.form(person.get("/desk/post"))[1]["csrf_token"]} if token else {}
    if rule == "/desk/pictures":
        fields = {"file": (BytesIO(photo()), "a.jpg")}  # type: ignore[dict-item]
    return person.post(path_of(rule, values, entry), fields | {"version": version} | csrf)


BODIES: dict[str, Callable[[dict[str, str]], dict[str, str]]] = {
    "good": lambda fields: fields,
    "nothing": lambda fields: {},
    "nonsense": lambda fields: dict.fromkeys(fields, "x\0" * 50) | {"do": "?", "version": "-1"},
    "turned back": lambda fields: fields | {"do": "back"},
    "previewed": lambda fields: fields | {"do": "preview"},
}


REFUSED = {A: None, E: A, D: E}
"""The next lower role: it sees most of what a form that is read too early gives away, so it alone
sends other bodies than good ones.
"""


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("role", REFUSED.values())
def test_each_button_is_refused_to_all_others_whatever_is_sent(
    role: Role | None,
    body: str,
    newsroom: Newsroom,
    values: dict[str, str],
    reader: Person,
    log_in: Callable[[Role], Person],
) -> None:
    person = log_in(role) if role else reader
    for rule, least, entry, fields in CHANGE:
        if role is not None and role.includes(least):
            continue
        if body != "good" and role is not REFUSED[least]:
            continue
        button = rule, least, entry, BODIES[body](fields)
        for token in {role is not None, role is not None and body != "good"}:
            answer = press(person, newsroom, values, button, token=token)
            assert answer.status_code == (401 if role is None else 403), (rule, token)
            assert role is None or SECRETS.isdisjoint(answer.text.split()), rule


@pytest.mark.parametrize("role", [A, E, D])
def test_each_button_needs_the_token_of_the_log_in(
    role: Role, newsroom: Newsroom, values: dict[str, str], log_in: Callable[[Role], Person]
) -> None:
    person = log_in(role)
    for button in CHANGE:
        if role.includes(button[1]):
            assert press(person, newsroom, values, button, token=False).status_code == 400, button[
                0
            ]


def test_a_view_of_the_desk_that_states_no_role_serves_admins_alone(
    app: Flask, log_in: Callable[[Role], Person]
) -> None:
    del app.view_functions["desk.board.show"].storywire_access  # type: ignore[attr-defined]
    try:
        assert log_in(E).get("/desk/").status_code == 403
        assert log_in(D).get("/desk/").status_code == 200
    finally:
        requires(A)(board.show)


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("rule", [rule for rule, *_ in CHANGE if ACCOUNT in rule])
def test_an_account_that_is_not_there_is_not_found_whatever_is_sent(
    rule: str, body: str, admin: Person
) -> None:
    token = {"csrf_token": admin.form(admin.get("/desk/post"))[1]["csrf_token"]}
    answer = admin.post(
        rule.replace(ACCOUNT, "/desk/accounts/999999"), BODIES[body]({"role": "editor"}) | token
    )
    assert answer.status_code == 404


@pytest.mark.parametrize("button", CHANGE, ids=lambda button: str(button[0]))
def test_each_button_works_for_the_least_of_its_roles(
    button: Button, newsroom: Newsroom, values: dict[str, str], log_in: Callable[[Role], Person]
) -> None:
    answer = press(log_in(button[1]), newsroom, values, button)
    expected = {"/desk/preview": 200, "/desk/pictures": 201}.get(button[0], 303)
    assert answer.status_code == expected, answer.text


def test_an_author_edits_her_own_draft_and_nothing_else(newsroom: Newsroom, author: Person) -> None:
    own = author.uid(author.write(do="draft"))
    assert author.get(f"/desk/entries/{own}/edit").status_code == 200
    assert (
        author.send(author.get(f"/desk/entries/{own}/edit"), title="Mine", do="draft").status_code
        == 303
    )
    submitted = author.send(author.get(f"/desk/entries/{own}/edit"), do="post")
    assert submitted.status_code == 303
    assert author.get(f"/desk/entries/{own}/edit").status_code == 403, (
        "before a text is written, not after"
    )
    fields = author.form(author.get("/desk/post"))[1] | {
        "title": "T",
        "version": "3",
        "do": "draft",
    }
    assert author.post(f"/desk/entries/{own}/draft", fields).status_code == 403, (
        "it is the editors' now"
    )
    theirs = newsroom.post(release=None)
    assert author.get(f"/desk/entries/{theirs.uid}/edit").status_code == 403
