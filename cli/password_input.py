"""Passwords for commands: asked for on a terminal, or read from standard input, and never an
argument that others could see.
"""

import sys

import click

from cli.command_context import F
from models.accounts.accounts import check_password
from models.text.errors import Invalid


def password_stdin_option(command: F) -> F:
    """Give a command `--password-stdin`."""
    option = click.option(
        "--password-stdin",
        is_flag=True,
        help="Read the password from the first line of standard input.",
    )
    return option(command)


def read_password(*, from_stdin: bool) -> str:
    """A password that may be stored; one that may not is refused before it is typed again."""
    if from_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
        check_password(password)
        return password
    if not sys.stdin.isatty():
        raise click.ClickException(
            "There is no terminal to ask for a password. Use --password-stdin to read it from"
            " standard input."
        )
    while True:
        password = click.prompt("Password", hide_input=True, value_proc=_checked)
        if click.prompt("Repeat it", hide_input=True) == password:
            return str(password)
        click.echo("The two are not equal. Try again.", err=True)


def _checked(password: str) -> str:
    try:
        check_password(password)
    except Invalid as exc:
        raise click.BadParameter(str(exc)) from exc
    return password
