"""`storywire subscriber import`, as scripts call it."""

import csv
import json
import os
import resource
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from service import Site


def imported(site, *args, **options):
    return json.loads(site("subscriber", "import", *args, "--confirmed", "--json", **options).stdout)


def test_a_file_is_imported_and_what_was_not_taken_is_reported(site, tmp_path):
    text = '\ufeffName;Email;Language\r\nAnn;ann@example.org;de\r\n"two\r\nlines";bob@example.org\r\n\r\nno;x@y\r\nEve;ANN@example.org\r\n'
    (tmp_path / "readers.csv").write_text(text, "utf-8")
    nothing = {"already": 0, "suppressed": 0, "left": 0}
    told = {**nothing, "added": 2, "duplicate": 1, "invalid": 1, "dry_run": False, "report": "readers.csv.report.csv"}
    assert imported(site, "readers.csv", "--dry-run") == told | {"dry_run": True}
    assert site("subscriber", "list").output == "No subscribers yet: `storywire subscriber add`.\n"
    assert imported(site, "readers.csv") == told
    report = tmp_path / "readers.csv.report.csv"
    rows = list(csv.reader(report.read_text("utf-8").splitlines()))
    assert [row[:2] for row in rows] == [["line", "value"], ["6", "x@y"], ["7", "ANN@example.org"]]
    assert report.stat().st_mode & 0o077 == 0
    assert imported(site, "readers.csv") == told | {"added": 0, "already": 2}


def test_a_clean_list_from_standard_input_leaves_no_report(site):
    assert imported(site, "-", input="email\nann@example.org\n")["report"] is None
    assert not list(Path().glob("*.report.csv"))


@pytest.mark.parametrize(
    "text, said",
    [
        ("name,address\nAnn,ann@example.org\n", "`email`"),
        ("", "`email`"),
        ("email\nann@example.org\n".encode("utf-16"), "`email`"),
        ('email\nann@example.org\n"bob@example.org\n' + "x\n" * 70_000, "Line"),
        ('name,email\nAnn,ann@example.org\n"Bob,bob@example.org\nEve,eve@example.org\n', "never closed"),
    ],
)
def test_a_file_that_is_no_list_says_why(site, text, said):
    assert said in site("subscriber", "import", "-", "--confirmed", input=text, code=1).stderr


def test_what_is_not_utf8_says_so_line_by_line_and_proof_is_kept(site, tmp_path):
    lines = b"\xef\xbb\xbfemail,consent\nj\xf6rg@example.org,x\nann@example.org,Form\0 7\nb\0ob@example.org,\neve@example.org,\n"
    (tmp_path / "list.csv").write_bytes(lines)
    assert {name: number for name, number in imported(site, "list.csv", "--consent", "fair of May").items() if number} == {
        "added": 2,
        "invalid": 2,
        "report": "list.csv.report.csv",
    }
    report = (tmp_path / "list.csv.report.csv").read_text("utf-8")
    assert "UTF-8" in report and "control character U+0000" in report
    shown = [json.loads(site("subscriber", "show", f"{name}@example.org", "--json").stdout)["consent"] for name in ("ann", "eve")]
    assert [consent["said"] for consent in shown] == ["Form 7", "fair of May"]


def test_a_report_does_not_take_the_place_of_its_list(site, tmp_path):
    (tmp_path / "list.csv").write_text("email\nann@example.org\nno\n")
    site("subscriber", "import", "list.csv", "--confirmed", "--report", "./list.csv", code=2)
    assert (tmp_path / "list.csv").read_text() == "email\nann@example.org\nno\n"


@pytest.mark.slow
def test_a_million_equal_rows_are_one_address_and_take_no_memory(site, tmp_path):
    with (tmp_path / "list.csv").open("w") as file:
        file.write("email\n")
        file.writelines("ann@example.org\n" for _ in range(1_000_000))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # KB
    told = imported(site, "list.csv")
    assert (told["added"], told["duplicate"]) == (1, 999_999)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40_000


def test_nobody_is_subscribed_without_the_word_that_they_want_it(site):
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
