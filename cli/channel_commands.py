"""`storywire channel`.  Adding a channel imports Apprise, so no other command imports this."""

import click

from cli.command_context import json_option, open_context, read_text, show
from cli.list_output import ListOptions, list_options
from cli.recipient_commands import recipient_json, remove, show_recipients
from models import RecipientKind
from models.recipients.audience import ChannelTarget, add_channel, signing_secret
from notifier.transport.channel_sender import check_url


@click.group()
def channel() -> None:
    """Chat rooms, phones and programs that are alerted."""


@channel.command("add")
@click.argument("name")
@click.option(
    "--url",
    required=True,
    help="An Apprise URL or a web address, as in docs/channels.md; - reads it from standard input.",
)
@click.option("--stream", metavar="SLUG", help="The story that it follows; all if left out.")
@click.option(
    "--tag",
    "tags",
    multiple=True,
    metavar="T",
    help="Only entries with one of these tags. Repeatable.",
)
@click.option("--language", help="Of labels such as Correction; the site's if left out.")
@json_option
def add_one(
    name: str,
    url: str,
    stream: str | None,
    tags: tuple[str, ...],
    language: str | None,
    as_json: bool,
) -> None:
    """Alert a channel and call it NAME. Its URL is a secret: it is stored encrypted and never shown
    again.

    Example: echo "$HOOK" | storywire channel add newsroom --url -
    """
    context = open_context()
    url = read_text("-").strip() if url == "-" else url
    try:
        checked = check_url(url, context.settings.allow_private_hosts)
    except ValueError as exc:
        raise click.ClickException(str(exc)) from exc
    target = ChannelTarget(url, checked.service, checked.masked)
    language = language or context.settings.site_language
    found = add_channel(
        context.db,
        context.actor,
        context.keys,
        name,
        target,
        stream=stream,
        tags=tags,
        language=language,
    )
    secret = signing_secret(context.keys, found.uid)
    text = (
        f"{found.address} is alerted by {found.service}: {found.masked_url}\nSigning secret, for"
        f" JSON webhooks: {secret}"
    )
    show({**recipient_json(found), "signing_secret": secret}, text, as_json=as_json)


@channel.command("list")
@list_options(1000)
def list_channels(options: ListOptions) -> None:
    """List all channels, their URLs masked."""
    show_recipients(RecipientKind.CHANNEL, options, "No channels yet: `storywire channel add`.")


@channel.command("remove")
@click.argument("name")
@json_option
def remove_channel(name: str, as_json: bool) -> None:
    """Alert the channel NAME no more."""
    remove(RecipientKind.CHANNEL, name, as_json)
