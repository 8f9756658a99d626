"""A new site, or a new key, is made only where one is meant."""

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner

from cli.main import main
from cli.process.first_start import refuse_accidental_site, refuse_lost_site
from cli.process.serve import start_report
from config.settings import load_settings
from tests.support.running_site import free_port

OTHER_KEY = "another secret that is long enough"


def run(*arguments: str, code: int = os.EX_CONFIG) -> str:
    """What a command says on both outputs, in one line where it is refused."""
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == code, (result.output, result.exception)
    if code and arguments != ("doctor",):  # which adds what to do
        assert result.output.count("\n") == 1
    return result.output


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STORYWIRE_PORT", str(free_port()))
    return tmp_path


@pytest.mark.parametrize(
    "command", [("serve",), ("init",), ("doctor",), ("entry", "list"), ("worker",), ("demo",)]
)
def test_a_settings_file_that_is_missing_is_refused(folder, monkeypatch, command):
    monkeypatch.setenv("STORYWIRE_CONFIG", str(folder / "typo.toml"))
    assert "typo.toml cannot be read: No such file or directory" in run(*command)
    assert not list(folder.iterdir())


def test_a_settings_file_that_is_a_folder_is_refused(folder, monkeypatch):
    monkeypatch.setenv("STORYWIRE_CONFIG", str(folder))
    assert "Is a directory" in run("init")


def test_an_empty_name_of_the_settings_file_means_the_usual_one(folder, monkeypatch):
    monkeypatch.setenv("STORYWIRE_CONFIG", "")
    (folder / "storywire.toml").write_text('site_name = "Harbour Post"')
    assert load_settings().site_name == "Harbour Post"


def test_serve_makes_no_site_in_a_folder_that_nobody_chose(folder):
    (folder / "something else").touch()
    refused = run("serve")
    assert f"There is no site in {folder / 'var'}" in refused
    assert "storywire init" in refused
    assert not (folder / "var").exists()


@pytest.mark.parametrize("chosen", ["empty folder", "settings file", "full path", "DATABASE_URL"])
def test_serve_makes_a_site_in_a_place_that_was_chosen(folder, monkeypatch, chosen):
    if chosen != "empty folder":
        (folder / "something else").touch()
    if chosen == "settings file":
        (folder / "storywire.toml").touch()
    if chosen == "full path":
        monkeypatch.setenv("STORYWIRE_DATA_DIR", str(folder / "data"))
    if chosen == "DATABASE_URL":
        monkeypatch.setenv("STORYWIRE_DATABASE_URL", f"sqlite:///{folder / 'site.sqlite3'}")
    refuse_lost_site(load_settings())
    refuse_accidental_site(load_settings())


def test_a_site_that_is_there_is_served_from_any_folder(folder):
    run("init", code=0)
    (folder / "something else").touch()
    refuse_accidental_site(load_settings())


@pytest.mark.parametrize(
    "trace",
    ["storywire.sqlite3-wal", "storywire.sqlite3.before-0005", "storywire.sqlite3.send-mark"],
)
@pytest.mark.parametrize("command", [("serve",), ("init",), ("demo",)])
def test_no_new_site_is_made_where_the_database_of_one_is_missing(
    folder, monkeypatch, trace, command
):
    monkeypatch.setenv("STORYWIRE_DATA_DIR", str(folder))
    (folder / trace).touch()
    refused = run(*command)
    assert "storywire.sqlite3 is missing" in refused
    assert trace in refused
    assert not (folder / "storywire.sqlite3").exists()


def test_other_files_that_begin_like_the_database_are_no_traces_of_one(folder, monkeypatch):
    monkeypatch.setenv("STORYWIRE_DATABASE_URL", f"sqlite:///{folder / 'storywire'}")
    (folder / "storywire.toml").touch()
    run("init", code=0)


def test_a_key_without_its_database_is_no_first_start_but_init_may_use_it(folder, monkeypatch):
    monkeypatch.setenv("STORYWIRE_DATA_DIR", str(folder))
    run("init", code=0)
    for file in folder.glob("storywire.sqlite3*"):
        file.unlink()
    secret = (folder / "secret.key").read_text()
    assert "no database" in run("serve")
    run("init", code=0)
    assert (folder / "secret.key").read_text() == secret


@pytest.mark.parametrize("command", [("serve",), ("init",), ("worker",), ("account", "list")])
def test_a_database_without_its_key_is_refused_and_gets_no_new_one(folder, command):
    run("init", code=0)
    (folder / "var" / "secret.key").unlink()
    refused = run(*command)
    assert "secret.key, is missing" in refused
    assert "storywire init --new-key" in refused
    assert not (folder / "var" / "secret.key").exists()


def _lose_key(folder: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    if how == "a secret.key of another site":
        (folder / "var" / "secret.key").write_text(OTHER_KEY)
    else:
        monkeypatch.setenv("STORYWIRE_SECRET_KEY", OTHER_KEY)


@pytest.mark.parametrize("how", ["a secret.key of another site", "another STORYWIRE_SECRET_KEY"])
@pytest.mark.parametrize("command", [("serve",), ("init",), ("worker",), ("account", "list")])
def test_another_key_is_refused(folder, monkeypatch, how, command):
    run("init", code=0)
    _lose_key(folder, monkeypatch, how)
    assert "set up with another key" in run(*command)
    assert "set up with another key" in CliRunner().invoke(main, ["doctor"]).output


@pytest.mark.parametrize(
    "how", ["a secret.key of another site", "another STORYWIRE_SECRET_KEY", "none"]
)
def test_a_lost_key_can_be_replaced_on_purpose(folder, monkeypatch, how):
    run("init", code=0)
    (folder / "var" / "secret.key").unlink()
    if how != "none":
        _lose_key(folder, monkeypatch, how)
    run("init", "--new-key", code=0)
    run("account", "list", code=0)


def _as_before_the_site_knew_its_key(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "var" / "storywire.sqlite3")) as connection:
        connection.execute("UPDATE site SET key_check = NULL")
        connection.commit()


def test_a_site_of_an_earlier_version_learns_its_key(folder):
    run("init", code=0)
    _as_before_the_site_knew_its_key(folder)
    run("init", code=0)
    (folder / "var" / "secret.key").write_text(OTHER_KEY)
    assert "set up with another key" in run("init")


def test_what_an_earlier_version_encrypted_tells_its_key(folder):
    run("init", code=0)
    run("channel", "add", "desk", "--url", "jsons://example.org/hook", code=0)
    _as_before_the_site_knew_its_key(folder)
    secret = (folder / "var" / "secret.key").read_text()
    (folder / "var" / "secret.key").write_text(OTHER_KEY)
    assert "set up with another key" in run("init")
    (folder / "var" / "secret.key").write_text(secret)
    run("init", code=0)


@pytest.mark.postgresql
def test_nodes_with_another_key_than_the_site_are_refused(folder, monkeypatch, postgres_site_url):
    monkeypatch.setenv("STORYWIRE_DATABASE_URL", postgres_site_url)
    monkeypatch.setenv("STORYWIRE_SECRET_KEY", "the secret that all nodes of the site share")
    assert "The database has no tables yet" in run("serve")
    run("init", code=0)
    run("account", "list", code=0)
    monkeypatch.setenv("STORYWIRE_SECRET_KEY", OTHER_KEY)
    for command in (("serve",), ("serve", "--web-only"), ("worker",), ("init",)):
        assert "set up with another key" in run(*command)
    with psycopg.connect(postgres_site_url) as connection:
        stored = connection.execute("SELECT key_check FROM site").fetchone()
    assert OTHER_KEY not in str(stored)


def test_a_backup_with_its_key_goes_on_in_another_place(folder, monkeypatch):
    run("init", code=0)
    shutil.move(folder / "var", folder / "moved")
    monkeypatch.setenv("STORYWIRE_DATA_DIR", str(folder / "moved"))
    run("account", "list", code=0)


def test_serve_says_what_runs_where_and_what_is_not_set(folder, monkeypatch):
    report = start_report(load_settings(), web_only=False)
    address = f"http://127.0.0.1:{os.environ['STORYWIRE_PORT']}"
    for part in (
        "Storywire 0.",
        address,
        str(folder / "var"),
        "sqlite:///",
        "STORYWIRE_MAIL_URL",
    ):
        assert part in report
    monkeypatch.setenv("STORYWIRE_DATABASE_URL", "postgresql://news:hunter2@db/news")
    monkeypatch.setenv("STORYWIRE_SECRET_KEY", OTHER_KEY)
    monkeypatch.setenv("STORYWIRE_MAIL_URL", "smtp://user:hunter2@mail")
    report = start_report(load_settings(), web_only=True)
    assert "storywire worker" in report
    assert "MAIL_URL" not in report
    for secret in ("hunter2", OTHER_KEY):
        assert secret not in report
