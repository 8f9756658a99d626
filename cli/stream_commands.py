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
    """Running stories."""


def _stream(context: CommandContext, found: Stream) -> dict[str, object]:
    return {
        "slug": found.slug,
        "title": found.title,
        "dek": found.dek,
        "state": found.state,
        "language": found.language,
        "timezone": found.timezone,
        "feed_text": found.feed_text,
        "picture_alt": found.picture_alt,
        "subject_prefix": found.subject_prefix or "",
        "mail_intro": found.mail_intro or "",
        "mail_footer": found.mail_footer or "",
        "color": found.color or "",
        "last_entry_at": found.last_entry_at,
        "guid": found.guid,
        "url": context.page(f"/streams/{found.slug}"),
    }


def _text_options(command: F) -> F:
    """Give a command the options of a story's text, in the order of its help; what is not given is
    None or empty.
    """
    options = [
        click.option("--dek", help="One sentence under the title."),
        click.option(
            "--overview-file",
            metavar="F",
            help="Some paragraphs of Markdown; - reads standard input.",
        ),
        click.option(
            "--contributor",
            "contributors",
            multiple=True,
            metavar="NAME",
            help="Slug or exact name; made if new. Repeatable.",
        ),
        click.option("--language", help="As in BCP 47; en if never given."),
        click.option("--timezone", help="As in Europe/Kyiv; the site's if never given."),
        click.option(
            "--feed-text",
            type=click.Choice([text.value for text in FeedText]),
            help="What feeds carry of an entry; full at first.",
        ),
        click.option(
            "--picture",
            "file",
            metavar="F",
            help="A JPEG, PNG, WebP, GIF or AVIF file that stands on top; '' for none.",
        ),
        click.option("--picture-alt", metavar="TEXT", help="What that picture shows."),
        click.option(
            "--subject-prefix",
            metavar="TEXT",
            help="Before the subject of its mails, as in [Floods]; '' for none.",
        ),
        click.option(
            "--mail-intro", metavar="TEXT", help="Plain text on top of its mails; '' for none."
        ),
        click.option(
            "--color",
            metavar="#RRGGBB",
            help="Of what is live or breaking on its pages; '' for the site's.",
        ),
        click.option(
            "--mail-footer", metavar="TEXT", help="Plain text at the end of its mails; '' for none."
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def _edited(context: CommandContext, text: StreamText, given: Mapping[str, Any]) -> StreamText:
    """``text`` with what the options say."""
    values = {name: value for name, value in given.items() if value not in (None, ())}
    if "overview_file" in values:
        values["overview"] = read_text(values.pop("overview_file"))
    if "feed_text" in values:
        values["feed_text"] = FeedText(values["feed_text"])
    if "file" in values:
        path = values.pop("file")
        values["picture"] = (
            add_picture(context.db, context.actor, read_picture(path)).sha256 if path else ""
        )
    return replace(text, **values)


@stream.command("add")
@click.argument("slug")
@click.option("--title", required=True, help="The story's title.")
@_text_options
@json_option
def add(slug: str, as_json: bool, **given: Any) -> None:
    """Start a story under /streams/SLUG.  If there is one of that slug already, nothing changes.

    Example: storywire stream add tarrow-rises --title "The Tarrow rises" --contributor "Jory Pell"
    """
    context = open_context()
    text = _edited(context, StreamText("", timezone=context.settings.site_timezone), given)
    found = add_stream(context.db, context.actor, slug, text)
    show(_stream(context, found), context.page(f"/streams/{found.slug}"), as_json=as_json)


@stream.command("edit")
@click.argument("slug")
@click.option("--title", help="The story's title.")
@click.option(
    "--slug",
    "move_to",
    metavar="SLUG",
    help="Another address; the present one leads there for good.",
)
@_text_options
@json_option
def edit(slug: str, move_to: str | None, as_json: bool, **given: Any) -> None:
    """Change the story SLUG: only what is given; contributors replace those before.

    Example: storywire stream edit tarrow-rises --feed-text summary
    """
    context = open_context()
    with context.db.read() as tx:
        text = StreamText.of(get_stream(tx, slug))
    found = edit_stream(
        context.db,
        context.actor,
        slug,
        _edited(context, text, given),
        former=text.fingerprint,
        move_to=move_to,
    )
    show(_stream(context, found), f"{found.slug} is changed.", as_json=as_json)


@stream.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List all stories, the one with the latest entry first."""
    context = open_context()
    with context.db.read() as tx:
        found = list_streams(tx)
    rows = [(one.slug, one.state, one.last_entry_at, one.title) for one in found]
    show(
        [_stream(context, one) for one in found],
        table(rows, empty="No stories yet: `storywire stream add`."),
        as_json=as_json,
    )


@stream.command("show")
@click.argument("slug")
@json_option
def show_(slug: str, as_json: bool) -> None:
    """Show the story SLUG with its overview and its contributors.

    Example: storywire stream show tarrow-rises
    """
    context = open_context()
    with context.db.read() as tx:
        found = get_stream(tx, slug)
    people = found.contributors
    value = {
        **_stream(context, found),
        "overview": found.overview,
        "contributors": [contributor_json(context, person) for person in people],
        "entries": found.published,
    }
    names = (
        "url",
        "state",
        "language",
        "timezone",
        "feed_text",
        "last_entry_at",
        "entries",
        "guid",
    )
    rows = [(name, value[name]) for name in names if value[name]]
    rows += [("by", ", ".join(person.name for person in people))] if people else []
    parts = [found.title, found.dek, table(rows, empty=""), found.overview]
    show(value, "\n\n".join(part for part in parts if part), as_json=as_json)


@stream.command("state")
@click.argument("slug")
@click.argument("state", type=click.Choice([state.value for state in StreamState]))
@yes_option
@json_option
def state(slug: str, state: str, yes: bool, as_json: bool) -> None:
    """Hide, open (live), end or delete the story SLUG.  Asks before it deletes."""
    context = open_context()
    if StreamState(state) is StreamState.DELETED:
        with context.db.read() as tx:
            title = get_stream(tx, slug).title
        confirm(
            f"Delete the story {title!r:.100}? Its pages and feeds will say that it is gone.",
            yes=yes,
        )
    found = set_stream_state(context.db, context.actor, slug, StreamState(state))
    show(_stream(context, found), f"{found.slug} is {found.state.value}.", as_json=as_json)
