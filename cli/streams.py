"""`storywire stream`."""

import click

from cli.door import Door, json_option, open_door, read_text, show, table
from models import Stream, StreamState
from models.streams import StreamText, add_stream, list_streams, set_stream_state


@click.group()
def stream() -> None:
    """Running stories."""


def _stream(door: Door, found: Stream) -> dict[str, object]:
    return {
        "slug": found.slug,
        "title": found.title,
        "dek": found.dek,
        "state": found.state,
        "language": found.language,
        "timezone": found.timezone,
        "last_entry_at": found.last_entry_at,
        "guid": found.guid,
        "url": door.page(f"/streams/{found.slug}"),
    }


@stream.command("add")
@click.argument("slug")
@click.option("--title", required=True, help="The story's title.")
@click.option("--dek", default="", help="One sentence under the title.")
@click.option("--overview-file", metavar="F", help="Some paragraphs of Markdown; - reads standard input.")
@click.option("--contributor", "contributors", multiple=True, metavar="NAME", help="Slug or exact name; made if new. Repeatable.")
@click.option("--language", default="en", show_default=True, help="As in BCP 47.")
@click.option("--timezone", help="As in Europe/Kyiv; the site's if left out.")
@json_option
def add(
    slug: str,
    title: str,
    dek: str,
    overview_file: str | None,
    contributors: tuple[str, ...],
    language: str,
    timezone: str | None,
    as_json: bool,
) -> None:
    """Start a story under /streams/SLUG.  If there is one of that slug already, nothing changes.

    Example: storywire stream add tarrow-rises --title "The Tarrow rises" --contributor "Jory Pell"
    """
    door = open_door()
    overview = read_text(overview_file) if overview_file else ""
    text = StreamText(title, dek, overview, contributors, language, timezone or door.settings.site_timezone)
    found = add_stream(door.db, door.actor, slug, text)
    show(_stream(door, found), door.page(f"/streams/{found.slug}"), as_json=as_json)


@stream.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List all stories, the one with the latest entry first."""
    door = open_door()
    with door.db.read() as tx:
        found = list_streams(tx)
    rows = [(one.slug, one.state, one.last_entry_at, one.title) for one in found]
    show([_stream(door, one) for one in found], table(rows, empty="No stories yet: `storywire stream add`."), as_json=as_json)


@stream.command("state")
@click.argument("slug")
@click.argument("state", type=click.Choice([state.value for state in StreamState]))
@json_option
def state(slug: str, state: str, as_json: bool) -> None:
    """Hide, open (live), end or delete the story SLUG."""
    door = open_door()
    found = set_stream_state(door.db, door.actor, slug, StreamState(state))
    show(_stream(door, found), f"{found.slug} is {found.state.value}.", as_json=as_json)
