"""What every command needs: the site's settings, keys and database, and a way to show what came of
it.
"""

import json
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

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

_MOST_BYTES = 4 * MAX_BODY_CHARS  # of UTF-8

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class CommandContext:
    """A site as commands reach it; made for one command."""

    settings: Settings

    @cached_property
    def keys(self) -> Keys:
        """The site's keys."""
        return load_keys(self.settings)

    @cached_property
    def db(self) -> Database:
        """The site's database, migrated; BadSettings where it is not."""
        if self.settings.lacks_database:
            raise BadSettings(
                f"There is no site in {self.settings.data_dir.absolute()} yet. Run `storywire init`"
                " first, or set STORYWIRE_DATA_DIR."
            )
        db = open_database(
            self.settings.resolved_database_url, gates=ApprovalRules.of(self.settings)
        )
        click.get_current_context().call_on_close(db.engine.dispose)
        if pending := pending_migrations(db):
            if pending == known_revisions():
                raise BadSettings("The database has no tables yet. Run `storywire init`.")
            raise BadSettings("The database is of an older version. Run `storywire init`.")
        if not site_exists(db):
            raise BadSettings("The database was left half made. Run `storywire init`.")
        check_key(db, self.keys)
        return db

    @cached_property
    def actor(self) -> Actor:
        """Who makes the changes of commands."""
        return Actor.of(command_line_account(self.db))

    def page(self, path: str) -> str:
        """The absolute address of a page."""
        return f"{self.settings.base_url}{path}"


def open_context() -> CommandContext:
    """The site that environment and storywire.toml name."""
    return CommandContext(load_settings())


def json_option(command: F) -> F:
    """Give a command `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")(
        command
    )


def yes_option(command: F) -> F:
    """Give a command `--yes`."""
    return click.option("--yes", is_flag=True, help="Do not ask.")(command)


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something that cannot be undone; without a terminal, ``yes`` must have been given."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.ClickException(
            f"{question}\nThere is no terminal to ask on. Add --yes to go on."
        )
    click.confirm(question, abort=True, err=True)


def count(number: int, noun: str, plural: str = "") -> str:
    """A number with its noun: 1 mail, 2 mails."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def show(value: Any, text: str, *, as_json: bool) -> None:
    """Print ``value`` as JSON, or else ``text``."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2, default=plain) if as_json else text)


def plain(value: object) -> str:
    """A value as JSON has it; raises TypeError."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, Enum):
        return str(value.value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def table(rows: Sequence[tuple[object, ...]], *, empty: str) -> str:
    """Rows as aligned columns, or ``empty`` where there is none."""
    cells = [[" ".join(_cell(cell).split()) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    )
    return "\n".join(lines) or empty


def _cell(cell: object) -> str:
    if isinstance(cell, datetime):
        return cell.strftime("%Y-%m-%d %H:%M UTC")
    return str(cell.value if isinstance(cell, Enum) else cell if cell is not None else "-")


def read_picture(path: str) -> bytes:
    """The bytes of a file; of one that is too large as many as show that."""
    try:
        with Path(path).open("rb") as file:
            return file.read(MAX_PICTURE_BYTES + 1)
    except OSError as exc:
        raise click.ClickException(f"{path} cannot be read: {exc.strerror}.") from exc


def read_text(path: str) -> str:
    """The text of a file, or of standard input for `-`; a clear error where it is not UTF-8."""
    try:
        with nullcontext(sys.stdin.buffer) if path == "-" else Path(path).open("rb") as file:
            raw = file.read(_MOST_BYTES + 1)
        if len(raw) > _MOST_BYTES:
            raise click.ClickException(f"{path} is longer than any text that is taken.")
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise click.ClickException(
            f"{path} is not UTF-8 text: byte {exc.start + 1} cannot be read."
        ) from exc
    except OSError as exc:
        raise click.ClickException(f"{path} cannot be read: {exc.strerror}.") from exc
