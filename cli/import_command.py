"""`storywire subscriber import`: a CSV file, with a progress bar and a report of rejected rows."""

import csv
import io
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

from cli.command_context import create_private, json_option, open_context, show
from models.db.database import open_database
from models.membership.importing import Outcome, RejectedRow, Row, import_subscribers
from models.recipients.list_columns import Columns, as_cell
from models.recipients.list_rows import read_row


@click.command("import")
@click.argument("file", metavar="FILE.csv")
@click.option("--stream", metavar="SLUG", help="Story to follow. Default: all.")
@click.option(
    "--language",
    help="Language of the e-mails for rows without a `language`. Default: the site's.",
)
@click.option(
    "--consent",
    default="",
    metavar="TEXT",
    help="Proof of consent for rows without a `consent`, stored with each subscriber.",
)
@click.option(
    "--confirmed",
    is_flag=True,
    help="Confirm that these people have agreed to receive e-mail. Required.",
)
@click.option("--dry-run", is_flag=True, help="Show what would happen without changing anything.")
@click.option(
    "--report",
    metavar="PATH",
    help="File for rejected rows, with reasons.  [default: FILE.csv.report.csv]",
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
    """Import subscribers from a CSV file with a column `email`, or from standard input for -.

    Reads exports of Ghost, listmonk, Mailchimp, Buttondown and Storywire. People who are
    unsubscribed, blocked or unconfirmed in the list, or who unsubscribed or bounced here, are not
    subscribed. The list may have any length, and the site stays online. Importing it again changes
    nothing, so an interrupted import can simply be repeated. Exits 1 if a row is invalid; the
    other rows are imported.

    Example: storywire subscriber import readers.csv --stream tarrow-rises --confirmed
    """
    if not confirmed:
        raise click.UsageError(
            "Add --confirmed if these people have agreed to receive e-mail. It is required."
        )
    context = open_context()
    # A power loss costs at most rows that the next import brings back, so no row waits for the
    # disk.
    db = open_database(context.settings.resolved_database_url, synchronous="NORMAL")
    click.get_current_context().call_on_close(db.engine.dispose)
    path = Path(report or f"{'subscribers.csv' if file == '-' else file}.report.csv")
    if path.resolve() == Path(file).resolve():
        raise click.UsageError(
            "The report would overwrite the input file. Choose another with --report."
        )
    counts: Counter[Outcome] = Counter()
    with _open(file) as source, _progress_bar(_size(file)) as advance, _report(path) as write:
        imported = import_subscribers(
            db,
            context.actor,
            _rows(source),
            stream=stream,
            language=language or context.settings.site_language,
            consent=consent,
            dry_run=dry_run,
        )
        for part in imported:
            counts += part.counts
            write(part.remarks)
            advance(source, counts.total())
    report_path = str(path) if path.exists() else None
    totals = {outcome.value: counts[outcome] for outcome in Outcome}
    show(
        {**totals, "dry_run": dry_run, "report": report_path},
        _summary(counts, dry_run, report_path),
        as_json=as_json,
    )
    if counts[Outcome.INVALID]:
        raise click.exceptions.Exit(1)


def _summary(counts: Counter[Outcome], dry_run: bool, report_path: str | None) -> str:
    parts = []
    for outcome, description in _DESCRIPTIONS.items():
        if counts[outcome] or outcome is Outcome.ADDED:
            parts.append(f"{counts[outcome]:,} {description}")
    text = ", ".join(parts) + "."
    if dry_run:
        text += " Nothing was changed: this was a dry run."
    if report_path:
        text += f"\nRejected rows: {report_path}"
    return text


_DESCRIPTIONS = {
    Outcome.ADDED: "added",
    Outcome.ALREADY: "already subscribed",
    Outcome.DUPLICATE: "duplicates in the file",
    Outcome.INVALID: "invalid",
    Outcome.SUPPRESSED: "blocked here",
    Outcome.LEFT: "unsubscribed here",
    Outcome.KEPT_OUT: "unsubscribed or blocked in the list, and recorded as such",
    Outcome.UNCONFIRMED: "unconfirmed in the list, so not subscribed",
    Outcome.CONFIRMED_HERE: "unsubscribed or blocked in the list, but confirmed here",
}


def _open(file: str) -> Any:
    try:
        return nullcontext(sys.stdin.buffer) if file == "-" else Path(file).open("rb")
    except OSError as exc:
        raise click.ClickException(f"{file} cannot be read: {exc.strerror}.") from exc


# Appended to the file: it becomes part of the last cell if a quotation mark is never closed.
_END = "\x03"
# Excel's first line if the separator is not a comma
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)
_DELIMITERS = ",;\t|"
_MAX_HEADER_CHARS = 10_000


def _encoding(head: bytes) -> str:
    """Detect UTF-16, as spreadsheets write it, by a byte order mark or by NULs beside ASCII
    letters; else UTF-8.
    """
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    if len(head) > 1 and 0 in head[:2]:
        return "utf-16-be" if head[0] == 0 else "utf-16-le"
    return "utf-8-sig"


def _rows(source: BinaryIO) -> Iterator[Row]:
    """Yield the rows below the header; unknown columns may hold anything, in any encoding."""
    buffered = io.BufferedReader(cast(io.RawIOBase, source))
    text = io.TextIOWrapper(buffered, _encoding(buffered.peek(2)), errors="replace", newline="")
    header = text.readline(_MAX_HEADER_CHARS)
    lines_before = 1
    separator = _SEPARATOR_LINE.fullmatch(header)
    if separator:
        header = text.readline(_MAX_HEADER_CHARS)
        lines_before = 2
    delimiter = separator[1] if separator else max(_DELIMITERS, key=header.count)
    reader = csv.reader(chain(text, [_END]), delimiter=delimiter)
    try:
        columns = Columns.of(next(csv.reader([header], delimiter=delimiter), []))
        if columns.address is None:
            raise click.ClickException(
                "The first line must name the columns, one of them `email` or `Email Address`."
            )
        for cells in reader:
            if cells == [_END]:
                break
            if cells:
                yield read_row(columns, reader.line_num + lines_before, cells)
        else:
            raise csv.Error("the file ends within quotation marks")
    except csv.Error as exc:
        message = (
            f"Line {reader.line_num + lines_before} cannot be read ({exc}). Is a quotation mark never"
            " closed? Correct the file and run the command again."
        )
        raise click.ClickException(message) from exc
    finally:
        text.detach()
        buffered.detach()


@contextmanager
def _report(path: Path) -> Iterator[Callable[[list[RejectedRow]], None]]:
    """Give a function that writes remarks to a file which only its owner can read.

    A report without remarks is deleted.
    """
    file = create_private(path)
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
def _progress_bar(size: int | None) -> Iterator[Callable[[BinaryIO, int], None]]:
    """Show a progress bar by bytes read, on terminals only."""
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
