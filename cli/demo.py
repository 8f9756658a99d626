"""`storywire demo`: a site with a story and a test inbox, to try out without setup."""

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

ADMIN = "admin@example.org"
READER = "reader@example.org"
SITE_NAME = "Tarrow Valley Courier"
SENDER = f"{SITE_NAME} <courier@example.org>"
CATCHER_HOST = "127.0.0.1"


@click.command()
def demo() -> None:
    """Start a demo site with a sample story and a test inbox.

    Everything is kept in DATA_DIR, and the next start continues with it. E-mails are really sent,
    but only to the test inbox on this machine.
    """
    with listen(CATCHER_HOST, 0) as mail:
        mail_url = f"smtp://{CATCHER_HOST}:{mail.getsockname()[1]}"
        settings = load_settings(mail_url=mail_url, site_name=SITE_NAME, mail_from=SENDER)
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
    """Add the demo's story and entries, unless they exist. No one is alerted."""
    folder = files("cli").joinpath("demo_story")
    story = tomllib.loads(folder.joinpath("story.toml").read_text("utf-8"))
    contributors = tuple(story["contributors"])
    overview = StreamText(story["title"], story["dek"], story["overview"], contributors)
    stream = add_stream(db, actor, story["slug"], overview)
    started_at = datetime.now(UTC).replace(second=0, microsecond=0)
    for number, item in enumerate(story["entry"]):
        release = Release(alerts=False, at=started_at - timedelta(minutes=item["minutes"]))
        pictures = [_picture(db, actor, folder, picture) for picture in item.get("picture", [])]
        text = replace(_text(item), pictures=tuple(pictures))
        add_entry(db, actor, stream.slug, text, release, request_key=f"demo-{number}")


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
    db: Database, actor: Actor, folder: Traversable, item: Mapping[str, str]
) -> PictureText:
    picture = add_picture(db, actor, folder.joinpath(item["file"]).read_bytes())
    return PictureText(picture.sha256, item["alt"], item["credit"])


def _welcome(settings: Settings, token: str) -> str:
    base = settings.base_url
    story = f"{base}/streams/tarrow-rises"
    return f"""
Storywire runs at {base}  (press Ctrl+C to stop)

  Story     {story}
  Feeds     {story}/atom.xml
            {story}/rss.xml
            {story}/feed.json
  Log in    {base}/login/{token}
            works once, for 15 minutes. New link: {sys.argv[0]} account login-link {ADMIN}
  Desk      {base}/desk/
  E-mail    {base}/desk/caught/  all e-mail this demo sends is collected here

Data is kept in {settings.data_dir.absolute()}
"""
