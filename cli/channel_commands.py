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
    """Manage chat rooms, phones and webhooks that get alerts."""


@channel.command("add")
@click.argument("name")
@click.option(
    "--url",
    required=True,
    help="Apprise URL or web address (docs/channels.md); - reads it from standard input.",
)
@click.option("--stream", metavar="SLUG", help="Story to follow. Default: all.")
@click.option(
    "--tag",
    "tags",
    multiple=True,
    metavar="T",
    help="Only entries with one of these tags. Repeatable.",
)
@click.option("--language", help="Language of labels and links. Default: the site's.")
@json_option
def add_one(
    name: str,
    url: str,
    stream: str | None,
    tags: tuple[str, ...],
    language: str | None,
    as_json: bool,
) -> None:
    """Add a channel called NAME.

    Its URL is a secret: it is stored encrypted and never shown again.

    Example: echo "$HOOK" | storywire channel add newsroom --url -
    """
    context = open_context()
    url = read_text("-").strip() if url == "-" else url
    try:
        checked = check_url(url, context.settings.allow_private_hosts)
    except ValueError as exc:
        raise click.ClickException(str(exc)) from exc
    channel = add_channel(
        context.db,
        context.actor,
        context.keys,
        name,
        ChannelTarget(url, checked.service, checked.masked),
        stream=stream,
        tags=tags,
        language=language or context.settings.site_language,
    )
    secret = signing_secret(context.keys, channel.uid)
    text = (
        f"Added {channel.address} ({channel.service}): {channel.masked_url}\nSigning secret for"
        f" JSON webhooks: {secret}"
    )
    show({**recipient_json(channel), "signing_secret": secret}, text, as_json=as_json)


@channel.command("list")
@list_options(1000)
def list_channels(options: ListOptions) -> None:
    """List all channels, with masked URLs."""
    empty = "No channels yet. Run `storywire channel add`."
    show_recipients(RecipientKind.CHANNEL, options, empty)


@channel.command("remove")
@click.argument("name")
@json_option
def remove_channel(name: str, as_json: bool) -> None:
    """Remove the channel NAME, so that it gets no more alerts."""
    remove(RecipientKind.CHANNEL, name, as_json)
