"""`storywire init`: setting a site up."""

import click

from cli.door import json_option, show
from config.keys import load_keys
from config.settings import Settings, load_settings
from models.database import Database, open_database
from models.migrate import migrate, pending_migrations
from models.site import found_site


def prepare(settings: Settings) -> Database:
    """A database with its tables up to date and the site founded; keys are made where there are none."""
    load_keys(settings)
    db = open_database(settings.resolved_database_url)
    migrate(db)
    found_site(db, id_authority=settings.id_authority, base_url=settings.base_url)
    return db


@click.command()
@json_option
def init(as_json: bool) -> None:
    """Set a site up, or bring its database up to date.

    Makes DATA_DIR with the site's secret and the SQLite database, or the tables of the PostgreSQL database that
    DATABASE_URL names. Safe to run again: what is there stays, and SQLite is copied before it is migrated.
    """
    settings = load_settings()
    load_keys(settings)
    db = open_database(settings.resolved_database_url)
    applied = pending_migrations(db)
    db.engine.dispose()
    prepare(settings).engine.dispose()
    url = db.engine.url.render_as_string(hide_password=True)
    show(
        {"database": url, "migrated": applied}, f"The site stands in {url}. Next: storywire account add EMAIL --role admin", as_json=as_json
    )
