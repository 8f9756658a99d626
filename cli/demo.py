"""`storywire demo`: a site with a running story and a mail catcher, to look at without setting
anything up.
"""

import socket
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

import click

from cli.init_command import prepare
from cli.process.listener import listen
from cli.process.serve import start
from cli.process.supervisor import ChildSpec, python_module
from config.settings import Settings, load_settings
from models import Importance, Role
from models.accounts.accounts import add_account, command_line_account, make_login_link
from models.db.database import Database
from models.publishing.posting import Release, add_entry
from models.recipients.audience import add_subscriber
from models.streams.pictures import add_picture
from models.streams.streams import StreamText, add_stream
from models.text.actor import Actor
from models.text.texts import EntryText, PictureText

ADMIN, READER, SENDER = (
    "admin@example.org",
    "reader@example.org",
    "Tarrow Valley Courier <courier@example.org>",
)
CATCHER_HOST = "127.0.0.1"


@click.command()
def demo() -> None:
    """Start a site with a demo story, a reader and a local mail catcher; everything is kept under
    DATA_DIR.

    Started again it goes on with what is there. Mail goes the real way, but no further than the
    catcher.
    """
    with listen(CATCHER_HOST, 0) as mail:
        mail_url = f"smtp://{CATCHER_HOST}:{mail.getsockname()[1]}"
        settings = load_settings(
            mail_url=mail_url, site_name="Tarrow Valley Courier", mail_from=SENDER
        )
        with listen(settings.host, settings.port) as web:
            raise SystemExit(_run(settings, mail, web))


def _run(settings: Settings, mail: socket.socket, web: socket.socket) -> int:
    db, _ = prepare(settings)
    actor = Actor.of(command_line_account(db))
    load_story(db, actor)
    add_account(db, actor, ADMIN, "Demo editor", Role.ADMIN)
    add_subscriber(db, actor, READER)
    click.echo(_welcome(settings, make_login_link(db, actor, ADMIN)))
    db.engine.dispose()
    command = python_module("cli.process.mail_catcher", str(settings.data_dir / "caught"))
    catcher = ChildSpec("mail catcher", command, listener=mail, stop_last=True)
    return start(settings, web, [catcher])


def load_story(db: Database, actor: Actor) -> None:
    """The demo's stream with its entries, once; nobody is alerted of them."""
    folder = files("cli").joinpath("demo_story")
    story = tomllib.loads(folder.joinpath("story.toml").read_text("utf-8"))
    text = StreamText(story["title"], story["dek"], story["overview"], tuple(story["contributors"]))
    stream = add_stream(db, actor, story["slug"], text)
    began = datetime.now(UTC).replace(second=0, microsecond=0)
    for number, item in enumerate(story["entry"]):
        release = Release(alerts=False, at=began - timedelta(minutes=item["minutes"]))
        pictures = tuple(_picture(db, actor, folder, shown) for shown in item.get("picture", []))
        add_entry(
            db,
            actor,
            stream.slug,
            replace(_text(item), pictures=pictures),
            release,
            request_key=f"demo-{number}",
        )


def _text(item: Mapping[str, Any]) -> EntryText:
    importance = Importance(item.get("importance", "normal"))
    return EntryText(
        item["title"],
        item["dek"],
        item.get("body", ""),
        tuple(item["byline"]),
        tuple(item["tags"]),
        importance=importance,
    )


def _picture(
    db: Database, actor: Actor, folder: Traversable, shown: Mapping[str, str]
) -> PictureText:
    kept = add_picture(db, actor, folder.joinpath(shown["file"]).read_bytes())
    return PictureText(kept.sha256, shown["alt"], shown["credit"])


def _welcome(settings: Settings, token: str) -> str:
    base, story = settings.base_url, f"{settings.base_url}/streams/tarrow-rises"
    return f"""
Storywire runs at {base}  (Ctrl+C ends it)

  Story     {story}
  Feeds     {story}/atom.xml
            {story}/rss.xml
            {story}/feed.json
  Log in    {base}/login/{token}
            once, within 15 minutes; another: {sys.argv[0]} account login-link {ADMIN}
  Desk      {base}/desk/
  Mail      {base}/desk/caught/  every mail to {READER} and others ends there

Everything is kept in {settings.data_dir.absolute()}
"""
