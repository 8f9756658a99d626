"""Output of lists: of any length, as a table, one JSON array or one JSON object per line."""

import functools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from textwrap import indent
from typing import Any, TypeVar, cast

import click

from cli.command_context import F, json_option, plain, table

PAGE_ROWS = 1_000  # rows that are read, and aligned, together
T = TypeVar("T")


@dataclass(frozen=True)
class ListOptions:
    """The options that every list has."""

    limit: int
    everything: bool
    as_json: bool
    as_ndjson: bool

    @property
    def page(self) -> int:
        """Rows to read at a time: one more than shown, to find out whether there are more."""
        return PAGE_ROWS if self.everything else min(self.limit + 1, PAGE_ROWS)


def list_options(limit: int) -> Callable[[F], F]:
    """Give a command --limit, --all, --json and --ndjson; it gets them as ``options``."""

    def decorate(command: F) -> F:
        @functools.wraps(command)
        def call(
            *args: Any, limit: int, everything: bool, as_json: bool, as_ndjson: bool, **kwargs: Any
        ) -> Any:
            options = ListOptions(limit, everything, as_json, as_ndjson)
            return command(*args, options=options, **kwargs)

        ndjson_option = click.option(
            "--ndjson",
            "as_ndjson",
            is_flag=True,
            help="Print one JSON object per line, for programs that read long lists.",
        )
        all_option = click.option("--all", "everything", is_flag=True, help="Print the whole list.")
        limit_option = click.option(
            "--limit",
            type=click.IntRange(1),
            default=limit,
            show_default=True,
            help="Maximum number of rows.",
        )
        return cast(F, limit_option(all_option(json_option(ndjson_option(call)))))

    return decorate


def walk(read: Callable[[T | None, int], Sequence[T]], options: ListOptions) -> Iterator[T]:
    """Yield all rows page by page; ``read`` gets the last row so far, or None, and a page size."""
    last: T | None = None
    while True:
        rows = read(last, options.page)
        yield from rows
        if len(rows) < options.page:
            return
        last = rows[-1]


def print_list(
    rows: Iterable[T],
    options: ListOptions,
    *,
    value: Callable[[T], object],
    cells: Callable[[T], tuple[object, ...]],
    header: tuple[object, ...] = (),
    empty: str,
) -> None:
    """Print rows while they are read; standard error says if there are more than the limit."""
    all_rows = iter(rows)
    printed = all_rows if options.everything else islice(all_rows, options.limit)
    if options.as_ndjson:
        for row in printed:
            click.echo(json.dumps(value(row), ensure_ascii=False, default=plain))
    elif options.as_json:
        _print_array(map(value, printed))
    else:
        _print_table(map(cells, printed), header, empty)
    if not options.everything and next(all_rows, None) is not None:
        click.echo(f"Only the first {options.limit:,} are shown. Use --all for all.", err=True)


def _print_array(values: Iterable[object]) -> None:
    """Print one array as `json.dumps` with an indent would, without holding all of it."""
    separator = "[\n"
    for value in values:
        item = json.dumps(value, ensure_ascii=False, indent=2, default=plain)
        click.echo(separator + indent(item, "  "), nl=False)
        separator = ",\n"
    click.echo("[]" if separator == "[\n" else "\n]")


def _print_table(
    rows: Iterator[tuple[object, ...]], header: tuple[object, ...], empty: str
) -> None:
    page = list(islice(rows, PAGE_ROWS))
    click.echo(table([header, *page] if header and page else page, empty=empty))
    while page := list(islice(rows, PAGE_ROWS)):
        click.echo(table(page, empty=""))
