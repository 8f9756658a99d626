"""Commands that are imported when they are run: importing all of them takes longer than most of
them do.
"""

from importlib import import_module
from typing import cast

import click


class LazyCommand(click.Command):
    """Entry for a command in its group's help; ``target`` is where the command is, as in
    `cli.entry_commands:entry`.

    ``summary`` is the first sentence of the command's own help.
    """

    def __init__(self, name: str, target: str, summary: str, *, hidden: bool = False) -> None:
        super().__init__(name, help=summary, hidden=hidden)
        self._target = target

    def load(self) -> click.Command:
        """The command itself."""
        module, _, attribute = self._target.partition(":")
        return cast(click.Command, getattr(import_module(module), attribute))


class LazyGroup(click.Group):
    """A group that loads a `LazyCommand` when it is called, or when its arguments are completed."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that ``args`` begin with, loaded."""
        name, command, rest = super().resolve_command(ctx, args)
        if isinstance(command, LazyCommand):
            command = command.load()
        return name, command, rest
