"""`storywire stream`."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import click

from cli.command_context import (
    CommandContext,
    F,
    confirm,
    json_option,
    open_context,
    paragraphs,
    read_picture,
    read_text,
    show,
    table,
    yes_option,
)
from cli.people_commands import contributor_json
from models import FeedText, Stream, StreamState
from models.streams.pictures import add_picture
from models.streams.streams import (
    StreamText,
    add_stream,
    edit_stream,
    get_stream,
    list_streams,
    set_stream_state,
)


@click.group()
def stream() -> None:
    """Manage stories."""


def _stream_json(context: CommandContext, stream: Stream) -> dict[str, object]:
    return {
        "slug": stream.slug,
        "title": stream.title,
        "dek": stream.dek,
        "state": stream.state,
        "language": stream.language,
        "timezone": stream.timezone,
        "feed_text": stream.feed_text,
        "picture_alt": stream.picture_alt,
        "subject_prefix": stream.subject_prefix or "",
        "mail_intro": stream.mail_intro or "",
        "mail_footer": stream.mail_footer or "",
        "color": stream.color or "",
        "last_entry_at": stream.last_entry_at,
        "guid": stream.guid,
        "url": context.page(f"/streams/{stream.slug}"),
    }


def _text_options(command: F) -> F:
    """Give a command the options of a story's text; those not given are None or empty."""
    options = [
        click.option("--dek", help="One-sentence summary."),
        click.option(
            "--overview-file",
            metavar="F",
            help="Markdown file with the overview; - reads standard input.",
        ),
        click.option(
            "--contributor",
            "contributors",
            multiple=True,
            metavar="NAME",
            help="Contributor slug or exact name; created if new. Repeatable.",
        ),
        click.option("--language", help="BCP 47 tag. Default: en."),
        click.option("--timezone", help="E.g. Europe/Kyiv. Default: the site's."),
        click.option(
            "--feed-text",
            type=click.Choice([text.value for text in FeedText]),
            help="Full text or summary in feeds. Default: full.",
        ),
        click.option(
            "--picture",
            "file",
            metavar="F",
            help="JPEG, PNG, WebP, GIF or AVIF file for the top of the page; '' for none.",
        ),
        click.option("--picture-alt", metavar="TEXT", help="Alt text of the picture."),
        click.option(
            "--subject-prefix",
            metavar="TEXT",
            help="Prefix for e-mail subjects, e.g. [Floods]; '' for none.",
        ),
        click.option(
            "--mail-intro", metavar="TEXT", help="Plain text at the top of e-mails; '' for none."
        ),
        click.option(
            "--color",
            metavar="#RRGGBB",
            help="Accent colour for live and breaking; '' for the site's.",
        ),
        click.option(
            "--mail-footer", metavar="TEXT", help="Plain text at the end of e-mails; '' for none."
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def _edited(context: CommandContext, text: StreamText, options: Mapping[str, Any]) -> StreamText:
    """Apply the options of `_text_options` to ``text``."""
    changes = {name: value for name, value in options.items() if value not in (None, ())}
    if "overview_file" in changes:
        changes["overview"] = read_text(changes.pop("overview_file"))
    if "feed_text" in changes:
        changes["feed_text"] = FeedText(changes["feed_text"])
    if "file" in changes:
        path = changes.pop("file")
        changes["picture"] = ""
        if path:
            picture = add_picture(context.db, context.actor, read_picture(path))
            changes["picture"] = picture.sha256
    return replace(text, **changes)


@stream.command("add")
@click.argument("slug")
@click.option("--title", required=True, help="Title of the story.")
@_text_options
@json_option
def add(slug: str, as_json: bool, **options: Any) -> None:
    """Create a story at /streams/SLUG. If it already exists, nothing changes.

    Example: storywire stream add tarrow-rises --title "The Tarrow rises" --contributor "Jory Pell"
    """
    context = open_context()
    text = _edited(context, StreamText("", timezone=context.settings.site_timezone), options)
    stream = add_stream(context.db, context.actor, slug, text)
    value = _stream_json(context, stream)
    show(value, context.page(f"/streams/{stream.slug}"), as_json=as_json)


@stream.command("edit")
@click.argument("slug")
@click.option("--title", help="Title of the story.")
@click.option(
    "--slug",
    "move_to",
    metavar="SLUG",
    help="New slug; the old one redirects permanently.",
)
@_text_options
@json_option
def edit(slug: str, move_to: str | None, as_json: bool, **options: Any) -> None:
    """Edit the story SLUG. Only the given options change; contributors are replaced.

    Example: storywire stream edit tarrow-rises --feed-text summary
    """
    context = open_context()
    text = StreamText.of(_get(context, slug))
    stream = edit_stream(
        context.db,
        context.actor,
        slug,
        _edited(context, text, options),
        former=text.fingerprint,
        move_to=move_to,
    )
    show(_stream_json(context, stream), f"Saved {stream.slug}.", as_json=as_json)


@stream.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List all stories, those with recent entries first."""
    context = open_context()
    with context.db.read() as tx:
        streams = list_streams(tx)
    rows = [(stream.slug, stream.state, stream.last_entry_at, stream.title) for stream in streams]
    show(
        [_stream_json(context, stream) for stream in streams],
        table(rows, empty="No stories yet. Run `storywire stream add`."),
        as_json=as_json,
    )


@stream.command("show")
@click.argument("slug")
@json_option
def show_(slug: str, as_json: bool) -> None:
    """Show the story SLUG with its overview and contributors.

    Example: storywire stream show tarrow-rises
    """
    context = open_context()
    stream = _get(context, slug)
    people = stream.contributors
    value = {
        **_stream_json(context, stream),
        "overview": stream.overview,
        "contributors": [contributor_json(context, person) for person in people],
        "entries": stream.published,
    }
    details = {name: value[name] for name in _DETAILS}
    details["by"] = ", ".join(person.name for person in people)
    text = paragraphs(
        stream.title,
        stream.dek,
        table([row for row in details.items() if row[1]], empty=""),
        stream.overview,
    )
    show(value, text, as_json=as_json)


_DETAILS = ("url", "state", "language", "timezone", "feed_text", "last_entry_at", "entries", "guid")


@stream.command("state")
@click.argument("slug")
@click.argument("state", type=click.Choice([state.value for state in StreamState]))
@yes_option
@json_option
def state(slug: str, state: str, yes: bool, as_json: bool) -> None:
    """Hide, reopen (live), end or delete the story SLUG. Asks for confirmation before deleting."""
    context = open_context()
    if StreamState(state) is StreamState.DELETED:
        confirm(
            f"Delete the story {_get(context, slug).title!r:.100}? Its pages and feeds will say"
            " that it was removed.",
            yes=yes,
        )
    stream = set_stream_state(context.db, context.actor, slug, StreamState(state))
    text = f"{stream.slug} is {stream.state.value}."
    show(_stream_json(context, stream), text, as_json=as_json)


def _get(context: CommandContext, slug: str) -> Stream:
    with context.db.read() as tx:
        return get_stream(tx, slug)
