"""Conversion of expected errors to one sentence and an exit code."""

import os

import click
from sqlalchemy.exc import DBAPIError, IntegrityError

from cli.command_errors import CannotStart
from config.settings import BadSettings
from models.text.errors import ServiceError


class _CannotStart(click.ClickException):
    exit_code = os.EX_CONFIG


class _Unavailable(click.ClickException):
    exit_code = os.EX_UNAVAILABLE


def as_click_error(error: Exception) -> click.ClickException | None:
    """Convert an expected error to its message and exit code; None for an unexpected one."""
    if isinstance(error, ServiceError):
        return click.ClickException(str(error))
    if isinstance(error, BadSettings | CannotStart):
        return _CannotStart(str(error))
    if isinstance(error, UnicodeEncodeError):
        return click.ClickException("The arguments are not UTF-8 text.")
    if isinstance(error, IntegrityError):
        return click.ClickException(
            "Another process changed this at the same time. Run the command again."
        )
    if isinstance(error, DBAPIError):
        first_line = str(error.orig).partition("\n")[0]
        return _Unavailable(f"The database cannot be used: {first_line}")
    return None
