"""`storywire subscriber import`, as scripts call it."""

import csv
import json
import os
import resource
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.running_site import Site


def imported(site, *args, **options):
    """What an import says in JSON; ``code`` is 1 where it refused a row."""
    return json.loads(
        site("subscriber", "import", *args, "--confirmed", "--json", **options).stdout
    )


def test_a_file_is_imported_and_what_was_not_taken_is_reported(site, tmp_path):
    text = (
        "\ufeffName;Email;Language\r\nAnn;ann@example.org;de\r\n"
        '"two\r\nlines";bob@example.org\r\n\r\nno;x@y\r\nEve;ANN@example.org\r\n'
    )
    (tmp_path / "readers.csv").write_text(text, "utf-8")
    nothing = dict.fromkeys(
        ("already", "suppressed", "left", "kept_out", "unconfirmed", "confirmed_here"), 0
    )
    told = {
        **nothing,
        "added": 2,
        "duplicate": 1,
        "invalid": 1,
        "dry_run": False,
        "report": "readers.csv.report.csv",
    }
    assert imported(site, "readers.csv", "--dry-run", code=1) == told | {"dry_run": True}
    assert (
        site("subscriber", "list").output == "No subscribers yet. Run `storywire subscriber add`.\n"
    )
    assert imported(site, "readers.csv", code=1) == told
    report = tmp_path / "readers.csv.report.csv"
    rows = list(csv.reader(report.read_text("utf-8").splitlines()))
    assert [row[:2] for row in rows] == [["line", "value"], ["6", "x@y"], ["7", "ANN@example.org"]]
    assert report.stat().st_mode & 0o077 == 0
    assert imported(site, "readers.csv", code=1) == told | {"added": 0, "already": 2}


def test_a_clean_list_from_standard_input_leaves_no_report(site):
    assert imported(site, "-", input="email\nann@example.org\n")["report"] is None
    assert not list(Path().glob("*.report.csv"))


@pytest.mark.parametrize(
    "text, said",
    [
        ("name,address\nAnn,ann@example.org\n", "`email`"),
        ("", "`email`"),
        ("name\nann@example.org\n".encode("utf-16"), "`email`"),
        ('email\nann@example.org\n"bob@example.org\n' + "x\n" * 70_000, "Line"),
        (
            'name,email\nAnn,ann@example.org\n"Bob,bob@example.org\nEve,eve@example.org\n',
            "never closed",
        ),
    ],
)
def test_a_file_that_is_not_a_list_is_refused_with_a_reason(site, text, said):
    assert said in site("subscriber", "import", "-", "--confirmed", input=text, code=1).stderr


def test_lines_that_are_not_utf8_are_reported_and_consent_proof_is_stored(site, tmp_path):
    lines = (
        b"\xef\xbb\xbfemail,consent\nj\xf6rg@example.org,x\nann@example.org,Form\0"
        b" 7\nb\0ob@example.org,\neve@example.org,\n"
    )
    (tmp_path / "list.csv").write_bytes(lines)
    assert {
        name: number
        for name, number in imported(site, "list.csv", "--consent", "fair of May", code=1).items()
        if number
    } == {
        "added": 2,
        "invalid": 2,
        "report": "list.csv.report.csv",
    }
    report = (tmp_path / "list.csv.report.csv").read_text("utf-8")
    assert "UTF-8" in report and "control character U+0000" in report
    shown = [
        json.loads(site("subscriber", "show", f"{name}@example.org", "--json").stdout)["consent"]
        for name in ("ann", "eve")
    ]
    assert [consent["said"] for consent in shown] == ["Form 7", "fair of May"]


def test_a_report_does_not_take_the_place_of_its_list(site, tmp_path):
    (tmp_path / "list.csv").write_text("email\nann@example.org\nno\n")
    site("subscriber", "import", "list.csv", "--confirmed", "--report", "./list.csv", code=2)
    assert (tmp_path / "list.csv").read_text() == "email\nann@example.org\nno\n"


BOM = "\ufeff"


@pytest.mark.parametrize(
    ("content", "emails"),
    [
        pytest.param(
            (BOM + "email\tname\r\nb1@example.org\t\u00c4nne\r\n").encode("utf-16-le"),
            ["b1"],
            id="utf-16, little",
        ),
        pytest.param(
            (BOM + "email\tname\r\nb1@example.org\t\u00c4nne\r\n").encode("utf-16-be"),
            ["b1"],
            id="utf-16, big",
        ),
        pytest.param(
            "email;name\r\nb1@example.org;x\r\n".encode("utf-16-le"),
            ["b1"],
            id="utf-16, little, no mark",
        ),
        pytest.param(
            "email;name\r\nb1@example.org;x\r\n".encode("utf-16-be"),
            ["b1"],
            id="utf-16, big, no mark",
        ),
        pytest.param(
            (BOM + "email\r\nb1@example.org\r\n").encode(), ["b1"], id="utf-8 with a mark"
        ),
        pytest.param("sep=;\r\nemail;name\r\nc1@example.org;x\r\n", ["c1"], id="sep line"),
        pytest.param('"sep=|"\nemail|name\nc1@example.org|x\n', ["c1"], id="sep line in quotes"),
        pytest.param(
            ("sep=\t\r\nname\temail\r\nx\tc1@example.org\r\n").encode("utf-16"),
            ["c1"],
            id="sep line, utf-16",
        ),
        pytest.param(
            '"Email Address","First Name"\r\nd1@example.org,Ann\r\n', ["d1"], id="mailchimp"
        ),
        pytest.param(
            "email\r\nh1@example.org\u00a0\r\n\u200bh2@example.org\r\nh3@example.org\u200b\r\n\ufeffh4@example.org\r\n"
            "h5@example.org\u2060\r\n\u202ah7@example.org\u202c\r\n",
            ["h1", "h2", "h3", "h4", "h5", "h7"],
            id="invisible",
        ),
        pytest.param(
            'email\r\nAnn Li <i1@example.org>\r\n"""Li, Ann""'
            ' <i2@example.org>"\r\n<i3@example.org>\r\nmailto:i4@example.org\r\n',
            ["i1", "i2", "i3", "i4"],
            id="name and address",
        ),
        pytest.param(
            "email\r\n'k2@example.org\r\n'k1@example.org'\r\n", ["k1", "k2"], id="apostrophe"
        ),
    ],
)
def test_lists_are_read_as_spreadsheets_and_providers_write_them(site, content, emails):
    assert imported(site, "-", input=content)["added"] == len(emails)
    listed = json.loads(site("subscriber", "list", "--json").stdout)
    assert sorted(one["email"] for one in listed) == [f"{name}@example.org" for name in emails]


def test_languages_of_lists_are_tags(site):
    wanted = {
        "de_DE": "de",
        "de-AT": "de-AT",
        "DE": "de",
        "deu": "de",
        "pt_BR.UTF-8": "pt",
        "en_GB": "en-GB",
        "Deutsch!": "en",
    }
    rows = "".join(f"y{number}@example.org,{language}\n" for number, language in enumerate(wanted))
    assert imported(site, "-", input=f"email,language\n{rows}")["added"] == len(wanted)
    for number, language in enumerate(wanted.values()):
        assert (
            json.loads(site("subscriber", "show", f"y{number}@example.org", "--json").stdout)[
                "language"
            ]
            == language
        )


def test_a_list_with_bad_rows_takes_the_others_and_exits_with_1(site, tmp_path):
    told = imported(
        site, "-", input="email,status\nann@example.org,enabled\nbob@example.org,whatever\n", code=1
    )
    assert (told["added"], told["invalid"]) == (1, 1)
    assert "'whatever' is not a status we know" in Path("subscribers.csv.report.csv").read_text()


@pytest.mark.slow
def test_a_million_equal_rows_are_one_address_and_take_no_memory(site, tmp_path):
    with (tmp_path / "list.csv").open("w") as file:
        file.write("email\n")
        file.writelines("ann@example.org\n" for _ in range(1_000_000))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # KB
    told = imported(site, "list.csv")
    assert (told["added"], told["duplicate"]) == (1, 999_999)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40_000


def test_import_requires_the_confirmed_option(site):
    assert "--confirmed" in site("subscriber", "import", "-", input="email\n", code=2).stderr


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_million_rows_take_no_more_memory_than_ten_thousand(tmp_path: Path) -> None:
    def peak(rows: int) -> int:
        folder = tmp_path / str(rows)
        folder.mkdir()
        site, file = Site(folder), folder / "readers.csv"
        site.do("init")
        with file.open("w") as csv:
            csv.write("email\n")
            csv.writelines(f"reader{number}@example.org\n" for number in range(rows))
        command = [site.command, "subscriber", "import", str(file), "--confirmed"]
        _, status, usage = os.wait4(os.posix_spawn(site.command, command, site.environment), 0)
        assert status == 0
        with closing(sqlite3.connect(folder / "data" / "storywire.sqlite3")) as db:
            assert db.execute("SELECT count(*) FROM subscription").fetchone() == (rows,)
        return usage.ru_maxrss

    assert peak(1_000_000) <= 1.2 * peak(10_000)
