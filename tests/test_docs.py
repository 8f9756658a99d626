"""The documents are true: what they name is there."""

import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_every_stop_of_the_tour_is_a_function():
    tour = (ROOT / "docs" / "tour.md").read_text("utf-8")
    names = re.findall(r"`((?:cli|config|feeds|models|notifier|web)\.[\w.]+)`", tour)
    assert len(re.findall(r"^\d+\. ", tour, re.M)) == 10
    assert len(names) >= 10
    for name in names:
        parts = name.split(".")
        depth = next(
            n
            for n in range(len(parts) - 1, 0, -1)
            if (ROOT / Path(*parts[:n])).with_suffix(".py").exists()
        )
        found = importlib.import_module(".".join(parts[:depth]))
        for attribute in parts[depth:]:
            found = getattr(found, attribute)
        assert callable(found), name


def test_every_promise_names_tests_that_are_there():
    text = (ROOT / "docs" / "promises.md").read_text("utf-8")
    promises = re.split(r"^### ", text, flags=re.M)[1:]
    assert len(promises) >= 70
    for promise in promises:
        tests = re.findall(r"^- Test: `(tests/[\w/]+\.py)::(\w+)`$", promise, re.M)
        assert tests, promise
        for path, name in tests:
            assert f"def {name}(" in (ROOT / path).read_text("utf-8"), f"{path}::{name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_documents_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?://|#)([^)#\s]+)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target


def test_every_target_of_the_makefile_is_explained():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    phony = set(" ".join(re.findall(r"^\.PHONY: (.+)$", makefile, re.M)).split()) - {
        "feeds",
        "alerts",
        "audience",
    }
    explained = set(re.findall(r"^([a-z-]+):.*## ", makefile, re.M))
    assert phony == explained


def test_commands_in_the_readme_are_commands():
    from cli.lazy import LazyCommand  # noqa: PLC0415  the other tests of this file need no product
    from cli.main import main  # noqa: PLC0415

    text = "\n".join(page.read_text("utf-8") for page in PAGES)
    for words in re.findall(r"storywire ((?:[a-z-]+ ?){1,2})", text):
        command = main
        for word in words.split():
            if not hasattr(command, "commands"):
                break
            assert word in command.commands, f"storywire {words}"
            command = command.commands[word]
            command = command.load() if isinstance(command, LazyCommand) else command


def all_commands(group, path=()):
    """Every command that can be run, as its words, and the command."""
    import click  # noqa: PLC0415

    from cli.lazy import LazyCommand  # noqa: PLC0415

    for name, found in group.commands.items():
        command = found.load() if isinstance(found, LazyCommand) else found
        if command.hidden:
            continue
        is_group = isinstance(command, click.Group)
        if not is_group or command.invoke_without_command:
            yield " ".join((*path, name)), command
        if is_group:
            yield from all_commands(command, (*path, name))


def test_every_command_is_in_the_list_of_commands_and_no_other():
    from cli.main import main  # noqa: PLC0415

    text = (ROOT / "docs" / "commands.md").read_text("utf-8")
    assert re.findall(r"^\| `([a-z -]+)` \|", text, re.M) == sorted(dict(all_commands(main)))


def test_each_option_of_a_command_in_the_documents_is_one_of_its_options():
    from cli.main import main  # noqa: PLC0415

    commands = dict(all_commands(main))
    text = "\n".join(page.read_text("utf-8") for page in PAGES)
    for line in re.findall(r"`storywire ([^`\n]+)`|^ *storywire (.+)$", text, re.M):
        words = " ".join(line).split()
        name = next(
            (" ".join(words[:n]) for n in (3, 2, 1) if " ".join(words[:n]) in commands), None
        )
        if name is None:
            continue
        known = {option for parameter in commands[name].params for option in parameter.opts}
        named = {word.rstrip(".,;:") for word in words if re.fullmatch(r"--[a-z-]+[.,;:]?", word)}
        assert named <= known | {"--help"}, f"storywire {' '.join(words)}"


def test_each_setting_in_the_documents_is_a_setting():
    from config.settings import Settings  # noqa: PLC0415

    known = {name.upper() for name in Settings.model_fields} | {"CONFIG"}
    for page in [*PAGES, ROOT / "CHANGELOG.md", ROOT / "config" / "deploy" / "nginx.conf"]:
        for name in re.findall(r"STORYWIRE_([A-Z_]+[A-Z])", page.read_text("utf-8")):
            assert name in known or name.startswith(("TEST_", "REQUIRE_")), f"{page.name}: {name}"


def test_each_health_check_is_explained():
    text = (ROOT / "docs" / "operating.md").read_text("utf-8")
    for address in ("/healthz", "/readyz", "/metrics"):
        assert f"`{address}`" in text
