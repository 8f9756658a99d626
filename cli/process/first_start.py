"""When a new site may be made: never by accident in the place of one whose data is elsewhere or
lost.
"""

import re
from pathlib import Path

from config.settings import TOML_FILE, BadSettings, Settings
from models.db.database import sqlite_path

# What stands beside a database, behind its name; other files may begin like it.
_TRACE = re.compile(r"-wal|-shm|-journal|\.send-mark|\.before-.*")


def refuse_lost_site(settings: Settings) -> None:
    """Raise BadSettings where a SQLite database is missing that was there: its traces still are."""
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
            f" missing. Bring {path.name} back from a backup. To begin a new site, move"
            f" {traces[0].name} away first."
        )


def refuse_accidental_site(settings: Settings) -> None:
    """Raise BadSettings where `storywire serve` should not make a new site.

    A service manager starts it in any folder, `/` for example, so a relative DATA_DIR names a place
    that nobody chose.  Only a folder that is empty, or holds storywire.toml, was chosen.
    """
    path = _missing_database(settings)
    if path is None:
        return
    if not settings.secret_key.get_secret_value() and (settings.data_dir / "secret.key").exists():
        raise BadSettings(
            f"There is a key in {settings.data_dir.absolute()}, but no database. Bring {path.name}"
            " back from a backup, or run `storywire init` to begin a new site with this key."
        )
    chosen = settings.data_dir.is_absolute() or bool(settings.database_url)
    if not chosen and not Path(TOML_FILE).exists() and any(Path().iterdir()):
        raise BadSettings(
            f"There is no site in {settings.data_dir.absolute()}. Set STORYWIRE_DATA_DIR to the"
            " full path of your site's folder, or run `storywire init` here to begin a new site."
        )


def _missing_database(settings: Settings) -> Path | None:
    """The SQLite file that the settings mean, if it is not there."""
    if not settings.embedded:
        return None
    path = sqlite_path(settings.resolved_database_url)
    if path is None or (path.exists() and path.stat().st_size):
        return None
    return path
