"""The command `storywire`."""

import sys
from importlib import import_module

import click

from cli.lazy import LazyCommand, LazyGroup


class _OneSentence(LazyGroup):
    """A group whose expected errors end in one sentence and an exit code, never in a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            raise
        except Exception as exc:
            # Imported here: to know the errors of the database, SQLAlchemy must be imported.
            failure: click.ClickException | None = import_module("cli.click_errors").as_click_error(
                exc
            )
            if failure is None:
                raise
            raise failure from exc


@click.group(
    cls=_OneSentence,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="storywire", prog_name="storywire")
def main() -> None:
    """Story streams: post once; pages, feeds and alerts follow.

    To look at it, run `storywire demo`. To set up a site of your own, run `storywire init`, make an
    account with `storywire account add`, and start it with `storywire serve`. Settings are
    environment variables or lines of storywire.toml; `storywire doctor` prints them all and checks
    whether the site can do its work.
    """
    for output in (sys.stdout, sys.stderr):
        if hasattr(output, "reconfigure"):
            # a terminal that knows fewer characters must not end a command
            output.reconfigure(errors="backslashreplace")


COMMANDS = (
    ("account", "cli.people_commands", "People who log in to the desk."),
    ("alert", "cli.alert_commands", "What was told, and what became of it."),
    ("channel", "cli.channel_commands", "Chat rooms, phones and programs that are alerted."),
    ("contributor", "cli.people_commands", "People credited in bylines and on streams."),
    (
        "demo",
        "cli.demo",
        (
            "Start a site with a demo story, a reader and a local mail catcher; everything is kept"
            " under DATA_DIR."
        ),
    ),
    ("doctor", "cli.doctor", "Print every setting, and check whether the site can do its work."),
    ("entry", "cli.entry_commands", "Dated items of a story."),
    ("init", "cli.init_command", "Set a site up, or bring its database up to date."),
    ("pause", "cli.alert_commands", "Pause all sending on all nodes until `storywire resume`."),
    (
        "resume",
        "cli.alert_commands",
        "Let alerts go out again after a pause or a hold, and say how many wait.",
    ),
    (
        "serve",
        "cli.process.serve",
        "Run the site until Ctrl+C or SIGTERM: the web server and the worker that sends alerts.",
    ),
    ("stream", "cli.stream_commands", "Running stories."),
    ("subscriber", "cli.subscriber_commands", "E-mail addresses that are alerted."),
    (
        "worker",
        "cli.process.worker",
        "Send alerts until Ctrl+C or SIGTERM, then settle what is in flight and end.",
    ),
)
for name, module, summary in COMMANDS:
    main.add_command(LazyCommand(name, f"{module}:{name}", summary))
main.add_command(
    LazyCommand(
        "web", "cli.process.serve:web", "The web process alone, as `serve` starts it.", hidden=True
    )
)


if __name__ == "__main__":
    main()
