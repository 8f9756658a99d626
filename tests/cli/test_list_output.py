"""Lists say when they are cut and can be read whole; what cannot be undone asks first."""

import json
import os
import subprocess
import sys

import pytest

from cli import list_output


def fill(story, number=5):
    rows = "".join(f"reader{n}@example.org\n" for n in range(number))
    story("subscriber", "import", "-", "--confirmed", "--stream", "floods", input=f"email\n{rows}")
    for n in range(number):
        story("channel", "add", f"room {n}", "--url", f"json://127.0.0.1:9/{n}")
        story("entry", "add", "floods", "--title", f"Entry {n}")


@pytest.mark.parametrize("page", [2, 1000])
def test_a_truncated_list_says_so_and_can_be_read_in_full(story, monkeypatch, page):
    monkeypatch.setattr(list_output, "PAGE_ROWS", page)
    fill(story)
    for noun in ("subscriber", "channel", "entry", "alert"):
        cut = story(noun, "list", "--limit", "3")
        assert "Only the first 3 are shown. Use --all for all." in cut.stderr, noun
        whole = story(noun, "list", "--all")
        assert "Only" not in whole.stderr
        assert len(whole.stdout.splitlines()) == 5 + (noun == "alert"), noun
        exact = story(noun, "list", "--limit", "5", "--json")
        assert "Only" not in exact.stderr
        array = json.loads(exact.stdout)
        assert exact.stdout == json.dumps(array, ensure_ascii=False, indent=2) + "\n"
        lines = story(noun, "list", "--all", "--ndjson").stdout.splitlines()
        assert (
            list(map(json.loads, lines))
            == array
            == json.loads(story(noun, "list", "--all", "--json").stdout)
        )
        assert json.loads(story(noun, "list", "--limit", "2", "--json").stdout) == array[:2]


def test_an_empty_list_is_an_empty_array(story):
    assert story("entry", "list", "--json").stdout == "[]\n"
    assert story("entry", "list", "--ndjson").stdout == ""
    assert story("entry", "list").stdout == "No entries.\n"


def test_an_entry_and_a_story_are_shown_with_their_text(story, tmp_path):
    (tmp_path / "body.md").write_text("**Six** metres\n", "utf-8")
    uid = story(
        "entry",
        "add",
        "floods",
        "--title",
        "River rising",
        "--by",
        "Ann Vale",
        "--body-file",
        "body.md",
        "--tag",
        "Dykes",
    ).output.strip()
    story(
        "entry",
        "edit",
        uid,
        "--title",
        "River falls",
        "--kind",
        "correction",
        "--note",
        "It falls.",
    )
    shown = json.loads(story("entry", "show", uid, "--json").stdout)
    assert (shown["title"], shown["body"], shown["url"].rpartition("/")[2]) == (
        "River falls",
        "**Six** metres",
        uid,
    )
    assert [(one["no"], one["kind"], one["note"]) for one in shown["revisions"]] == [
        (2, "correction", "It falls."),
        (1, "publish", ""),
    ]
    assert shown["contributors"] == [
        {
            "name": "Ann Vale",
            "slug": "ann-vale",
            "url": "http://127.0.0.1:8000/contributors/ann-vale",
            "own_url": "",
        }
    ]
    text = story("entry", "show", uid).stdout
    assert "River falls" in text and "**Six** metres" in text and "It falls." in text
    story("stream", "edit", "floods", "--overview-file", "-", input="Since *Monday*.")
    value = json.loads(story("stream", "show", "floods", "--json").stdout)
    assert (
        value["overview"],
        value["entries"],
        [one["slug"] for one in value["contributors"]],
    ) == ("Since *Monday*.", 1, ["ann-vale"])
    assert "Since *Monday*." in story("stream", "show", "floods").stdout
    for noun in ("entry", "stream"):
        assert "There is no" in story(noun, "show", "nonesuch", code=1).stderr


def test_irreversible_commands_need_yes_when_not_interactive(story, tmp_path):
    story("subscriber", "add", "ann@example.org", "--confirmed")
    story("subscriber", "export", "out.csv")
    kept = (tmp_path / "out.csv").read_bytes()
    for command in (
        ("stream", "state", "floods", "deleted"),
        ("subscriber", "erase", "ann@example.org"),
        ("subscriber", "export", "out.csv", "--state", "ended"),
    ):
        assert "Add --yes to confirm" in story(*command, code=1).stderr
    assert (tmp_path / "out.csv").read_bytes() == kept
    assert story("subscriber", "show", "ann@example.org", "--json").stdout
    story("subscriber", "export", "out.csv", "--state", "ended", "--yes")
    assert (tmp_path / "out.csv").read_bytes() != kept
    story("stream", "state", "floods", "ended")
    story("stream", "state", "floods", "deleted", "--yes")


def test_on_a_terminal_the_answer_counts(story, tmp_path):
    story("subscriber", "add", "ann@example.org", "--confirmed")
    uid = story("entry", "add", "floods", "--title", "A").output.strip()
    for command, answer, code in (
        (("subscriber", "erase", "ann@example.org"), b"n\n", 1),
        (("entry", "retract", uid), b"n\n", 1),
        (("entry", "retract", uid), b"y\n", 0),
        (("subscriber", "erase", "ann@example.org"), b"y\n", 0),
    ):
        ours, theirs = os.openpty()
        os.write(ours, answer)
        run = [sys.executable, "-m", "cli.main", *command]
        result = subprocess.run(run, stdin=theirs, capture_output=True, text=True, check=False)
        os.close(ours)
        os.close(theirs)
        assert (result.returncode, "[y/N]" in result.stderr) == (code, True), result.stderr
    assert json.loads(story("entry", "list", "--json").stdout)[0]["state"] == "retracted"
    assert "no subscriber" in story("subscriber", "show", "ann@example.org", code=1).stderr
