"""Commands for single subscribers, and the list as a file."""

import csv
import json


def told(site, *args):
    return json.loads(site("subscriber", *args, "--json").stdout)


def test_a_list_goes_out_as_it_came_in_and_a_page_at_a_time(story, tmp_path):
    (tmp_path / "in.csv").write_text(
        "email,language,consent\nann@example.org,de,Form 7\nbob@example.org,,\n", "utf-8"
    )
    story("subscriber", "import", "in.csv", "--confirmed", "--stream", "floods")
    story("subscriber", "add", "eve@example.org", "--confirmed")
    first = told(story, "list", "--limit", "1")
    rest = told(story, "list", "--after", str(first[0]["id"]))
    assert [one["email"] for one in first + rest] == [
        "ann@example.org",
        "bob@example.org",
        "eve@example.org",
    ]
    story("subscriber", "export", "out.csv", "--stream", "floods")
    assert (tmp_path / "out.csv").stat().st_mode & 0o077 == 0
    rows = list(csv.DictReader((tmp_path / "out.csv").read_text("utf-8").splitlines()))
    assert [(row["email"], row["language"], row["follows"]) for row in rows] == [
        ("ann@example.org", "de", "floods"),
        ("bob@example.org", "en", "floods"),
    ]
    assert json.loads(rows[0]["consent"])["said"] == "Form 7"
    assert story("subscriber", "export", "-").stdout.count("@example.org") == 3
    assert "nothing" in story("subscriber", "export", "-", "--stream", "nothing", code=1).stderr


def test_no_address_is_a_formula_in_a_spreadsheet_and_comes_back_as_it_was(story, tmp_path):
    evil = "=cmd|'/ccalc'!a1@example.org"
    story("subscriber", "add", evil, "--confirmed")
    story("subscriber", "export", "out.csv")
    assert (tmp_path / "out.csv").read_text("utf-8").splitlines()[1].startswith(f"'{evil},")
    again = json.loads(story("subscriber", "import", "out.csv", "--confirmed", "--json").stdout)
    assert (again["already"], again["added"]) == (1, 0)


def test_one_subscriber_is_shown_suppressed_let_go_and_forgotten(story):
    story("subscriber", "add", "ann@example.org", "--confirmed", "--stream", "floods")
    assert told(story, "show", "Ann@example.org")["follows"] == ["floods"]
    assert "Nothing sent yet" in story("subscriber", "show", "ann@example.org").output
    assert (
        told(story, "suppress", "ann@example.org", "--reason", "asked us")["state"] == "suppressed"
    )
    assert "asked us" in story("subscriber", "add", "ann@example.org", "--confirmed", code=1).stderr
    assert told(story, "unsuppress", "ann@example.org")["state"] == "confirmed"
    assert "Add --yes" in story("subscriber", "erase", "ann@example.org", code=1).stderr
    assert told(story, "erase", "ann@example.org", "--yes") == {"erased": True}
    for command in ("show", "unsuppress", "erase"):
        assert "no subscriber" in story("subscriber", command, "ann@example.org", code=1).stderr
