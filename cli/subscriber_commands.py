"""`storywire subscriber`."""

import click

from cli.command_context import json_option, open_context, show
from cli.import_command import import_list
from cli.list_output import ListOptions, list_options
from cli.recipient_commands import recipient_json, remove, show_recipients
from cli.subscriber_records import erase, export_list, show_one, suppress, unsuppress
from models import RecipientKind
from models.recipients.audience import add_subscriber


@click.group()
def subscriber() -> None:
    """E-mail addresses that are alerted."""


@subscriber.command("add")
@click.argument("email")
@click.option("--stream", metavar="SLUG", help="The story that it follows; all if left out.")
@click.option("--language", help="Language of the mails; default: the site's.")
@click.option(
    "--confirmed", is_flag=True, help="You know that the owner of the address wants this."
)
@json_option
def add_two(
    email: str, stream: str | None, language: str | None, confirmed: bool, as_json: bool
) -> None:
    """Subscribe EMAIL.

    Example: storywire subscriber add reader@example.org --stream tarrow-rises --confirmed
    """
    if not confirmed:
        raise click.UsageError(
            "Add --confirmed if the owner of the address has agreed; nobody is subscribed without."
        )
    context = open_context()
    found = add_subscriber(
        context.db,
        context.actor,
        email,
        stream=stream,
        language=language or context.settings.site_language,
    )
    show(recipient_json(found), f"{found.address} is {found.state.value}.", as_json=as_json)


@subscriber.command("list")
@click.option(
    "--after",
    type=click.IntRange(0),
    default=0,
    metavar="ID",
    help="Go on after the one with that id, as --json tells it.",
)
@list_options(1000)
def list_subscribers(after: int, options: ListOptions) -> None:
    """List subscribers, the first that came first."""
    show_recipients(
        RecipientKind.MAIL, options, "No subscribers yet: `storywire subscriber add`.", after
    )


@subscriber.command("remove")
@click.argument("email")
@json_option
def remove_subscriber(email: str, as_json: bool) -> None:
    """Mail EMAIL no more."""
    remove(RecipientKind.MAIL, email, as_json)


for command in (import_list, export_list, show_one, suppress, unsuppress, erase):
    subscriber.add_command(command)
