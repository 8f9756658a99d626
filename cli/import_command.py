"""`storywire subscriber import`: a list from a file, with a bar of progress and a report of the
rows that were not taken.
"""

import csv
import io
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, cast

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from cli.command_context import json_option, open_context, show
from models.db.database import open_database
from models.membership.importing import Outcome, RejectedRow, Row, import_subscribers
from models.recipients.list_columns import Columns, as_cell
from models.recipients.list_rows import read_row


@click.command("import")
@click.argument("file", metavar="FILE.csv")
@click.option("--stream", metavar="SLUG", help="The story that they follow; all if left out.")
@click.option(
    "--language",
    help="Language of the mails where a column `language` gives none; default: the site's.",
)
@click.option(
    "--consent",
    default="",
    metavar="TEXT",
    help="What proves it, kept with each, where a column `consent` says nothing else.",
)
@click.option(
    "--confirmed", is_flag=True, help="You know that the owners of the addresses want this."
)
@click.option("--dry-run", is_flag=True, help="Change nothing; only say what would be.")
@click.option(
    "--report",
    metavar="PATH",
    help="Where rows go that were not taken, with the reason.  [default: FILE.csv.report.csv]",
)
@json_option
def import_list(
    file: str,
    stream: str | None,
    language: str | None,
    consent: str,
    confirmed: bool,
    dry_run: bool,
    report: str | None,
    as_json: bool,
) -> None:
    """Subscribe a list of addresses: a CSV file whose first line names a column `email`; - reads
    standard input.

    Reads exports of Ghost, listmonk, Mailchimp, Buttondown and Storywire. People who are
    unsubscribed, blocked or not confirmed in the list, or who left or refused mail here, are not
    subscribed. The list may be as long as you like, and the service goes on meanwhile. Importing it
    again changes nothing, so an import that was interrupted is simply run again. Exits 1 if a row
    is not valid; the others are imported.

    Example: storywire subscriber import readers.csv --stream tarrow-rises --confirmed
    """
    if not confirmed:
        raise click.UsageError(
            "Add --confirmed if the owners of the addresses have agreed; nobody is subscribed"
            " without."
        )
    context = open_context()
    actor = context.actor
    # What a power loss takes of an import comes back when it is run again, so no row waits for the
    # disk.
    db = open_database(context.settings.resolved_database_url, synchronous="NORMAL")
    click.get_current_context().call_on_close(db.engine.dispose)
    path = Path(report or f"{'subscribers.csv' if file == '-' else file}.report.csv")
    if path.resolve() == Path(file).resolve():
        raise click.UsageError(
            "The report would take the place of the list. Name another file with --report."
        )
    counts: Counter[Outcome] = Counter()
    with _opened(file) as source, _bar(_size(file)) as advance, _report(path) as write:
        options: dict[str, Any] = {
            "stream": stream,
            "language": language or context.settings.site_language,
            "consent": consent,
            "dry_run": dry_run,
        }
        for part in import_subscribers(db, actor, _rows(source), **options):
            counts += part.counts
            write(part.remarks)
            advance(source, counts.total())
    value: dict[str, Any] = {outcome.value: counts[outcome] for outcome in Outcome}
    value |= {"dry_run": dry_run, "report": str(path) if path.exists() else None}
    show(value, _said(value), as_json=as_json)
    if counts[Outcome.INVALID]:
        raise click.exceptions.Exit(1)


def _said(value: dict[str, Any]) -> str:
    parts = [
        f"{value[outcome.value]:,} {words}"
        for outcome, words in _WORDS.items()
        if value[outcome.value] or outcome is Outcome.ADDED
    ]
    said = f"{', '.join(parts)}.{' Nothing was changed: this was a dry run.' if value['dry_run'] else ''}"
    return f"{said}\nRows that were not taken: {value['report']}" if value["report"] else said


_WORDS = {
    Outcome.ADDED: "added",
    Outcome.ALREADY: "already there",
    Outcome.DUPLICATE: "twice in the file",
    Outcome.INVALID: "not valid",
    Outcome.SUPPRESSED: "refused mail before",
    Outcome.LEFT: "left before",
    Outcome.KEPT_OUT: "unsubscribed or blocked in the list, and kept out here",
    Outcome.UNCONFIRMED: "not confirmed in the list, and not here",
    Outcome.CONFIRMED_HERE: "unsubscribed or blocked in the list, but confirmed here",
}


def _opened(file: str) -> Any:
    try:
        return nullcontext(sys.stdin.buffer) if file == "-" else Path(file).open("rb")
    except OSError as exc:
        raise click.ClickException(f"{file} cannot be read: {exc.strerror}.") from exc


# put behind the file: a quotation mark that is never closed takes it, as it took the rows before
_END = "\x03"
# Excel's first line where the separator is no comma
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)
_DELIMITERS = ",;\t|"


def _encoding(head: bytes) -> str:
    """UTF-8, or UTF-16 as spreadsheets write it: by its byte order mark, or by the NUL beside each
    ASCII letter.
    """
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    if len(head) > 1 and 0 in head[:2]:
        return "utf-16-be" if head[0] == 0 else "utf-16-le"
    return "utf-8-sig"


def _rows(source: BinaryIO) -> Iterator[Row]:
    """The rows below the header, one at a time. Columns that are not known may hold anything, in
    any encoding.
    """
    buffered = io.BufferedReader(cast(io.RawIOBase, source))
    text = io.TextIOWrapper(buffered, _encoding(buffered.peek(2)), errors="replace", newline="")
    header, lines = text.readline(10_000), 1
    separator = _SEPARATOR_LINE.fullmatch(header)
    if separator:
        header, lines = text.readline(10_000), 2
    delimiter = separator[1] if separator else max(_DELIMITERS, key=header.count)
    reader = csv.reader(chain(text, [_END]), delimiter=delimiter)
    try:
        columns = Columns.of(next(csv.reader([header], delimiter=delimiter), []))
        if columns.address is None:
            raise click.ClickException(
                "The first line must name the columns, one of them `email` or `Email Address`. This"
                " file has no such line."
            )
        for cells in reader:
            if cells == [_END]:
                break
            if cells:
                yield read_row(columns, reader.line_num + lines, cells)
        else:
            raise csv.Error("the file ends within quotation marks")
    except csv.Error as exc:
        message = (
            f"Line {reader.line_num + lines} cannot be read ({exc}): is a quotation mark never"
            " closed? Correct it and run it again."
        )
        raise click.ClickException(message) from exc
    finally:
        text.detach()
        buffered.detach()


@contextmanager
def _report(path: Path) -> Iterator[Callable[[list[RejectedRow]], None]]:
    """Writes remarks to ``path``, which only its owner may read; a report without any remark is not
    kept.
    """
    try:
        path.unlink(missing_ok=True)
        file = os.fdopen(
            os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600),
            "w",
            encoding="utf-8",
            newline="",
        )
    except OSError as exc:
        raise click.ClickException(
            f"{path} cannot be written: {exc.strerror}. Name another with --report."
        ) from exc
    written = 0

    def write(remarks: list[RejectedRow]) -> None:
        nonlocal written
        written += len(remarks)
        rows.writerows((remark.line, as_cell(remark.value), remark.reason) for remark in remarks)
        file.flush()

    with file:
        rows = csv.writer(file)
        rows.writerow(("line", "value", "reason"))
        try:
            yield write
        finally:
            if not written:
                path.unlink()


def _size(file: str) -> int | None:
    return None if file == "-" else Path(file).stat().st_size or None


@contextmanager
def _bar(size: int | None) -> Iterator[Callable[[BinaryIO, int], None]]:
    """A bar on a terminal, by the bytes that are read; nothing elsewhere."""
    columns = (
        TextColumn("{task.fields[rows]:,} rows"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns, console=Console(stderr=True), disable=not sys.stderr.isatty()
    ) as progress:
        task = progress.add_task("", total=size, rows=0)

        def advance(source: BinaryIO, rows: int) -> None:
            progress.update(task, completed=source.tell() if size else 0, rows=rows)

        yield advance
