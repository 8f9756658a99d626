"""`storywire init`: setting up a site and upgrading its database."""

import click

from cli.command_context import json_option, show
from cli.process.first_start import refuse_lost_site
from config.keys import load_keys, make_data_dir
from config.settings import Settings, load_settings
from models.db.database import Database, open_database
from models.db.migrate import Upgrade, migrate
from models.db.site import ensure_site, site_exists
from models.db.site_key import check_key, remember_key


def prepare(settings: Settings, *, new_key: bool = False) -> tuple[Database, Upgrade]:
    """Create or upgrade the site's database; a new site gets a key.

    After an upgrade, standard error names the copy of the old database.  Raises BadSettings if an
    existing site's data or key is missing.  ``new_key`` accepts another key, or creates one.
    """
    refuse_lost_site(settings)
    make_data_dir(settings)
    db = open_database(settings.resolved_database_url)
    try:
        return db, _set_up(settings, db, new_key=new_key)
    except BaseException:
        db.engine.dispose()
        raise


def _set_up(settings: Settings, db: Database, *, new_key: bool) -> Upgrade:
    upgrade = migrate(db)
    if upgrade.sentence:
        click.echo(upgrade.sentence, err=True)
    new_site = not site_exists(db)
    keys = load_keys(settings, make=new_site or new_key)
    if new_site:
        ensure_site(db, id_authority=settings.id_authority, base_url=settings.base_url)
    elif not new_key:
        check_key(db, keys)
    remember_key(db, keys)
    return upgrade


@click.command()
@click.option("--new-key", is_flag=True, help="Use a new key because the old one is lost.")
@json_option
def init(new_key: bool, as_json: bool) -> None:
    """Set up a site, or upgrade its database.

    Creates DATA_DIR with the site's secret and the SQLite database, or the tables in the
    PostgreSQL database that DATABASE_URL names. Safe to run again. A SQLite database is copied
    before an upgrade; the output names the copy.
    """
    settings = load_settings()
    db, upgrade = prepare(settings, new_key=new_key)
    db.engine.dispose()
    url = db.engine.url.render_as_string(hide_password=True)
    show(
        {
            "database": url,
            "migrated": upgrade.revisions,
            "copy": upgrade.copy and str(upgrade.copy),
        },
        f"Database ready: {url}. Next, run: storywire account add EMAIL --role admin",
        as_json=as_json,
    )
