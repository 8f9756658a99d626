"""Errors that commands expect, as one sentence and an exit code."""

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
    """What to print for an error, and the exit code; None for an error that nobody expects."""
    if isinstance(error, ServiceError):
        return click.ClickException(str(error))
    if isinstance(error, BadSettings | CannotStart):
        return _CannotStart(str(error))
    if isinstance(error, UnicodeEncodeError):
        return click.ClickException("What was given is not UTF-8 text.")
    if isinstance(error, IntegrityError):
        return click.ClickException("Somebody else made the same at the same moment. Run it again.")
    if isinstance(error, DBAPIError):
        first_line = str(error.orig).partition("\n")[0]
        return _Unavailable(f"The database cannot be used: {first_line}")
    return None
