"""Commands import only what they need, and the help of the whole says what each of them says."""

import subprocess
import sys

import pytest
from click.shell_completion import ShellComplete

from cli.alerts import alert
from cli.doctor import doctor
from cli.lazy import LazyCommand
from cli.main import main

GROUPS = (main, alert, doctor)
LAZY = [command for group in GROUPS for command in group.commands.values() if isinstance(command, LazyCommand)]
HEAVY = ("PIL", "alembic", "apprise", "email_validator", "flask", "jinja2", "pika", "psycopg")
RUN = """
import sys
from cli.main import main
try:
    main(sys.argv[1:])
finally:
    print("imported:", *sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
"""


def imported_by(*args: str) -> set[str]:
    """The packages that a command imports in a process of its own."""
    result = subprocess.run([sys.executable, "-c", RUN, *args], capture_output=True, text=True, check=False)
    assert result.returncode in (0, 1) and "Traceback" not in result.stderr
    return set(result.stderr.rpartition("imported:")[2].split())


@pytest.mark.parametrize(
    "args",
    [
        ["--help"],
        ["--version"],
        ["entry", "list"],
        ["entry", "add", "floods", "--title", "River rising"],
        ["stream", "list"],
        ["subscriber", "list"],
        ["alert", "list"],
        ["account", "list"],
        ["doctor"],
    ],
    ids=lambda args: " ".join(args[:2]),
)
def test_a_command_imports_no_package_that_it_does_not_need(story, args):
    packages = imported_by(*args)
    assert packages.isdisjoint(HEAVY)
    if args[0].startswith("--"):
        assert "sqlalchemy" not in packages


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
