"""What an operator can set: `STORYWIRE_<NAME>` in the environment, or `<name>` in `storywire.toml`;
the environment wins.
"""

import os
import re
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from config.colors import as_accent
from config.setting_values import (
    check_authority,
    check_broker_url,
    check_hosts,
    check_language,
    check_mail_address,
    check_mail_domains,
    check_mail_from,
    check_mail_url,
    check_one_line,
    explain,
    split_list,
)

TOML_FILE = "storywire.toml"
MOST_LOGO = 200_000  # bytes
SHORTEST = 32  # characters of the site's secret

# A host goes into links, mail headers and ids as it is, and there it must be ASCII.
_BASE_URL = re.compile(r"https?://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?/?")


class BadSettings(Exception):
    """Settings cannot be used; each of ``problems`` is a sentence that names one and what to do."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def zone(name: str) -> ZoneInfo:
    """The time zone of that name; ValueError says what a name looks like."""
    try:
        # localtime, posixrules: another place on each machine; right/…: off by the leap seconds
        if name[:1].islower():
            raise ValueError(name)
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as exc:
        raise ValueError(
            f"{name!r:.60} is not a time zone; write it like Europe/Kyiv or UTC"
        ) from exc


def is_local(url: str) -> bool:
    """Whether an address leads to the very machine that follows it."""
    return urlsplit(url).hostname in {"localhost", "127.0.0.1", "::1"}


def _names_a_database(url: str) -> bool:
    """Without a name PostgreSQL would take whichever database is called like the user, and SQLite
    one that is gone at the end.
    """
    try:
        parts = urlsplit(url)
        return parts.port != 0 and bool(parts.path.strip("/"))
    except ValueError:
        return False


class Settings(BaseSettings):
    """Every setting with its default.  A name that is not listed here is refused in the TOML file."""

    # What was given is left out of errors, because it may hold a password.
    model_config = SettingsConfigDict(
        env_prefix="STORYWIRE_",
        toml_file=TOML_FILE,
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
    )

    data_dir: Path = Field(
        Path("var"),
        description="Folder for the SQLite database, keys and lock files; made if missing.",
    )
    database_url: str = Field(
        "",
        repr=False,
        description="PostgreSQL as postgresql://user@host/name; empty: SQLite in DATA_DIR.",
    )
    database_connections: int = Field(
        6, ge=3, le=100, description="PostgreSQL connections that one process opens at most."
    )
    broker_url: Annotated[str, AfterValidator(check_broker_url)] = Field(
        "",
        repr=False,
        description=(
            "RabbitMQ as amqp://user:pass@host; empty: no broker, the database alone is polled."
        ),
    )
    base_url: str = Field(
        "",
        description=(
            "Where readers reach the site; every absolute link starts with it. Empty:"
            " http://HOST:PORT."
        ),
    )
    secret_key: SecretStr = Field(
        SecretStr(""),
        validate_default=True,
        description=(
            "At least 32 characters; signs sessions and links, encrypts channel URLs. Empty on"
            " SQLite: made in DATA_DIR."
        ),
    )
    mail_url: SecretStr = Field(
        SecretStr(""),
        description=(
            "smtp://[user:pass@]host[:port], smtps:// or smtp+starttls://; empty: mail waits."
        ),
    )
    mail_from: Annotated[str, AfterValidator(check_mail_from)] = Field(
        "Storywire <storywire@localhost>", description="Sender of every mail, as Name <address>."
    )
    unsubscribe_mailto: Annotated[str, AfterValidator(check_mail_address)] = Field(
        "", description="Address that List-Unsubscribe names beside the link, if somebody reads it."
    )
    blocked_mail_domains: Annotated[
        frozenset[str], NoDecode, BeforeValidator(split_list), AfterValidator(check_mail_domains)
    ] = Field(
        frozenset(),
        description=(
            "Domains, comma-separated: addresses there and below are not taken when people sign up."
        ),
    )
    mail_connections: int = Field(
        4, ge=1, le=64, description="SMTP connections that one worker keeps open at most."
    )
    id_authority: Annotated[str, AfterValidator(check_authority)] = Field(
        "",
        description=(
            "Domain for tag: ids of feeds, set once and never changed; empty: BASE_URL's if public."
        ),
    )
    allow_private_hosts: Annotated[
        frozenset[str], NoDecode, BeforeValidator(split_list), AfterValidator(check_hosts)
    ] = Field(
        frozenset(),
        description=(
            "Exact host[:port], comma-separated: outgoing requests may go there although the"
            " address is private."
        ),
    )
    site_name: Annotated[str, AfterValidator(check_one_line)] = Field(
        "Storywire", max_length=80, description="Name in the masthead, feeds and mails."
    )
    site_language: Annotated[str, AfterValidator(check_language)] = Field(
        "en", description="Language of the index, as in BCP 47."
    )
    site_timezone: str = Field(
        "UTC", description="Time zone of the index and of new streams, as in Europe/Kyiv."
    )
    site_color: str = Field(
        "",
        description=(
            "Accent of pages for what is live or breaking, as #b8241a; a story may have its own."
        ),
    )
    site_logo: str = Field(
        "",
        description=(
            "An SVG or PNG file of at most 200 kB that stands in the masthead in place of the name."
        ),
    )
    site_imprint: str = Field(
        "", max_length=200, description="Postal address or imprint, in the foot of pages and mails."
    )
    host: str = Field("127.0.0.1", description="Address that the web server listens on.")
    port: int = Field(8000, ge=1, le=65535, description="Port that the web server listens on.")
    web_threads: int = Field(2, ge=1, le=4, description="Blocking threads of the web server.")
    shelf_megabytes: int = Field(
        64, ge=1, le=65_536, description="Cache size in MB; the least recently used is evicted."
    )
    proxies: int = Field(
        0,
        ge=0,
        le=5,
        description="Number of reverse proxies in front of Storywire that set X-Forwarded-For.",
    )
    undo_seconds: int = Field(
        10,
        ge=0,
        le=600,
        description="Seconds that a post from the desk waits, so that it can be undone.",
    )
    confirm_above: int = Field(
        1000,
        ge=0,
        description="More recipients than this, or a breaking entry, ask again before the alert.",
    )
    breaking_needs_second_editor: bool = Field(
        False,
        description=(
            "New breaking entries, and alerts of changed ones, wait until a second editor approves"
            " them."
        ),
    )
    max_alerts_per_hour: int = Field(
        0,
        ge=0,
        description=(
            "Alerts that one story may have within an hour; a further one waits on the desk. 0: any"
            " number."
        ),
    )
    max_publication_delay_minutes: int = Field(
        60,
        ge=1,
        le=10_080,
        description=(
            "A scheduled entry that would go out later than this waits until an editor"
            " publishes it."
        ),
    )
    max_alert_age_hours: int = Field(
        24, ge=1, le=720, description="A message that could not be sent for so long is given up."
    )
    keep_deliveries_days: int = Field(
        180,
        ge=1,
        le=3650,
        description="Days after its end that an alert keeps who was told; then only its sums stay.",
    )
    metrics_token: SecretStr = Field(
        SecretStr(""),
        description=(
            "Who sends it as a Bearer token may read /metrics; empty: programs on this machine may,"
            " while BASE_URL is local."
        ),
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Least level that is logged."
    )
    log_format: Literal["text", "json"] = Field(
        "text", description="Lines of the log: for people, or a JSON object each."
    )

    @field_validator("base_url")
    @classmethod
    def _plain_base_url(cls, value: str) -> str:
        if not value:
            return value
        if not _BASE_URL.fullmatch(value):
            raise ValueError(
                "write it as https://news.example.org, without path or query, a name in other"
                " letters as xn--..."
            )
        try:
            port = urlsplit(value).port
        except ValueError:
            port = 0
        if port == 0:
            raise ValueError("port out of range, write one from 1 to 65535")
        return value.rstrip("/")

    @field_validator("database_url")
    @classmethod
    def _postgresql_or_sqlite(cls, value: str) -> str:
        if value.startswith("postgres://"):
            value = "postgresql://" + value.removeprefix("postgres://")
        if value.startswith("postgresql://"):
            value = "postgresql+psycopg://" + value.removeprefix("postgresql://")
        if value and not (
            value.startswith(("postgresql+psycopg://", "sqlite:///")) and _names_a_database(value)
        ):
            raise ValueError(
                "write it as postgresql://user@host/name, or leave it empty for SQLite in DATA_DIR"
            )
        return value

    @field_validator("secret_key")
    @classmethod
    def _long_enough(cls, value: SecretStr, info: ValidationInfo) -> SecretStr:
        length = len(value.get_secret_value())
        if length == 0 and str(info.data.get("database_url", "")).startswith("postgresql"):
            raise ValueError(
                "SECRET_KEY must be set where DATABASE_URL names PostgreSQL: every node needs the"
                " same one"
            )
        if 0 < length < SHORTEST:
            raise ValueError(f"use at least {SHORTEST} random characters")
        return value

    @field_validator("mail_url")
    @classmethod
    def _names_a_mail_server(cls, value: SecretStr) -> SecretStr:
        check_mail_url(value.get_secret_value())
        return value

    @field_validator("site_timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        zone(value)
        return value

    @field_validator("site_color")
    @classmethod
    def _readable(cls, value: str) -> str:
        return as_accent(value) if value else ""

    @field_validator("site_logo")
    @classmethod
    def _a_picture(cls, value: str) -> str:
        path = Path(value)
        if value and (
            path.suffix.lower() not in {".svg", ".png"}
            or not path.is_file()
            or path.stat().st_size > MOST_LOGO
        ):
            raise ValueError(
                f"name a file that ends in .svg or .png and has at most {MOST_LOGO // 1000} kB"
            )
        return value

    @model_validator(mode="after")
    def _own_address(self) -> Self:
        if not self.base_url:
            host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(  # noqa: S104
                self.host, f"[{self.host}]" if ":" in self.host else self.host
            )
            # derived once, before anybody has read it
            object.__setattr__(self, "base_url", f"http://{host}:{self.port}")
        return self

    @property
    def embedded(self) -> bool:
        """SQLite: one web process, one worker, one machine."""
        return not self.database_url.startswith("postgresql")

    @property
    def only_here(self) -> bool:
        """BASE_URL is an address of the machine itself, so nobody else has a way in by it."""
        return is_local(self.base_url)

    @property
    def resolved_database_url(self) -> str:
        """SQLAlchemy's URL of the database that these settings mean."""
        return self.database_url or f"sqlite:///{self._database_file.absolute()}"

    @property
    def _database_file(self) -> Path:
        return self.data_dir / "storywire.sqlite3"

    @property
    def lacks_database(self) -> bool:
        """The SQLite file in DATA_DIR is meant, and is not there yet."""
        return not self.database_url and not self._database_file.exists()

    def environment(self) -> dict[str, str]:
        """These settings as environment variables for a child process, which then reads exactly the
        same ones.
        """
        found = {}
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, SecretStr):
                value = value.get_secret_value()
            found[f"STORYWIRE_{name.upper()}"] = (
                ",".join(sorted(value)) if isinstance(value, frozenset) else str(value)
            )
        return found

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  pydantic hands it in by this name
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, settings_file())


def settings_file() -> str:
    """The TOML file that is read: STORYWIRE_CONFIG, else storywire.toml in the current folder."""
    return os.environ.get("STORYWIRE_CONFIG") or TOML_FILE


def _check_settings_file() -> None:
    """Raise BadSettings where the file that STORYWIRE_CONFIG names cannot be read.

    pydantic-settings passes over a missing one, and then another site would be made in a folder
    that nobody chose.
    """
    name = settings_file()
    if name == TOML_FILE and not Path(name).exists():
        return
    try:
        with Path(name).open("rb"):
            pass
    except OSError as exc:
        reason = f"{name} cannot be read: {exc.strerror}."
        raise BadSettings(f"STORYWIRE_CONFIG: {reason}" if name != TOML_FILE else reason) from exc


def load_settings(**given: Any) -> Settings:
    """Read the settings; ``given`` wins over the environment, the environment over the file.

    Raises BadSettings, which holds all that is wrong with them at once.
    """
    problems = [_unknown(name) for name in sorted(os.environ) if _is_unknown(name)]
    _check_settings_file()
    try:
        settings = Settings(**given)
    except ValidationError as exc:
        raise BadSettings(*problems, *map(_sentence, exc.errors(include_input=False))) from None
    except ValueError as exc:
        raise BadSettings(*problems, f"{settings_file()} cannot be read: {exc}.") from exc
    if problems:
        raise BadSettings(*problems)
    return settings


def _is_unknown(variable: str) -> bool:
    name = variable.removeprefix("STORYWIRE_")
    if name == variable or name.startswith(("TEST_", "REQUIRE_")):
        return False
    return name != "CONFIG" and name.lower() not in Settings.model_fields


def _unknown(variable: str) -> str:
    known = [f"STORYWIRE_{name.upper()}" for name in Settings.model_fields]
    nearest = get_close_matches(variable, known, n=1, cutoff=0.8)
    advice = f"did you mean {nearest[0]}?" if nearest else "`storywire doctor` lists all."
    return f"{variable} is not a setting; {advice}"


def _sentence(error: Any) -> str:
    """What is wrong with one setting, in our words: pydantic's are for programmers."""
    field = Settings.model_fields.get(str(error["loc"][0]))
    name, reason = str(error["loc"][0]).upper(), explain(error, field.metadata if field else ())
    if reason.startswith(name):
        return f"STORYWIRE_{reason}."
    return f"STORYWIRE_{name}: {reason}."
