"""Commands import only what they need, and the help of the whole says what each of them says."""

import json
import subprocess
import sys

import pytest
from click.shell_completion import ShellComplete

from cli.alert_commands import alert
from cli.doctor import doctor
from cli.lazy import LazyCommand
from cli.main import main

GROUPS = (main, alert, doctor)
LAZY = [
    command
    for group in GROUPS
    for command in group.commands.values()
    if isinstance(command, LazyCommand)
]
HEAVY = {"PIL", "alembic", "apprise", "email_validator", "flask", "jinja2", "pika", "psycopg"}
RENDERS = ["entry", "add", "floods", "--title", "River rising"]
COMMANDS = (
    ["--help"],
    ["--version"],
    ["entry", "list"],
    ["stream", "list"],
    ["subscriber", "list"],
    ["alert", "list"],
    ["account", "list"],
    ["doctor"],
    RENDERS,
)
RUN = """
import json, sys
from click.testing import CliRunner
from cli.main import main
for args in json.load(sys.stdin):
    result = CliRunner().invoke(main, args)
    assert result.exit_code in (0, 1), result.output
    assert isinstance(result.exception, (SystemExit, type(None))), result.output
    assert "Traceback" not in result.output
    print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


@pytest.mark.processes
def test_commands_import_no_package_that_they_do_not_need(story):
    """In one process, where what a command imported is there for those after it: the first that
    shows a package needs it.
    """
    run = subprocess.run(
        [sys.executable, "-c", RUN],
        input=json.dumps(COMMANDS),
        capture_output=True,
        text=True,
        check=True,
    )
    for args, line in zip(COMMANDS, run.stdout.splitlines(), strict=True):
        packages = set(json.loads(line))
        assert packages.isdisjoint(HEAVY if args == RENDERS else HEAVY | {"markdown_it"}), args
        assert not args[0].startswith("--") or "sqlalchemy" not in packages, args


@pytest.mark.parametrize("command", LAZY, ids=lambda command: command.name)
def test_the_summary_of_a_command_is_the_first_sentence_of_its_help(command):
    loaded = command.load()
    assert (loaded.name, loaded.hidden) == (command.name, command.hidden)
    assert command.get_short_help_str(1000) == loaded.get_short_help_str(1000)


def test_a_mistyped_command_is_answered_with_those_that_are_near(site):
    assert "entry" in site("entri", "list", code=2).stderr


def test_arguments_of_a_lazy_command_are_completed():
    completed = ShellComplete(main, {}, "storywire", "_STORYWIRE_COMPLETE")
    assert "list" in [item.value for item in completed.get_completions(["entry"], "li")]
