"""What an operator can set, and what is said when it cannot be used."""

import re
import stat
import tomllib
import traceback
from pathlib import Path

import pytest

from config.keys import Keys, load_keys, make_data_dir
from config.settings import BadSettings, Settings, load_settings

EXAMPLE = Path(__file__).parents[2] / "config" / "storywire.example.toml"


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_the_environment_wins_over_the_file(tmp_path, monkeypatch):
    (tmp_path / "storywire.toml").write_text('site_name = "From the file"\nport = 9000\n')
    monkeypatch.setenv("STORYWIRE_SITE_NAME", "From the environment")
    settings = load_settings()
    assert (settings.site_name, settings.port) == ("From the environment", 9000)
    assert settings.base_url == "http://127.0.0.1:9000"


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("PORT", "eighty", "STORYWIRE_PORT: "),
        ("PORT", "70000", "STORYWIRE_PORT: "),
        ("BASE_URL", "news.example.org", "write it as https://news.example.org"),
        ("BASE_URL", "https://news.example.org/path", "without path"),
        ("BASE_URL", "https://news.example.org\n", "without path"),
        ("BASE_URL", "https://news example.org", "without path"),
        ("BASE_URL", "https://user:secret@news.example.org", "without path"),
        ("BASE_URL", "https://news.example.org:99999", "port out of range"),
        ("BASE_URL", "https://новости.example", "xn--"),
        ("BASE_URL", "https://[", "without path"),
        ("ID_AUTHORITY", "news example", "STORYWIRE_ID_AUTHORITY: "),
        ("DATABASE_URL", "mysql://x/y", "write it as postgresql://"),
        ("DATABASE_URL", "postgresql://", "write it as postgresql://"),
        ("DATABASE_URL", "postgresql://user:secret@host:port/name", "write it as postgresql://"),
        ("DATABASE_URL", "sqlite:///", "write it as postgresql://"),
        ("DATABASE_URL", "postgresql://x/y", "SECRET_KEY must be set"),
        ("SECRET_KEY", "short", "at least 32"),
        ("SITE_TIMEZONE", "Mars/Olympus", "is not a time zone"),
        ("LOG_LEVEL", "LOUD", "STORYWIRE_LOG_LEVEL: "),
        ("SITE_COLOR", "#ffe000", "try #7a6c00"),
        ("SITE_LOGO", "nowhere.svg", "choose an .svg or .png file"),
        ("COLOUR", "red", "STORYWIRE_COLOUR is not a setting"),
        ("SITE_COLOUR", "red", "did you mean STORYWIRE_SITE_COLOR?"),
        ("PORT", "", "STORYWIRE_PORT: write a whole number from 1 to 65535."),
        ("PORT", "0", "STORYWIRE_PORT: write a whole number from 1 to 65535."),
        ("PORT", "80.5", "write a whole number from 1 to 65535"),
        ("MAX_ALERTS_PER_HOUR", "-1", "write a whole number, 0 or more"),
        ("BREAKING_NEEDS_SECOND_EDITOR", "perhaps", "write true or false"),
        ("LOG_FORMAT", "xml", "write text or json"),
        ("SITE_NAME", "", "write a name on one line"),
        ("SITE_NAME", " \n ", "write a name on one line"),
        ("SITE_NAME", "News\r\nBcc: x@example.org", "write a name on one line"),
        ("SITE_NAME", "x" * 81, "write at most 80 characters"),
        ("MAIL_URL", "http://mail.example", "STORYWIRE_MAIL_URL must start with smtp://"),
        ("MAIL_URL", "smtp://ann:secret@mail.example/inbox", "must end after the host and port"),
        ("MAIL_FROM", "news", "STORYWIRE_MAIL_FROM must look like: Storywire <news@example.org>."),
        ("MAIL_FROM", "", "STORYWIRE_MAIL_FROM must look like"),
        ("MAIL_FROM", "News <news@exa mple.org>", "STORYWIRE_MAIL_FROM must look like"),
        ("MAIL_FROM", "a@example.org\r\nBcc: b@example.org", "STORYWIRE_MAIL_FROM must look like"),
        ("UNSUBSCRIBE_MAILTO", "Ann <ann@example.org>", "write only the address"),
        ("UNSUBSCRIBE_MAILTO", "ann", "write only the address"),
        *[
            ("BROKER_URL", url, "STORYWIRE_BROKER_URL: write it as amqp://user:password@host")
            for url in (
                "rabbit",
                "rabbit:5672",
                "http://host",
                "amqp://",
                "amqp:///vhost",
                "amqp://host:99999",
                "amqp://host:0",
                "amqp://user:secret@[",
                "amqp://user:secret@host?socket_timeout=soon",
                "amqp://user:secret@host?colour=red",
                "amqp://one;rabbit",
            )
        ],
        *[
            ("ALLOW_PRIVATE_HOSTS", hosts, "is not a host; list single hosts")
            for hosts in (
                "10.0.0.0/8",
                "chat.lan, 10.0.0.0/8",
                "*.lan",
                "10.0.0",
                "10.0.0.999",
                "https://chat.lan",
                "chat.lan:0",
                "chat.lan:99999",
                "chat.lan:",
                "ann@chat.lan",
                "[::1",
                "[chat]",
                "fe80::/10",
                "chat lan",
            )
        ],
        ("BLOCKED_MAIL_DOMAINS", "@spam.example", "is not a domain; write it like mailinator.com"),
        ("BLOCKED_MAIL_DOMAINS", "*.spam.example", "is not a domain"),
        ("BLOCKED_MAIL_DOMAINS", ".example", "is not a domain"),
        ("SITE_LANGUAGE", "xx", "'xx' is not a language; write a tag like en, de or pt-BR"),
        ("SITE_LANGUAGE", "deutsch", "is not a language"),
        ("SITE_LANGUAGE", "de_DE", "is not a language"),
        ("SITE_LANGUAGE", "", "is not a language"),
        ("ID_AUTHORITY", "https://news.example", "write a domain of yours"),
    ],
)
def test_a_bad_setting_is_named_in_one_sentence(monkeypatch, name, value, says):
    monkeypatch.setenv(f"STORYWIRE_{name}", value)
    with pytest.raises(BadSettings) as caught:
        load_settings()
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "secret@" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (
            "ALLOW_PRIVATE_HOSTS",
            "chat.lan, Chat_2.lan:8065, 10.0.0.7:80, [::1]:80, [fe80::1], ::1, localhost",
        ),
        ("BLOCKED_MAIL_DOMAINS", "mailinator.com, ru, bücher.example"),
        *[
            ("SITE_LANGUAGE", tag)
            for tag in ("en", "de-AT", "pt-BR", "zh-Hant-TW", "ckb", "gsw", "UK")
        ],
        *[
            ("BROKER_URL", url)
            for url in (
                "amqp://host",
                "amqps://user:p%2Fw@host:5671/news?heartbeat=30",
                "amqp://one;amqp://two",
            )
        ],
        ("MAIL_FROM", "news@example.org"),
        ("MAIL_FROM", "Ünser Büro <news@example.org>"),
        ("UNSUBSCRIBE_MAILTO", "leave+1@example.org"),
        ("ID_AUTHORITY", "ann@example.org"),
    ],
)
def test_a_good_setting_is_taken(monkeypatch, name, value):
    monkeypatch.setenv(f"STORYWIRE_{name}", value)
    assert getattr(load_settings(), name.lower())


def test_all_invalid_settings_are_reported_at_once(tmp_path, monkeypatch):
    (tmp_path / "storywire.toml").write_text("colour = 1\nweb_threads = 'many'\nmail_from = 3\n")
    for name, value in (
        ("PORT", "eighty"),
        ("DATABASE_URL", "postgresql://host/name"),
        ("SITE_LANGUAGE", "xx"),
        ("COLOUR", "red"),
    ):
        monkeypatch.setenv(f"STORYWIRE_{name}", value)
    with pytest.raises(BadSettings) as caught:
        load_settings()
    named = [problem.partition(":")[0].partition(" ")[0] for problem in caught.value.problems]
    assert named == [
        "STORYWIRE_COLOUR",
        "STORYWIRE_SECRET_KEY",
        "STORYWIRE_MAIL_FROM",
        "STORYWIRE_SITE_LANGUAGE",
        "STORYWIRE_PORT",
        "STORYWIRE_WEB_THREADS",
        "STORYWIRE_COLOUR",
    ]
    assert str(caught.value).splitlines() == list(caught.value.problems)


WRONG_VALUES = (object(), [], {}, 3.5, "", "\x00", "x" * 400, -1, 10**9)


@pytest.mark.parametrize("name", Settings.model_fields)
def test_no_error_of_a_setting_has_the_wording_of_a_library(name):
    for value in WRONG_VALUES:
        try:
            load_settings(**{name: value})
        except BadSettings as caught:
            for problem in caught.problems:
                assert re.match(r"STORYWIRE_[A-Z_]+( |: )[a-z0-9'].*[.?]$", problem), problem
                library = r"(?i)input|valid|pydantic|pattern|instance|Traceback"
                assert not re.search(library, problem), problem


@pytest.mark.parametrize(
    ("line", "says"), [("colour = 1", "COLOUR: no such setting"), ("port = ", "cannot be read")]
)
def test_a_bad_line_of_the_file_is_named(tmp_path, line, says):
    (tmp_path / "storywire.toml").write_text(line)
    with pytest.raises(BadSettings, match=says):
        load_settings()


def test_a_bad_secret_is_not_repeated(monkeypatch):
    monkeypatch.setenv("STORYWIRE_SECRET_KEY", "hunter2")
    with pytest.raises(BadSettings) as caught:
        load_settings()
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


def test_the_example_names_every_setting_with_its_default():
    lines = [
        line.removeprefix("# ")
        for line in EXAMPLE.read_text().splitlines()
        if line.startswith("# ") and " = " in line
    ]
    told = tomllib.loads("\n".join(lines))
    assert set(told) == set(Settings.model_fields)
    defaults = Settings.model_construct()
    for name, value in told.items():
        default = getattr(defaults, name)
        plain = default.get_secret_value() if hasattr(default, "get_secret_value") else default
        assert value == (
            ",".join(plain)
            if isinstance(plain, frozenset)
            else plain
            if isinstance(plain, int)
            else str(plain)
        ), name


def test_a_child_reads_the_same_settings(monkeypatch):
    settings = load_settings(
        port=9001,
        allow_private_hosts="b.lan:80, A.lan",
        secret_key="x" * 40,
        mail_url="smtp://u:p@mail",
    )
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    assert load_settings() == settings


def test_secrets_are_not_shown(monkeypatch):
    urls = {"mail_url": "smtp://user:hunter2@mail", "broker_url": "amqp://user:hunter2@host"}
    settings = load_settings(
        secret_key="x" * 40, database_url="postgresql://user:hunter2@host/name", **urls
    )
    assert "x" * 40 not in repr(settings)
    assert "hunter2" not in repr(settings)


def test_the_secret_is_made_once_for_its_owner_alone(tmp_path):
    settings = load_settings(data_dir=tmp_path / "data")
    first, again = load_keys(settings, make=True), load_keys(settings)
    assert first.derive("leave") == again.derive("leave")
    path = tmp_path / "data" / "secret.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["secret.key"]


@pytest.mark.parametrize("left", [b"", b"abc", b"\xff" * 64])
def test_a_damaged_secret_is_never_used(tmp_path, left):
    (tmp_path / "secret.key").write_bytes(left)
    with pytest.raises(BadSettings, match=r"secret\.key is damaged"):
        load_keys(load_settings(data_dir=tmp_path))


def test_each_purpose_has_a_key_of_its_own():
    keys = Keys("x" * 40)
    assert len({keys.derive(purpose) for purpose in ("session", "leave", "target", "webhook")}) == 4
    assert Keys("y" * 40).derive("leave") != keys.derive("leave")


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadSettings, match=r"STORYWIRE_DATA_DIR: .* cannot be written"):
        make_data_dir(load_settings(data_dir=tmp_path / "file" / "data"))
