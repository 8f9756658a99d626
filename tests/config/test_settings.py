"""What an operator can set, and what is said when it cannot be used."""

import stat
import tomllib
import traceback
from pathlib import Path

import pytest

from config.keys import Keys, load_keys
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
        ("SITE_COLOR", "#ffe000", "#7a6c00 is as dark as it has to be"),
        ("SITE_LOGO", "nowhere.svg", "ends in .svg or .png"),
        ("COLOUR", "red", "STORYWIRE_COLOUR is not a setting"),
    ],
)
def test_a_bad_setting_is_named_in_one_sentence(monkeypatch, name, value, says):
    monkeypatch.setenv(f"STORYWIRE_{name}", value)
    with pytest.raises(BadSettings) as caught:
        load_settings()
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "secret@" not in str(caught.value)


@pytest.mark.parametrize(("line", "says"), [("colour = 1", "COLOUR: no such setting"), ("port = ", "cannot be read")])
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
    lines = [line.removeprefix("# ") for line in EXAMPLE.read_text().splitlines() if line.startswith("# ") and " = " in line]
    told = tomllib.loads("\n".join(lines))
    assert set(told) == set(Settings.model_fields)
    defaults = Settings.model_construct()
    for name, value in told.items():
        default = getattr(defaults, name)
        plain = default.get_secret_value() if hasattr(default, "get_secret_value") else default
        assert value == (",".join(plain) if isinstance(plain, frozenset) else plain if isinstance(plain, int) else str(plain)), name


def test_a_child_reads_the_same_settings(monkeypatch):
    settings = load_settings(port=9001, allow_private_hosts="b.lan:80, A.lan", secret_key="x" * 40, mail_url="smtp://u:p@mail")
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    assert load_settings() == settings


def test_secrets_are_not_shown(monkeypatch):
    urls = {"mail_url": "smtp://user:hunter2@mail", "broker_url": "amqp://user:hunter2@host"}
    settings = load_settings(secret_key="x" * 40, database_url="postgresql://user:hunter2@host/name", **urls)
    assert "x" * 40 not in repr(settings)
    assert "hunter2" not in repr(settings)


def test_the_secret_is_made_once_for_its_owner_alone(tmp_path):
    settings = load_settings(data_dir=tmp_path / "data")
    first, again = load_keys(settings), load_keys(settings)
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
        load_keys(load_settings(data_dir=tmp_path / "file" / "data"))
