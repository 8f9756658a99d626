"""`storywire doctor feeds`: whether readers get from the site's feeds what was posted."""

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from itertools import groupby
from pathlib import Path

import click
from rich.console import Console
from rich.progress import track
from rich.table import Table
from rich.text import Text
from sqlalchemy.orm import Session

from cli.command_context import json_option, open_context, show
from cli.feed_visit import MOST_ARCHIVES, Report, Visit
from feeds.cache.feed_check import Level, Seen
from feeds.document.feed_address import FeedTopic, Flavour, Scope
from feeds.document.feed_document import Format
from models import EntryState
from models.streams.entries import list_entries
from models.streams.streams import get_stream, list_streams

COLOURS = {"ok": "green", "warn": "yellow", "bad": "red"}


@click.command("feeds")
@click.argument("stream", required=False)
@click.option("--url", metavar="URL", help="Ask there, as behind the proxy; BASE_URL if not given.")
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help=f"Follow archives to their end, not only {MOST_ARCHIVES} of each feed.",
)
@json_option
def feeds(stream: str | None, url: str | None, everything: bool, as_json: bool) -> None:
    """Fetch the site's feeds as readers do, and say what they would stumble over. Exits 1 where
    something is bad.

    Looks at every flavour and format: of STREAM, or else of all streams, of the site, and of a tag
    and a person. What was seen is kept in DATA_DIR, so that the next run notices ids and dates that
    changed.
    """
    door = open_context()
    with door.db.read() as tx:
        topics = list(_topics(tx, stream))
    memory = door.settings.data_dir / "feeds-seen.json"
    seen, base_url = _recall(memory), door.settings.base_url
    visit = Visit(
        base_url, (url or base_url).rstrip("/"), seen, None if everything else MOST_ARCHIVES
    )
    said = Console(stderr=True)
    round_ = [
        (replace(topic, flavour=flavour), fmt)
        for topic in topics
        for flavour in Flavour
        for fmt in Format
    ]
    quiet = as_json or not said.is_terminal
    reports = [
        visit.look_at(topic, fmt)
        for topic, fmt in track(round_, "Reading", console=said, transient=True, disable=quiet)
    ]
    _keep(memory, seen | visit.seen)
    if as_json:
        show([asdict(report) | {"verdict": report.verdict} for report in reports], "", as_json=True)
    else:
        _print(reports)
    if any(report.verdict == Level.BAD for report in reports):
        raise click.exceptions.Exit(1)


def _topics(tx: Session, stream: str | None) -> Iterator[FeedTopic]:
    """That stream's, or the site's and one of each other kind beside all streams."""
    if stream:
        yield FeedTopic(Scope.STREAM, get_stream(tx, stream, public=True).slug)
        return
    yield FeedTopic()
    yield from (FeedTopic(Scope.STREAM, found.slug) for found in list_streams(tx, public=True))
    newest = [
        entry
        for entry in list_entries(tx, EntryState.PUBLISHED, whole=True)
        if entry.stream.is_public
    ]
    yield from [FeedTopic(Scope.TAG, tag.slug) for entry in newest for tag in entry.tags][:1]
    yield from [
        FeedTopic(Scope.CONTRIBUTOR, credit.contributor.slug)
        for entry in newest
        for credit in entry.credits
    ][:1]


def _recall(memory: Path) -> Seen:
    try:
        found: Seen = json.loads(memory.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as exc:
        raise click.ClickException(f"{memory} cannot be read; delete it to begin anew.") from exc
    return found


def _keep(memory: Path, seen: Seen) -> None:
    new = memory.with_suffix(".new")
    try:
        new.write_text(json.dumps(seen, ensure_ascii=False), "utf-8")
        new.replace(memory)
    except OSError as exc:
        raise click.ClickException(f"{memory} cannot be written: {exc.strerror}.") from exc


def _print(reports: list[Report]) -> None:
    """A line for each folder with its formats side by side, below it the newest entry as it was
    read; then what was found.
    """
    table = Table(box=None, expand=True)
    table.add_column(
        f"feed, and its newest entry as {reports[0].read_by} reads it", ratio=1, no_wrap=True
    )
    for name in (*Format, "entries", "archives", "kB"):
        table.add_column(name)
    findings: dict[tuple[Level, str], list[str]] = {}
    for folder, group in groupby(reports, lambda report: report.path.rpartition("/")[0] + "/"):
        found = list(group)
        verdicts = [Text(report.verdict, COLOURS[report.verdict]) for report in found]
        counts = [max(report.entries for report in found), max(report.archives for report in found)]
        table.add_row(
            _head(folder, found[0]),
            *verdicts,
            *map(str, counts),
            f"{max(report.bytes for report in found) / 1000:.0f}",
        )
        for one in found:
            for finding in one.findings:
                findings.setdefault((finding.level, finding.text), []).append(one.path)
    out = Console()
    out.print(table)
    for (level, text), paths in sorted(findings.items()):
        out.print(Text(f"{level}: {text}  In {', '.join(paths)}.", COLOURS[level]), soft_wrap=True)


def _head(folder: str, report: Report) -> Text:
    newest = report.newest
    told = (
        f"\n  {newest['published']:%Y-%m-%d %H:%M} {newest['title']}"
        f" ({', '.join(newest['authors'])})"
        if newest
        else ""
    )
    return Text.assemble(folder, (told, "dim"), overflow="ellipsis")
