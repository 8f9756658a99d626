"""The command `storywire`."""

import os
import sys

import click
from sqlalchemy.exc import DBAPIError, IntegrityError

from cli.alerts import alert, pause, resume
from cli.audience import channel, subscriber
from cli.demo import demo
from cli.doctor import doctor
from cli.entries import entry
from cli.errors import CannotStart
from cli.operating import init
from cli.people import account, contributor
from cli.serve import serve, web
from cli.streams import stream
from cli.worker import worker
from config.settings import BadSettings
from models.errors import ServiceError


class _CannotStart(click.ClickException):
    exit_code = os.EX_CONFIG


class _Unavailable(click.ClickException):
    exit_code = os.EX_UNAVAILABLE


class _OneSentence(click.Group):
    """A group whose expected errors end in one sentence and an exit code, never in a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except ServiceError as exc:
            raise click.ClickException(str(exc)) from exc
        except (BadSettings, CannotStart) as exc:
            raise _CannotStart(str(exc)) from exc
        except UnicodeEncodeError as exc:
            raise click.ClickException("What was given is not UTF-8 text.") from exc
        except IntegrityError as exc:
            raise click.ClickException("Somebody else made the same at the same moment. Run it again.") from exc
        except DBAPIError as exc:
            first_line = str(exc.orig).partition("\n")[0]
            raise _Unavailable(f"The database cannot be used: {first_line}") from exc


@click.group(cls=_OneSentence, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="storywire", prog_name="storywire")
def main() -> None:
    """Story streams: post once; pages, feeds and alerts follow.

    To look at it, run `storywire demo`. To set up a site of your own, run `storywire init`, make an account with
    `storywire account add`, and start it with `storywire serve`. Settings are environment variables or lines of
    storywire.toml; `storywire doctor` shows them all and checks what can be checked.
    """
    for output in (sys.stdout, sys.stderr):
        if hasattr(output, "reconfigure"):
            output.reconfigure(errors="backslashreplace")  # a terminal that knows fewer characters must not end a command


for command in (demo, serve, web, worker, init, doctor, account, contributor, stream, entry, channel, subscriber, alert, pause, resume):
    main.add_command(command)


if __name__ == "__main__":
    main()
