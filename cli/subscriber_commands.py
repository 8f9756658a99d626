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
    """Manage e-mail subscribers."""


@subscriber.command("add")
@click.argument("email")
@click.option("--stream", metavar="SLUG", help="Story to follow. Default: all.")
@click.option("--language", help="Language of the e-mails. Default: the site's.")
@click.option(
    "--confirmed",
    is_flag=True,
    help="Confirm that the person has agreed to receive e-mail. Required.",
)
@json_option
def add(
    email: str, stream: str | None, language: str | None, confirmed: bool, as_json: bool
) -> None:
    """Subscribe EMAIL.

    Example: storywire subscriber add reader@example.org --stream tarrow-rises --confirmed
    """
    if not confirmed:
        raise click.UsageError(
            "Add --confirmed if the person has agreed to receive e-mail. It is required."
        )
    context = open_context()
    recipient = add_subscriber(
        context.db,
        context.actor,
        email,
        stream=stream,
        language=language or context.settings.site_language,
    )
    text = f"{recipient.address} is {recipient.state.value}."
    show(recipient_json(recipient), text, as_json=as_json)


@subscriber.command("list")
@click.option(
    "--after",
    type=click.IntRange(0),
    default=0,
    metavar="ID",
    help="Start after this id, as printed by --json.",
)
@list_options(1000)
def list_subscribers(after: int, options: ListOptions) -> None:
    """List subscribers, oldest first."""
    empty = "No subscribers yet. Run `storywire subscriber add`."
    show_recipients(RecipientKind.MAIL, options, empty, after)


@subscriber.command("remove")
@click.argument("email")
@json_option
def remove_subscriber(email: str, as_json: bool) -> None:
    """Unsubscribe EMAIL from everything."""
    remove(RecipientKind.MAIL, email, as_json)


for command in (import_list, export_list, show_one, suppress, unsuppress, erase):
    subscriber.add_command(command)
