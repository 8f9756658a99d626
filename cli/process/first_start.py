"""Rules that prevent creating a new site by accident where an existing one is missing its data."""

import re
from pathlib import Path

from config.settings import TOML_FILE, BadSettings, Settings
from models.db.database import sqlite_path

# Suffixes of files beside a database; unrelated files may start with its name, too.
_TRACE = re.compile(r"-wal|-shm|-journal|\.send-mark|\.before-.*")


def refuse_lost_site(settings: Settings) -> None:
    """Raise BadSettings if a SQLite database is missing but files that belong to it are there."""
    path = _missing_database(settings)
    if path is None:
        return
    if not path.parent.is_dir():
        return
    traces = sorted(
        file
        for file in path.parent.iterdir()
        if _TRACE.fullmatch(file.name.removeprefix(path.name))
    )
    if traces:
        raise BadSettings(
            f"There was a site in {path.parent}: {traces[0].name} is there, but {path.name} is"
            f" missing. Restore {path.name} from a backup. To create a new site, move"
            f" {traces[0].name} away first."
        )


def refuse_accidental_site(settings: Settings) -> None:
    """Raise BadSettings if `storywire serve` should not create a new site here.

    A service manager may start it in any folder, e.g. `/`, so a relative DATA_DIR counts as chosen
    only if the current folder is empty or holds storywire.toml.
    """
    path = _missing_database(settings)
    if path is None:
        return
    if not settings.secret_key.get_secret_value() and (settings.data_dir / "secret.key").exists():
        raise BadSettings(
            f"There is a key in {settings.data_dir.absolute()}, but no database. Restore {path.name}"
            " from a backup, or run `storywire init` to create a new site with this key."
        )
    chosen = settings.data_dir.is_absolute() or bool(settings.database_url)
    if not chosen and not Path(TOML_FILE).exists() and any(Path().iterdir()):
        raise BadSettings(
            f"There is no site in {settings.data_dir.absolute()}. Set STORYWIRE_DATA_DIR to the"
            " full path of your site's folder, or run `storywire init` here to create a new site."
        )


def _missing_database(settings: Settings) -> Path | None:
    """The path of the site's SQLite file if it is missing or empty."""
    if not settings.embedded:
        return None
    path = sqlite_path(settings.resolved_database_url)
    if path is None or (path.exists() and path.stat().st_size):
        return None
    return path
