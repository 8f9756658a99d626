"""Lists of commands: of any length, as a table, as one JSON array or as a JSON object a line."""

import functools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from textwrap import indent
from typing import Any, TypeVar

import click

from cli.command_context import F, plain, table

PAGE = 1_000  # rows that are read, and aligned, together
T = TypeVar("T")


@dataclass(frozen=True)
class ListOptions:
    """How much of a list is wanted, and in which form."""

    limit: int
    everything: bool
    as_json: bool
    as_ndjson: bool

    @property
    def page(self) -> int:
        """Rows to read at a time: one more than is shown, which tells whether there are more."""
        return PAGE if self.everything else min(self.limit + 1, PAGE)


def list_options(limit: int) -> Callable[[F], F]:
    """Give a command --limit, --all, --json and --ndjson; it is called with ``options``."""

    def decorate(command: F) -> F:
        @functools.wraps(command)
        def call(
            *args: Any, limit: int, everything: bool, as_json: bool, as_ndjson: bool, **kwargs: Any
        ) -> Any:
            return command(
                *args, options=ListOptions(limit, everything, as_json, as_ndjson), **kwargs
            )

        given: Any = call
        for option in (
            click.option(
                "--ndjson",
                "as_ndjson",
                is_flag=True,
                help="Print a JSON object a line, for programs that read long lists.",
            ),
            click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs."),
            click.option(
                "--all", "everything", is_flag=True, help="The whole list, however long it is."
            ),
            click.option(
                "--limit",
                type=click.IntRange(1),
                default=limit,
                show_default=True,
                help="At most so many.",
            ),
        ):
            given = option(given)
        wrapped: F = given
        return wrapped

    return decorate


def walk(read: Callable[[T | None, int], Sequence[T]], options: ListOptions) -> Iterator[T]:
    """All rows of ``read``, which gets the last row so far (None at first) and how many to read."""
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
    """Print rows while they are read; on standard error say that there are more than are shown."""
    rest = iter(rows)
    shown = rest if options.everything else islice(rest, options.limit)
    if options.as_ndjson:
        for row in shown:
            click.echo(json.dumps(value(row), ensure_ascii=False, default=plain))
    elif options.as_json:
        _print_array(map(value, shown))
    else:
        _print_table(map(cells, shown), header, empty)
    if not options.everything and next(rest, None) is not None:
        click.echo(
            f"Only {options.limit:,} are listed, and there are more. --all lists all of them.",
            err=True,
        )


def _print_array(values: Iterable[object]) -> None:
    """One array, as `json.dumps` with an indent would write it."""
    began = False
    for value in values:
        click.echo(",\n" if began else "[\n", nl=False)
        click.echo(
            indent(json.dumps(value, ensure_ascii=False, indent=2, default=plain), "  "), nl=False
        )
        began = True
    click.echo("\n]" if began else "[]")


def _print_table(
    rows: Iterator[tuple[object, ...]], header: tuple[object, ...], empty: str
) -> None:
    page = list(islice(rows, PAGE))
    click.echo(table([header, *page] if header and page else page, empty=empty))
    while page := list(islice(rows, PAGE)):
        click.echo(table(page, empty=""))
