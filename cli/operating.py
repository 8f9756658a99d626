"""`storywire init`: setting a site up."""

import click

from cli.door import json_option, show
from config.keys import load_keys
from config.settings import Settings, load_settings
from models.database import Database, open_database
from models.migrate import Upgrade, migrate
from models.site import found_site


def prepare(settings: Settings) -> tuple[Database, Upgrade]:
    """A database with its tables up to date and the site founded; keys are made where there are none.

    Where the database was upgraded, standard error says where the copy from before is.
    """
    load_keys(settings)
    db = open_database(settings.resolved_database_url)
    upgrade = migrate(db)
    if upgrade.sentence:
        click.echo(upgrade.sentence, err=True)
    found_site(db, id_authority=settings.id_authority, base_url=settings.base_url)
    return db, upgrade


@click.command()
@json_option
def init(as_json: bool) -> None:
    """Set a site up, or bring its database up to date.

    Makes DATA_DIR with the site's secret and the SQLite database, or the tables of the PostgreSQL database that
    DATABASE_URL names. Safe to run again: nothing is lost. Before an upgrade SQLite is copied; the output names the copy.
    """
    settings = load_settings()
    db, upgrade = prepare(settings)
    db.engine.dispose()
    url = db.engine.url.render_as_string(hide_password=True)
    show(
        {"database": url, "migrated": upgrade.revisions, "copy": upgrade.copy and str(upgrade.copy)},
        f"Database ready: {url}. Next: storywire account add EMAIL --role admin",
        as_json=as_json,
    )
