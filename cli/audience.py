"""`storywire channel` and `storywire subscriber`."""

import click

from cli.door import json_option, open_door, read_text, show, table
from cli.importing import import_list
from cli.lists import erase, export_list, show_one, suppress, unsuppress
from models import Recipient, RecipientKind
from models.audience import Target, add_channel, add_subscriber, list_recipients, remove_recipient, signing_secret
from notifier.channels import check_url


@click.group()
def channel() -> None:
    """Chat rooms, phones and programs that are alerted."""


@click.group()
def subscriber() -> None:
    """E-mail addresses that are alerted."""


def _recipient(found: Recipient) -> dict[str, object]:
    shown: dict[str, object] = {"state": found.state, "reason": found.reason, "confirmed_at": found.confirmed_at}
    if found.kind is RecipientKind.MAIL:
        return {"id": found.id, "email": found.address, **shown}
    failing = {"failing": found.failing, "failing_since": found.failing_since, "sick_since": found.sick_since}
    return {"name": found.address, "service": found.service, "url": found.masked_url, **failing, **shown}


def _list(kind: RecipientKind, limit: int, as_json: bool, empty: str, after: int = 0) -> None:
    with open_door().db.read() as tx:
        found = list_recipients(tx, kind, limit=limit, after=after)
    rows = [(one.address, "failing" if one.failing else one.state, one.service, one.masked_url, one.reason) for one in found]
    show([_recipient(one) for one in found], table(rows, empty=empty), as_json=as_json)


def _remove(kind: RecipientKind, address: str, as_json: bool) -> None:
    door = open_door()
    found = remove_recipient(door.db, door.actor, kind, address, "removed")
    show(_recipient(found), f"{found.address} is told nothing more.", as_json=as_json)


@channel.command("add")
@click.argument("name")
@click.option("--url", required=True, help="An Apprise URL or a web address, as in docs/channels.md; - reads it from standard input.")
@click.option("--stream", metavar="SLUG", help="The story that it follows; all if left out.")
@click.option("--tag", "tags", multiple=True, metavar="T", help="Only entries with one of these tags. Repeatable.")
@click.option("--language", help="Of labels such as Correction; the site's if left out.")
@json_option
def add_one(name: str, url: str, stream: str | None, tags: tuple[str, ...], language: str | None, as_json: bool) -> None:
    """Alert a channel and call it NAME.  Its URL is a secret: it is stored encrypted and never shown again.

    Example: echo "$HOOK" | storywire channel add newsroom --url -
    """
    door = open_door()
    url = read_text("-").strip() if url == "-" else url
    try:
        checked = check_url(url, door.settings.allow_private_hosts)
    except ValueError as exc:
        raise click.ClickException(str(exc)) from exc
    target = Target(url, checked.service, checked.masked)
    language = language or door.settings.site_language
    found = add_channel(door.db, door.actor, door.keys, name, target, stream=stream, tags=tags, language=language)
    secret = signing_secret(door.keys, found.uid)
    text = f"{found.address} is alerted by {found.service}: {found.masked_url}\nSigning secret, for JSON webhooks: {secret}"
    show({**_recipient(found), "signing_secret": secret}, text, as_json=as_json)


@channel.command("list")
@click.option("--limit", type=click.IntRange(1), default=1000, show_default=True, help="At most so many.")
@json_option
def list_channels(limit: int, as_json: bool) -> None:
    """List all channels, their URLs masked."""
    _list(RecipientKind.CHANNEL, limit, as_json, "No channels yet: `storywire channel add`.")


@channel.command("remove")
@click.argument("name")
@json_option
def remove_channel(name: str, as_json: bool) -> None:
    """Alert the channel NAME no more."""
    _remove(RecipientKind.CHANNEL, name, as_json)


@subscriber.command("add")
@click.argument("email")
@click.option("--stream", metavar="SLUG", help="The story that it follows; all if left out.")
@click.option("--language", help="Of what is said around the stories; the site's if left out.")
@click.option("--confirmed", is_flag=True, help="You know that the owner of the address wants this.")
@json_option
def add_two(email: str, stream: str | None, language: str | None, confirmed: bool, as_json: bool) -> None:
    """Subscribe EMAIL.

    Example: storywire subscriber add reader@example.org --stream tarrow-rises --confirmed
    """
    if not confirmed:
        raise click.UsageError("Add --confirmed if the owner of the address has agreed; nobody is subscribed without.")
    door = open_door()
    found = add_subscriber(door.db, door.actor, email, stream=stream, language=language or door.settings.site_language)
    show(_recipient(found), f"{found.address} is {found.state.value}.", as_json=as_json)


@subscriber.command("list")
@click.option("--limit", type=click.IntRange(1), default=1000, show_default=True, help="At most so many.")
@click.option("--after", type=click.IntRange(0), default=0, metavar="ID", help="Go on after the one with that id, as --json tells it.")
@json_option
def list_subscribers(limit: int, after: int, as_json: bool) -> None:
    """List subscribers, the first that came first."""
    _list(RecipientKind.MAIL, limit, as_json, "No subscribers yet: `storywire subscriber add`.", after)


@subscriber.command("remove")
@click.argument("email")
@json_option
def remove_subscriber(email: str, as_json: bool) -> None:
    """Mail EMAIL no more."""
    _remove(RecipientKind.MAIL, email, as_json)


for command in (import_list, export_list, show_one, suppress, unsuppress, erase):
    subscriber.add_command(command)
