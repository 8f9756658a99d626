"""The house: imports run downwards only, and nothing foreign leans on the walls."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BELOW = {
    "config": set(),
    "models": {"config"},
    "feeds": {"config", "models"},
    "notifier": {"config", "models"},
    "web": {"config", "models", "feeds", "notifier"},
    "cli": {"config", "models", "feeds", "notifier", "web"},
}
# Within a package: each folder may import those named before it.
FOLDERS = {
    "models": (
        "tables",
        "text",
        "db",
        "streams",
        "recipients",
        "alerts",
        "publishing",
        "membership",
        "accounts",
    ),
    "notifier": ("message", "services", "ledger", "transport", "content", "worker"),
    "feeds": ("document", "formats", "cache"),
}
# Shown by the desk and the command line; nothing that sends imports it.
BESIDE = {"reports": ("message", "services", "ledger")}


def imported(path: Path) -> set[str]:
    """The top-level names that a module imports, wherever in the file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: write imports from the top"
            found.add((node.module or "").partition(".")[0])
    return found


@pytest.mark.parametrize("package", BELOW)
def test_imports_run_downwards_only(package):
    modules = sorted((ROOT / package).rglob("*.py"))
    assert modules
    for path in modules:
        above = (imported(path) & set(BELOW)) - BELOW[package] - {package}
        assert not above, f"{path.relative_to(ROOT)} imports {above}"


def folders_imported(path: Path, package: str) -> set[str]:
    """The folders of ``package`` that a module imports from."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    parts = [name.split(".") for name in names]
    return {part[1] for part in parts if part[0] == package and len(part) > 1}


@pytest.mark.parametrize(
    ("package", "folder"),
    [(package, folder) for package, folders in FOLDERS.items() for folder in (*folders, *BESIDE)],
)
def test_folders_of_a_package_import_only_those_below_them(package, folder):
    folders = FOLDERS[package]
    allowed = {folder, *(folders[: folders.index(folder)] if folder in folders else BESIDE[folder])}
    for path in sorted((ROOT / package / folder).rglob("*.py")):
        above = (folders_imported(path, package) & {*folders, *BESIDE}) - allowed
        assert not above, f"{path.relative_to(ROOT)} imports {above}"


@pytest.mark.parametrize("package", FOLDERS)
def test_every_folder_of_a_package_has_its_place(package):
    folders = {path.name for path in (ROOT / package).iterdir() if any(path.glob("*.py"))}
    assert folders - {"migrations"} <= {*FOLDERS[package], *BESIDE}


@pytest.mark.parametrize("package", ["feeds", "notifier", "models", "config"])
def test_nothing_below_the_doors_knows_flask_or_click(package):
    for path in (ROOT / package).rglob("*.py"):
        assert not imported(path) & {"flask", "flask_login", "flask_wtf", "werkzeug", "click"}, path


def test_no_product_code_asks_whether_it_is_under_test():
    for package in BELOW:
        for path in (ROOT / package).rglob("*.py"):
            source = path.read_text("utf-8")
            assert "pytest" not in source, path
            assert "PYTEST" not in source, path


def test_lock_files_name_no_registry():
    for path in (ROOT / "requirements").glob("*.lock"):
        text = path.read_text("utf-8")
        assert "://" not in text, path
        assert all(
            "--hash=" in block for block in text.split("\n\n") if "==" in block.splitlines()[0]
        ), path
