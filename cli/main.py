"""The command `storywire`."""

import sys
from importlib import import_module

import click

from cli.lazy import LazyCommand, LazyGroup


class _MainGroup(LazyGroup):
    """Group that turns expected errors into one sentence and an exit code, without a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            raise
        except Exception as exc:
            # Imported only now because it imports SQLAlchemy for the database's errors.
            convert = import_module("cli.click_errors").as_click_error
            failure: click.ClickException | None = convert(exc)
            if failure is None:
                raise
            raise failure from exc


@click.group(
    cls=_MainGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="storywire", prog_name="storywire")
def main() -> None:
    """Publish story streams as pages, feeds and alerts.

    To try it out, run `storywire demo`. To set up your own site, run `storywire init`, create an
    account with `storywire account add`, and start the site with `storywire serve`. Settings are
    environment variables or lines of storywire.toml; `storywire doctor` prints all of them and
    checks that the site works.
    """
    for output in (sys.stdout, sys.stderr):
        if hasattr(output, "reconfigure"):
            # A character that the terminal's encoding lacks must not end a command.
            output.reconfigure(errors="backslashreplace")


COMMANDS = (
    ("account", "cli.people_commands", "Manage the people who log in to the desk."),
    ("alert", "cli.alert_commands", "Show, stop and retry alerts."),
    ("channel", "cli.channel_commands", "Manage chat rooms, phones and webhooks that get alerts."),
    ("contributor", "cli.people_commands", "Manage the people credited in bylines and stories."),
    ("demo", "cli.demo", "Start a demo site with a sample story and a test inbox."),
    ("doctor", "cli.doctor", "Print all settings and check that the site works."),
    ("entry", "cli.entry_commands", "Post, edit and retract entries of a story."),
    ("init", "cli.init_command", "Set up a site, or upgrade its database."),
    ("pause", "cli.alert_commands", "Pause all sending on all nodes."),
    ("resume", "cli.alert_commands", "Resume sending after a pause or a hold."),
    ("serve", "cli.process.serve", "Run the site: the web server and the worker."),
    ("stream", "cli.stream_commands", "Manage stories."),
    ("subscriber", "cli.subscriber_commands", "Manage e-mail subscribers."),
    ("worker", "cli.process.worker", "Run a worker, which sends alerts."),
)
for name, module, summary in COMMANDS:
    main.add_command(LazyCommand(name, f"{module}:{name}", summary))
main.add_command(
    LazyCommand(
        "web", "cli.process.serve:web", "Run only the web process, for `serve`.", hidden=True
    )
)


if __name__ == "__main__":
    main()
