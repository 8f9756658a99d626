"""Commands that are imported when they are run: importing all takes longer than running most."""

from importlib import import_module
from typing import cast

import click


class LazyCommand(click.Command):
    """Placeholder in a group's help for the command at ``target``, e.g. `cli.entry_commands:entry`.

    ``summary`` is the first sentence of the command's own help.
    """

    def __init__(self, name: str, target: str, summary: str, *, hidden: bool = False) -> None:
        super().__init__(name, help=summary, hidden=hidden)
        self._target = target

    def load(self) -> click.Command:
        module, _, attribute = self._target.partition(":")
        return cast(click.Command, getattr(import_module(module), attribute))


class LazyGroup(click.Group):
    """Group that loads a `LazyCommand` when it is called, or when its arguments are completed."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        if isinstance(command, LazyCommand):
            command = command.load()
        return name, command, rest
