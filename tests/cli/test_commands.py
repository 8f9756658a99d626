"""The commands, as scripts and people call them."""

import json
import os
import sqlite3
from contextlib import closing

import click
import pytest
from click.testing import CliRunner

from cli.lazy import LazyCommand
from cli.main import main
from models import EntryState
from models.db.database import open_database
from models.streams.entries import list_entries
from tests.support.picture_files import photo


def entries(site, *args):
    return json.loads(site("entry", "list", "--json", *args).output)


def test_init_may_run_again(site):
    assert json.loads(site("init", "--json").output)["migrated"] == []


def test_a_command_before_init_explains_what_to_do(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["entry", "list"])
    assert result.exit_code == 78
    assert "Run `storywire init` first" in result.output
    assert not (tmp_path / "var").exists()


def test_a_half_initialized_site_explains_what_to_do(site, tmp_path):
    db = open_database(f"sqlite:///{tmp_path}/var/storywire.sqlite3")
    with db.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM site")
    db.engine.dispose()
    assert "Run `storywire init`" in site("stream", "add", "floods", "--title", "A", code=78).stderr
    site("init")
    site("stream", "add", "floods", "--title", "A")


def test_an_entry_is_posted_at_once_and_its_uid_printed(story):
    uid = story("entry", "add", "floods", "--title", "River rising", "--dek", "Six metres",
                "--by", "Ann Vale", "--by", "New Name",
                "--tag", "River", "--tag", "Levels", "--importance", "key", "--link",
                "https://example.org/").output.strip()  # fmt: skip
    found = entries(story)[0]
    assert found["uid"] == uid
    assert (found["state"], found["byline"], found["tags"], found["importance"]) == (
        "published", ["Ann Vale", "New Name"], ["River", "Levels"], "key",
    )  # fmt: skip


@pytest.mark.parametrize("tag", ["\U0001f30a", "..", ""])
def test_a_tag_that_names_nothing_is_refused(story, tag):
    channel = ("channel", "add", "w", "--url", "json://127.0.0.1:9/x", "--tag", "floods")
    assert "has no letter or digit" in story(*channel, "--tag", tag, code=1).stderr
    assert json.loads(story("channel", "list", "--json").output) == []
    if tag:
        answer = story(
            "entry", "add", "floods", "--title", "A", "--tag", "floods", "--tag", tag, code=1
        )
        assert "no letter or digit" in answer.stderr
        assert entries(story) == []


def test_a_body_comes_from_a_file_or_standard_input(story, tmp_path):
    (tmp_path / "body.md").write_text("**From** a file", "utf-8")
    story("entry", "add", "floods", "--title", "A", "--body-file", "body.md")
    story("entry", "add", "floods", "--title", "B", "--body-file", "-", input="From a *pipe*")
    db = open_database(f"sqlite:///{tmp_path}/var/storywire.sqlite3")
    with db.read() as tx:
        bodies = {entry.title: entry.body_html for entry in list_entries(tx, EntryState.PUBLISHED)}
    db.engine.dispose()
    assert bodies == {
        "A": "<p><strong>From</strong> a file</p>",
        "B": "<p>From a <em>pipe</em></p>",
    }


def test_a_time_without_offset_is_in_the_storys_zone(story):
    story("entry", "add", "floods", "--title", "A", "--at", "2026-01-10T12:00")
    assert entries(story)[0]["published_at"] == "2026-01-10T10:00:00+00:00"


def test_the_same_request_key_posts_once(story):
    first, again = (
        story("entry", "add", "floods", "--title", "A", "--request-key", "k").output
        for _ in range(2)
    )
    assert first == again
    assert len(entries(story)) == 1


def test_edit_changes_only_what_is_given(story):
    uid = story(
        "entry", "add", "floods", "--title", "A", "--dek", "D", "--by", "Ann Vale", "--tag", "T"
    ).output.strip()
    story("entry", "edit", uid, "--title", "B", "--kind", "correction", "--note", "It was B.")
    found = entries(story)[0]
    assert (found["title"], found["dek"], found["byline"], found["tags"]) == (
        "B",
        "D",
        ["Ann Vale"],
        ["T"],
    )
    assert [alert["kind"] for alert in json.loads(story("alert", "list", "--json").output)] == [
        "correction",
        "publish",
    ]


def test_retract_and_restore(story):
    uid = story("entry", "add", "floods", "--title", "A").output.strip()
    assert story("entry", "retract", uid, "--note", "Wrong.").output == f"{uid} is retracted.\n"
    assert entries(story)[0]["state"] == "retracted"
    story("entry", "restore", uid)
    assert entries(story, "--state", "published")[0]["uid"] == uid


def test_a_draft_waits_until_it_is_published(story):
    uid = story("entry", "add", "floods", "--title", "A", "--draft").output.strip()
    story("entry", "edit", uid, "--title", "Better")
    assert entries(story, "--state", "draft")[0]["title"] == "Better"
    story("entry", "publish", uid)
    assert entries(story, "--state", "published")[0]["uid"] == uid


def test_a_story_changes_in_what_is_given_and_nothing_else(story):
    before = json.loads(story("stream", "list", "--json").output)[0]
    story("stream", "edit", "floods", "--feed-text", "summary", "--dek", "")
    assert json.loads(story("stream", "list", "--json").output)[0] == before | {
        "feed_text": "summary"
    }
    around = {"subject_prefix": "[Floods]", "mail_intro": "Two\nlines", "mail_footer": "Call 112."}
    story(
        "stream",
        "edit",
        "floods",
        *(part for name, text in around.items() for part in (f"--{name.replace('_', '-')}", text)),
    )
    assert (
        json.loads(story("stream", "list", "--json").output)[0]
        == before | {"feed_text": "summary"} | around
    )
    for prefix in ("a\r\nBcc: b", "x" * 61):
        assert (
            "E-mail subject prefix: "
            in story("stream", "edit", "floods", "--subject-prefix", prefix, code=1).stderr
        )
    assert "There is no stream" in story("stream", "edit", "drought", "--title", "A", code=1).stderr


def test_adding_the_same_again_changes_nothing(story):
    for _ in range(2):
        story("stream", "add", "floods", "--title", "Another title")
        story("account", "add", "mara@example.org", "--name", "Mara", "--role", "editor")
        story("contributor", "add", "Ann Vale")
        story("subscriber", "add", "Reader@example.org", "--stream", "floods", "--confirmed")
        story("channel", "add", "hook", "--url", "json://127.0.0.1:9/secret-path")
    listed = {
        name: json.loads(story(name, "list", "--json").output)
        for name in ("stream", "account", "contributor", "subscriber", "channel")
    }
    assert {name: len(rows) for name, rows in listed.items()} == dict.fromkeys(listed, 1)
    assert listed["stream"][0]["title"] == "The floods"


def test_a_channel_url_is_never_shown_again(story):
    added = story(
        "channel", "add", "hook", "--url", "-", input="json://127.0.0.1:9/t0psecretpath\n"
    ).output
    assert (
        "t0psecretpath"
        not in added + story("channel", "list").output + story("channel", "list", "--json").output
    )


def test_a_removed_subscriber_gets_no_more_mail_and_can_be_added_again(story):
    story("subscriber", "add", "reader@example.org", "--confirmed")
    story("subscriber", "remove", "Reader@example.org")
    assert json.loads(story("subscriber", "list", "--json").output)[0]["state"] == "ended"
    assert (
        json.loads(
            story("subscriber", "add", "reader@example.org", "--confirmed", "--json").output
        )["state"]
        == "confirmed"
    )
    assert "There is no channel" in story("channel", "remove", "nowhere", code=1).stderr


def test_a_password_comes_from_standard_input_and_never_from_an_argument(story):
    story("account", "add", "mara@example.org", "--password-stdin", input="a river of words\n")
    story("account", "password", "mara@example.org", "--password-stdin", input="another river\n")
    short = story(
        "account", "password", "mara@example.org", "--password-stdin", input="short\n", code=1
    )
    assert "use 10 to 1,000" in short.stderr
    assert (
        "--password-stdin"
        in story(
            "account", "password", "mara@example.org", input="a river of words\n", code=1
        ).stderr
    )
    assert (
        "No such option"
        in story(
            "account", "password", "mara@example.org", "--password", "a river of words", code=2
        ).stderr
    )


@pytest.mark.parametrize(
    "url", ["nonsense", "syslog://", "mailto://u:p@example.org", "json://192.168.1.1/x",
            "jsons://localhost/x", "jsons://a.org/, jsons://b.org/",
            "jsons://example.org/?redirect=yes", "jsons://example.org/?verify=no",
            "jsons://2130706433/x", "file:///etc/passwd"]
)  # fmt: skip
def test_a_channel_url_that_must_not_be_is_refused_in_one_sentence(story, url):
    result = story("channel", "add", "hook", "--url", url, code=1)
    assert result.stderr.startswith("Error: ")
    assert json.loads(story("channel", "list", "--json").output) == []


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["entry", "add", "drought", "--title", "A"], "There is no stream 'drought'"),
        (["entry", "add", "floods"], "Title: this can’t be empty"),
        (["entry", "add", "floods", "--title", "x" * 1_000_000], "too long"),
        (["entry", "add", "floods", "--title", "a\x07"], "U+0007"),
        (["entry", "add", "floods", "--title", "a\udcff"], "U+DCFF"),
        (["entry", "add", "floods", "--title", "A", "--at", "soon"], "Enter it like"),
        (
            ["entry", "add", "floods", "--title", "A", "--at", "2026-03-29T03:30"],
            "does not exist in Europe/Kyiv",
        ),
        (["entry", "add", "floods", "--title", "A", "--body-file", "nowhere.md"], "cannot be read"),
        (["entry", "edit", "nothere", "--title", "A"], "There is no entry"),
        (["stream", "add", "Not A Slug", "--title", "A"], "lower-case"),
        (["stream", "add", "b", "--title", "A", "--timezone", "Mars/Olympus"], "isn’t a time zone"),
        (["account", "add", "no-address"], "is not an e-mail address"),
        (["account", "login-link", "nobody@example.org"], "There is no account"),
        (["subscriber", "add", "no-address", "--confirmed"], "is not an e-mail address"),
    ],
)
def test_bad_input_ends_in_one_sentence_and_stores_nothing(story, args, says):
    result = story(*args, code=1)
    assert says in result.stderr
    assert entries(story) == []


def test_a_file_that_is_not_utf8_is_refused(story, tmp_path):
    (tmp_path / "body.md").write_bytes(b"caf\xe9")
    assert (
        "not UTF-8"
        in story("entry", "add", "floods", "--title", "A", "--body-file", "body.md", code=1).stderr
    )


def test_subscribing_requires_consent(story):
    assert "--confirmed" in story("subscriber", "add", "reader@example.org", code=2).stderr


def test_a_log_in_link_is_printed(story):
    story("account", "add", "mara@example.org")
    assert story("account", "login-link", "mara@example.org").output.startswith(
        "http://127.0.0.1:8000/login/"
    )


def test_people_are_invited_and_leave_by_commands(story):
    invited = json.loads(
        story(
            "account", "invite", "mara@example.org", "--name", "Mara", "--role", "admin", "--json"
        ).output
    )
    assert (invited["role"], invited["mailed"]) == ("admin", False), "no mail server is set"
    assert invited["url"].startswith("http://127.0.0.1:8000/login/password/")
    assert story("account", "reset-link", "mara@example.org").output.startswith(
        "http://127.0.0.1:8000/login/password/"
    )
    assert "only admin" in story("account", "end", "mara@example.org", code=1).stderr
    story("account", "add", "jon@example.org", "--role", "admin")
    story("account", "role", "mara@example.org", "author")
    story("account", "end", "mara@example.org")
    assert (
        "There is no account" in story("account", "reset-link", "mara@example.org", code=1).stderr
    )
    found = {one["email"]: one for one in json.loads(story("account", "list", "--json").output)}
    assert (found["mara@example.org"]["role"], found["mara@example.org"]["ended"]) == (
        "author",
        True,
    )
    assert "again as author" in story("account", "reopen", "mara@example.org").output


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (("stream", "state", "a\udcff", "live"), "There is no stream"),
        (("entry", "add", "a\udcff", "--title", "x"), "There is no stream"),
        (("entry", "add", "floods", "--title", "x", "--request-key", "\udcff"), "not UTF-8"),
        (("entry", "retract", "\udcff"), "not UTF-8"),
        (("channel", "remove", "\udcff"), "not UTF-8"),
    ],
)
def test_an_argument_that_is_no_text_is_one_sentence(story, command, sentence):
    assert sentence in story(*command, code=1).stderr


def test_a_file_without_end_is_not_read_to_its_end(story):
    assert (
        "/dev/zero is longer"
        in story(
            "entry", "add", "floods", "--title", "x", "--body-file", "/dev/zero", code=1
        ).stderr
    )


def test_a_file_that_is_no_database_is_one_sentence(story, tmp_path):
    (tmp_path / "var" / "storywire.sqlite3").write_text("something else entirely")
    refused = story("entry", "list", code=os.EX_UNAVAILABLE).stderr
    assert refused.startswith("Error: The database cannot be used: ") and refused.count("\n") == 1
    assert "file is not a database" in refused
    assert "file is not a database" in story("doctor", code=1).output


def test_a_database_of_a_newer_version_is_not_changed(story, tmp_path):
    with closing(
        sqlite3.connect(tmp_path / "var" / "storywire.sqlite3", isolation_level=None)
    ) as db:
        db.execute("UPDATE alembic_version SET version_num = '9999'")
    for command in (("entry", "list"), ("init",)):
        assert "made by a newer Storywire" in story(*command, code=os.EX_CONFIG).stderr
    assert "made by a newer Storywire" in story("doctor", code=1).output


def commands(group: click.Group, path: tuple[str, ...] = ()):
    for name, entry in group.commands.items():
        command = entry.load() if isinstance(entry, LazyCommand) else entry
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        elif not command.hidden:
            yield (*path, name), command


@pytest.mark.parametrize(
    ("path", "command"), [pytest.param(*found, id=" ".join(found[0])) for found in commands(main)]
)
def test_every_command_and_option_explains_itself(path, command):
    assert CliRunner().invoke(main, [*path, "--help"]).exit_code == 0
    assert command.help
    for parameter in command.params:
        assert isinstance(parameter, click.Argument) or parameter.help, (path, parameter.name)
    if path[0] not in {"demo", "serve", "worker"}:
        assert "--json" in {option for parameter in command.params for option in parameter.opts}


def test_a_person_stops_pauses_and_lets_go(story):
    uid = story("entry", "add", "floods", "--title", "A").output.strip()
    assert story("alert", "stop", uid).output == "Stopped alert 1.\n"
    assert story("alert", "list").output.rstrip().endswith("stopped")
    assert "Resume it first" in story("alert", "retry", "1", code=1).stderr
    assert json.loads(story("alert", "resume", "1", "--json").output) == {"id": 1, "owed_again": 0}
    assert story("alert", "retry", uid).output == "Retrying alert 1; 0 deliveries queued again.\n"
    assert "There is no alert 'nonesuch'" in story("alert", "stop", "nonesuch", code=1).stderr
    story("pause")
    assert story("alert", "list").stderr == "Sending is paused for the whole site.\n"
    asked = story("resume", input="n\n", code=1).stderr
    assert (
        "Queued: 0 e-mails and 0 other messages, and 1 alert whose recipients are being looked up."
        in asked
    )
    assert "Add --yes" in asked
    story("resume", "--yes")
    assert story("alert", "list").stderr == ""


def test_an_alert_is_shown_and_followed_to_its_end(story):
    uid = story("entry", "add", "floods", "--title", "River rising").output.strip()
    shown = story("alert", "show", uid).stdout
    assert shown.startswith(f"Alert 1: publish  River rising  (entry {uid})")
    assert "Recipients are still being found." in shown
    story("alert", "stop", uid)
    followed = story("alert", "show", "1", "--follow", "--json")
    found = json.loads(followed.stdout)
    assert (found["owed"], found["services"], found["troubles"], found["reasons"]) == (
        0,
        {},
        [],
        [],
    )
    assert "no alert" in story("alert", "show", "2", code=1).stderr


def test_pictures_come_from_files_with_their_words(story, tmp_path):
    for name, ground in (("a.jpg", "blue"), ("b.jpg", "green")):
        (tmp_path / name).write_bytes(photo(ground=ground))
    uid = story("entry", "add", "floods", "--title", "A", "--picture", "a.jpg", "--picture-alt",
                "A blue wall", "--picture",
                 "b.jpg", "--picture-alt", "A green wall",
                "--picture-credit", "Ann", "--picture-credit", "").output.strip()  # fmt: skip
    both = entries(story)[0]["pictures"]
    assert len(both) == 2 and all("/media/" in url and url.endswith(".jpg") for url in both)
    story("entry", "edit", uid, "--title", "B")
    assert entries(story)[0]["pictures"] == both
    story("entry", "edit", uid, "--picture", "b.jpg", "--picture-alt", "A green wall")
    assert entries(story)[0]["pictures"] == both[1:]
    assert (
        "Give one --picture-alt"
        in story("entry", "add", "floods", "--title", "A", "--picture", "a.jpg", code=2).stderr
    )
    (tmp_path / "c.jpg").write_text("<svg/>")
    refused = story(
        "entry", "add", "floods", "--title", "A", "--picture", "c.jpg", "--picture-alt", "A", code=1
    )
    assert "Upload a JPEG" in refused.stderr
    story("stream", "edit", "floods", "--picture", "a.jpg", "--picture-alt", "A blue wall")
    assert json.loads(story("stream", "list", "--json").output)[0]["picture_alt"] == "A blue wall"
    story("stream", "edit", "floods", "--picture", "")
    assert json.loads(story("stream", "list", "--json").output)[0]["picture_alt"] == ""
