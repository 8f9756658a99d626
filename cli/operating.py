"""`storywire init` and `storywire doctor`: setting a site up, and looking whether it is well."""

import re
import smtplib
from typing import Any

import click
from pydantic import SecretStr
from sqlalchemy.exc import DBAPIError

from cli.doctor_feeds import feeds
from cli.door import json_option, show, table
from config.keys import load_keys
from config.settings import BadSettings, Settings, load_settings
from models.database import Database, open_database
from models.migrate import migrate, pending_migrations
from models.site import found_site
from notifier.samples import template_faults
from notifier.smtp import parse_mail_url


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


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def doctor(ctx: click.Context, as_json: bool) -> None:
    """Show every setting, and check the database, the mail server and your own templates.  Exits 1 where something is wrong."""
    if ctx.invoked_subcommand:
        return
    settings = load_settings()
    values = {name.upper(): _shown(getattr(settings, name)) for name in type(settings).model_fields}
    checks = {"database": _database(settings), "mail": _mail(settings), "templates": "; ".join(template_faults(settings))}
    rows: list[tuple[object, ...]] = [(f"STORYWIRE_{name}", value) for name, value in values.items()]
    text = f"{table(rows, empty='')}\n\n" + table([(name, said or "well") for name, said in checks.items()], empty="")
    show({"settings": values, "checks": {name: said or None for name, said in checks.items()}}, text, as_json=as_json)
    if any(checks.values()):
        raise click.exceptions.Exit(1)


doctor.add_command(feeds)


def _shown(value: Any) -> str:
    if isinstance(value, SecretStr):
        return "set" if value.get_secret_value() else ""
    text = ",".join(sorted(value)) if isinstance(value, frozenset) else str(value)
    return re.sub(r"(://[^:/@]*):[^@]*@", r"\1:***@", text)  # the passwords of database and broker


def _database(settings: Settings) -> str:
    """What is wrong with the database, or nothing."""
    if settings.lacks_database:
        return "none yet: run `storywire init`"
    db = open_database(settings.resolved_database_url)
    try:
        pending = pending_migrations(db)
    except (DBAPIError, BadSettings) as exc:
        return str(exc.orig if isinstance(exc, DBAPIError) else exc).partition("\n")[0]
    finally:
        db.engine.dispose()
    return f"{len(pending)} migrations wait: run `storywire init`" if pending else ""


def _mail(settings: Settings) -> str:
    url = settings.mail_url.get_secret_value()
    if not url:
        return "STORYWIRE_MAIL_URL is not set, so mail waits"
    try:
        server = parse_mail_url(url)
        kind = smtplib.SMTP_SSL if server.security == "tls" else smtplib.SMTP
        with kind(server.host, server.port, timeout=10) as link:
            link.ehlo_or_helo_if_needed()
    except (OSError, ValueError, smtplib.SMTPException) as exc:
        return f"the mail server does not answer: {exc}"
    return ""
