"""Operator's settings: `STORYWIRE_<NAME>` in the environment, or `<name>` in `storywire.toml`; the
environment wins.
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
MAX_LOGO_BYTES = 200_000
MIN_SECRET_CHARACTERS = 32

# The host is copied into links, mail headers and ids, all of which must be ASCII.
_BASE_URL = re.compile(r"https?://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?/?")


class BadSettings(Exception):
    """Settings that cannot be used; each of ``problems`` names one and says what to do."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def zone(name: str) -> ZoneInfo:
    """Look up a time zone by its IANA name; ValueError shows the expected form."""
    try:
        # localtime and posixrules differ between machines; right/… is off by the leap seconds.
        if name[:1].islower():
            raise ValueError(name)
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as exc:
        raise ValueError(
            f"{name!r:.60} is not a time zone; write it like Europe/Kyiv or UTC"
        ) from exc


def is_local(url: str) -> bool:
    """Whether the URL's host is a loopback address, which no other machine can reach."""
    return urlsplit(url).hostname in {"localhost", "127.0.0.1", "::1"}


def _names_a_database(url: str) -> bool:
    """Without a name PostgreSQL uses a database named after the user, and SQLite one in memory."""
    try:
        parts = urlsplit(url)
        return parts.port != 0 and bool(parts.path.strip("/"))
    except ValueError:
        return False


class Settings(BaseSettings):
    """Every setting with its default.  Names that are not listed here are rejected."""

    # Errors leave the input out because it may hold a password.
    model_config = SettingsConfigDict(
        env_prefix="STORYWIRE_",
        toml_file=TOML_FILE,
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
    )

    data_dir: Path = Field(
        Path("var"),
        description="Folder for the SQLite database, keys and lock files; created if missing.",
    )
    database_url: str = Field(
        "",
        repr=False,
        description="PostgreSQL as postgresql://user@host/name. Empty: SQLite in DATA_DIR.",
    )
    database_connections: int = Field(
        6, ge=3, le=100, description="Maximum number of PostgreSQL connections per process."
    )
    broker_url: Annotated[str, AfterValidator(check_broker_url)] = Field(
        "",
        repr=False,
        description=(
            "RabbitMQ as amqp://user:pass@host. Empty: no broker; workers poll the database."
        ),
    )
    base_url: str = Field(
        "",
        description=(
            "Public address of the site; every absolute link starts with it. Empty:"
            " http://HOST:PORT."
        ),
    )
    secret_key: SecretStr = Field(
        SecretStr(""),
        validate_default=True,
        description=(
            "At least 32 characters. Signs sessions and links and encrypts channel URLs. Empty with"
            " SQLite: generated in DATA_DIR."
        ),
    )
    mail_url: SecretStr = Field(
        SecretStr(""),
        description=(
            "Mail server as smtp://[user:pass@]host[:port], smtps:// or smtp+starttls://. Empty:"
            " e-mails stay queued."
        ),
    )
    mail_from: Annotated[str, AfterValidator(check_mail_from)] = Field(
        "Storywire <storywire@localhost>", description="Sender of all e-mails: Name <address>."
    )
    unsubscribe_mailto: Annotated[str, AfterValidator(check_mail_address)] = Field(
        "",
        description=(
            "Mailbox for unsubscribe requests, added to List-Unsubscribe. Only if someone reads it."
        ),
    )
    blocked_mail_domains: Annotated[
        frozenset[str], NoDecode, BeforeValidator(split_list), AfterValidator(check_mail_domains)
    ] = Field(
        frozenset(),
        description=(
            "Comma-separated domains whose addresses, and those of subdomains, cannot sign up."
        ),
    )
    mail_connections: int = Field(
        4, ge=1, le=64, description="Maximum number of SMTP connections per worker."
    )
    id_authority: Annotated[str, AfterValidator(check_authority)] = Field(
        "",
        description=(
            "Domain in the feeds' tag: ids, fixed at the first start. Empty: BASE_URL's host if"
            " public."
        ),
    )
    allow_private_hosts: Annotated[
        frozenset[str], NoDecode, BeforeValidator(split_list), AfterValidator(check_hosts)
    ] = Field(
        frozenset(),
        description=(
            "Comma-separated host[:port] on a private network that outgoing requests may reach."
        ),
    )
    site_name: Annotated[str, AfterValidator(check_one_line)] = Field(
        "Storywire", max_length=80, description="Name in the page header, feeds and e-mails."
    )
    site_language: Annotated[str, AfterValidator(check_language)] = Field(
        "en", description="Language of the home page as a BCP 47 tag, e.g. en or de."
    )
    site_timezone: str = Field(
        "UTC", description="Time zone of the home page and of new stories, e.g. Europe/Kyiv."
    )
    site_color: str = Field(
        "",
        description=(
            "Accent colour for live and breaking, e.g. #b8241a. A story may have its own."
        ),
    )
    site_logo: str = Field(
        "",
        description=(
            "SVG or PNG file, at most 200 kB, shown in the page header instead of the name."
        ),
    )
    site_imprint: str = Field(
        "",
        max_length=200,
        description="Postal address or imprint in the footer of pages and e-mails.",
    )
    host: str = Field("127.0.0.1", description="Address the web server listens on.")
    port: int = Field(8000, ge=1, le=65535, description="Port the web server listens on.")
    web_threads: int = Field(2, ge=1, le=4, description="Number of web server threads.")
    shelf_megabytes: int = Field(
        64,
        ge=1,
        le=65_536,
        description="Response cache in MB; least recently used entries are dropped first.",
    )
    proxies: int = Field(
        0,
        ge=0,
        le=5,
        description=(
            "Number of reverse proxies in front that set X-Forwarded-For, so rate limits see the"
            " client's address."
        ),
    )
    undo_seconds: int = Field(
        10,
        ge=0,
        le=600,
        description="Seconds during which an entry posted from the desk can be undone.",
    )
    confirm_above: int = Field(
        1000,
        ge=0,
        description=(
            "Ask for confirmation before alerting more recipients than this, and before breaking"
            " entries."
        ),
    )
    breaking_needs_second_editor: bool = Field(
        False,
        description=(
            "New breaking entries, and alerts about changes to them, need a second editor's"
            " approval."
        ),
    )
    max_alerts_per_hour: int = Field(
        0,
        ge=0,
        description=(
            "Maximum number of alerts per story and hour; further ones need approval. 0: no limit."
        ),
    )
    max_publication_delay_minutes: int = Field(
        60,
        ge=1,
        le=10_080,
        description=(
            "A scheduled entry that is later than this is not published until an editor does it."
        ),
    )
    max_alert_age_hours: int = Field(
        24, ge=1, le=720, description="Hours after which an undelivered message is given up."
    )
    keep_deliveries_days: int = Field(
        180,
        ge=1,
        le=3650,
        description="Days to keep per-recipient delivery records; after that only totals are kept.",
    )
    metrics_token: SecretStr = Field(
        SecretStr(""),
        description=(
            "Bearer token for /metrics. Empty: only programs on this machine can read it, and only"
            " while BASE_URL is local."
        ),
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Minimum log level."
    )
    log_format: Literal["text", "json"] = Field(
        "text", description="Log as plain text, or as one JSON object per line."
    )

    @field_validator("base_url")
    @classmethod
    def _plain_base_url(cls, value: str) -> str:
        if not value:
            return value
        if not _BASE_URL.fullmatch(value):
            raise ValueError(
                "write it as https://news.example.org, without path or query; write an"
                " internationalized name as xn--..."
            )
        try:
            port = urlsplit(value).port
        except ValueError:
            port = 0
        if port == 0:
            raise ValueError("port out of range, choose one from 1 to 65535")
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
                "SECRET_KEY must be set with PostgreSQL, to the same value on every node"
            )
        if 0 < length < MIN_SECRET_CHARACTERS:
            raise ValueError(f"use at least {MIN_SECRET_CHARACTERS} random characters")
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
    def _picture_file(cls, value: str) -> str:
        path = Path(value)
        if value and (
            path.suffix.lower() not in {".svg", ".png"}
            or not path.is_file()
            or path.stat().st_size > MAX_LOGO_BYTES
        ):
            raise ValueError(f"choose an .svg or .png file of at most {MAX_LOGO_BYTES // 1000} kB")
        return value

    @model_validator(mode="after")
    def _default_base_url(self) -> Self:
        if not self.base_url:
            host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104
            if ":" in host:
                host = f"[{host}]"
            # The model is frozen; nothing has read the value yet.
            object.__setattr__(self, "base_url", f"http://{host}:{self.port}")
        return self

    @property
    def embedded(self) -> bool:
        """Whether the site runs on SQLite: one web process, one worker, one machine."""
        return not self.database_url.startswith("postgresql")

    @property
    def only_here(self) -> bool:
        """Whether BASE_URL is a loopback address, so that no other machine can follow its links."""
        return is_local(self.base_url)

    @property
    def resolved_database_url(self) -> str:
        """SQLAlchemy's URL of the database."""
        return self.database_url or f"sqlite:///{self._database_file.absolute()}"

    @property
    def _database_file(self) -> Path:
        return self.data_dir / "storywire.sqlite3"

    @property
    def lacks_database(self) -> bool:
        """Whether the site uses the SQLite file in DATA_DIR and it does not exist yet."""
        return not self.database_url and not self._database_file.exists()

    def environment(self) -> dict[str, str]:
        """Environment variables that give a child process exactly these settings."""
        variables = {}
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, SecretStr):
                value = value.get_secret_value()
            elif isinstance(value, frozenset):
                value = ",".join(sorted(value))
            variables[f"STORYWIRE_{name.upper()}"] = str(value)
        return variables

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  pydantic passes it by name
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, settings_file())


def settings_file() -> str:
    """Path of the TOML file: STORYWIRE_CONFIG, else storywire.toml in the current folder."""
    return os.environ.get("STORYWIRE_CONFIG") or TOML_FILE


def _check_settings_file() -> None:
    """Raise BadSettings if the settings file cannot be read.

    pydantic-settings ignores a missing file; a typo in STORYWIRE_CONFIG would then create a second
    site in the default folder.
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


def load_settings(**overrides: Any) -> Settings:
    """Read the settings; ``overrides`` win over the environment, the environment over the file.

    Raises BadSettings with all problems at once.
    """
    problems = [_unknown(name) for name in sorted(os.environ) if _is_unknown(name)]
    _check_settings_file()
    try:
        settings = Settings(**overrides)
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
    advice = f"did you mean {nearest[0]}?" if nearest else "`storywire doctor` lists them all."
    return f"{variable} is not a setting; {advice}"


def _sentence(error: Any) -> str:
    """One setting's problem as a sentence; pydantic's own messages are for programmers."""
    field_name = str(error["loc"][0])
    field = Settings.model_fields.get(field_name)
    reason = explain(error, field.metadata if field else ())
    name = field_name.upper()
    if reason.startswith(name):
        return f"STORYWIRE_{reason}."
    return f"STORYWIRE_{name}: {reason}."
