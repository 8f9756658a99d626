"""Settings, keys and database for a command, and helpers for its input and output."""

import json
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import Any, TextIO, TypeVar

import click

from config.keys import Keys, load_keys
from config.settings import BadSettings, Settings, load_settings
from models.accounts.accounts import command_line_account
from models.db.approval_rules import ApprovalRules
from models.db.database import Database, open_database
from models.db.schema_version import known_revisions, pending_migrations
from models.db.site import site_exists
from models.db.site_key import check_key
from models.tables.media import MAX_PICTURE_BYTES
from models.text.actor import Actor
from models.text.texts import MAX_BODY_CHARS

_MAX_TEXT_BYTES = 4 * MAX_BODY_CHARS  # a UTF-8 character has at most four bytes

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class CommandContext:
    """A site as one command uses it; keys and database are opened when first needed."""

    settings: Settings

    @cached_property
    def keys(self) -> Keys:
        return load_keys(self.settings)

    @cached_property
    def db(self) -> Database:
        """The site's migrated database.  Raises BadSettings if it is missing or out of date."""
        if self.settings.lacks_database:
            raise BadSettings(
                f"There is no site in {self.settings.data_dir.absolute()} yet. Run `storywire init`"
                " first, or set STORYWIRE_DATA_DIR."
            )
        db = open_database(
            self.settings.resolved_database_url, approval_rules=ApprovalRules.of(self.settings)
        )
        click.get_current_context().call_on_close(db.engine.dispose)
        if pending := pending_migrations(db):
            if pending == known_revisions():
                raise BadSettings("The database has no tables yet. Run `storywire init`.")
            raise BadSettings("The database needs an upgrade. Run `storywire init`.")
        if not site_exists(db):
            raise BadSettings("The database is incomplete. Run `storywire init`.")
        check_key(db, self.keys)
        return db

    @cached_property
    def actor(self) -> Actor:
        """The account that commands make their changes with."""
        return Actor.of(command_line_account(self.db))

    def page(self, path: str) -> str:
        """Make the absolute URL of a page."""
        return f"{self.settings.base_url}{path}"


def open_context() -> CommandContext:
    """Open the site that the environment and storywire.toml name."""
    return CommandContext(load_settings())


def json_option(command: F) -> F:
    """Give a command `--json`."""
    option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
    return option(command)


def yes_option(command: F) -> F:
    """Give a command `--yes`."""
    return click.option("--yes", is_flag=True, help="Don't ask for confirmation.")(command)


def confirm(question: str, *, yes: bool) -> None:
    """Ask before an irreversible change, unless ``yes``; without a terminal ``yes`` is required."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.ClickException(
            f"{question}\nThere is no terminal to ask on. Add --yes to confirm."
        )
    click.confirm(question, abort=True, err=True)


def count(number: int, noun: str) -> str:
    """Write a number with its noun: 1 e-mail, 2 e-mails."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def show(value: Any, text: str, *, as_json: bool) -> None:
    """Print ``value`` as JSON, or else ``text``."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2, default=plain) if as_json else text)


def plain(value: object) -> str:
    """Convert a value that the json module does not know; raises TypeError."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, Enum):
        return str(value.value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def table(rows: Sequence[tuple[object, ...]], *, empty: str) -> str:
    """Align rows in columns; without rows return ``empty``."""
    cells = [[" ".join(_cell(cell).split()) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for row in cells:
        padded = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        lines.append("  ".join(padded).rstrip())
    return "\n".join(lines) or empty


def paragraphs(*parts: str) -> str:
    """Join the parts that are not empty by blank lines."""
    return "\n\n".join(filter(None, parts))


def _cell(cell: object) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, datetime):
        return cell.strftime("%Y-%m-%d %H:%M UTC")
    return str(cell.value if isinstance(cell, Enum) else cell)


def create_private(path: Path) -> TextIO:
    """Replace a file by an empty one that only its owner can read, and open it for writing."""
    try:
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as exc:
        raise click.ClickException(f"{path} cannot be written: {exc.strerror}.") from exc
    return os.fdopen(descriptor, "w", encoding="utf-8", newline="")


def read_picture(path: str) -> bytes:
    """Read a file; of one that is too large, just enough for the size check to fail."""
    try:
        with Path(path).open("rb") as file:
            return file.read(MAX_PICTURE_BYTES + 1)
    except OSError as exc:
        raise click.ClickException(f"{path} cannot be read: {exc.strerror}.") from exc


def read_text(path: str) -> str:
    """Read UTF-8 text from a file, or from standard input for `-`."""
    try:
        with nullcontext(sys.stdin.buffer) if path == "-" else Path(path).open("rb") as file:
            raw = file.read(_MAX_TEXT_BYTES + 1)
        if len(raw) > _MAX_TEXT_BYTES:
            raise click.ClickException(f"{path} is longer than the maximum length of a text.")
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise click.ClickException(
            f"{path} is not UTF-8 text: byte {exc.start + 1} cannot be read."
        ) from exc
    except OSError as exc:
        raise click.ClickException(f"{path} cannot be read: {exc.strerror}.") from exc
