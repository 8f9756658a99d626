"""The shape of the code: which package may import which, and how large a folder may get."""

import ast
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAX_MODULES_PER_FOLDER = 22
ALLOWED_IMPORTS = {
    "config": set(),
    "models": {"config"},
    "feeds": {"config", "models"},
    "notifier": {"config", "models"},
    "web": {"config", "models", "feeds", "notifier"},
    "cli": {"config", "models", "feeds", "notifier", "web"},
}
# Within a package: each folder may import the folders before it.
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
# Read by the desk, the command line and monitoring; nothing that sends imports them.
SIDE_FOLDERS = {"reports": ("message", "services", "ledger")}


def imported_packages(path: Path) -> set[str]:
    """The top-level packages that a module imports, anywhere in the file."""
    packages = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            packages |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports must be absolute"
            packages.add((node.module or "").partition(".")[0])
    return packages


@pytest.mark.parametrize("package", ALLOWED_IMPORTS)
def test_packages_import_only_packages_below_them(package):
    modules = sorted((ROOT / package).rglob("*.py"))
    assert modules
    for path in modules:
        above = (
            (imported_packages(path) & set(ALLOWED_IMPORTS)) - ALLOWED_IMPORTS[package] - {package}
        )
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
    [
        (package, folder)
        for package, folders in FOLDERS.items()
        for folder in (*folders, *SIDE_FOLDERS)
    ],
)
def test_folders_of_a_package_import_only_those_below_them(package, folder):
    folders = FOLDERS[package]
    allowed = {
        folder,
        *(folders[: folders.index(folder)] if folder in folders else SIDE_FOLDERS[folder]),
    }
    for path in sorted((ROOT / package / folder).rglob("*.py")):
        above = (folders_imported(path, package) & {*folders, *SIDE_FOLDERS}) - allowed
        assert not above, f"{path.relative_to(ROOT)} imports {above}"


@pytest.mark.parametrize("package", FOLDERS)
def test_every_folder_of_a_package_is_listed(package):
    folders = {path.name for path in (ROOT / package).iterdir() if any(path.glob("*.py"))}
    assert folders - {"migrations"} <= {*FOLDERS[package], *SIDE_FOLDERS}


@pytest.mark.parametrize("package", ["feeds", "notifier", "models", "config"])
def test_only_web_and_cli_import_flask_or_click(package):
    for path in (ROOT / package).rglob("*.py"):
        assert not imported_packages(path) & {
            "flask",
            "flask_login",
            "flask_wtf",
            "werkzeug",
            "click",
        }, path


def test_product_code_does_not_know_that_it_is_tested():
    for package in ALLOWED_IMPORTS:
        for path in (ROOT / package).rglob("*.py"):
            source = path.read_text("utf-8")
            assert "pytest" not in source, path
            assert "PYTEST" not in source, path


def product_modules() -> list[Path]:
    return [path for package in ALLOWED_IMPORTS for path in sorted((ROOT / package).rglob("*.py"))]


def test_no_class_name_stands_twice():
    names = Counter(
        node.name
        for path in product_modules()
        for node in ast.parse(path.read_text("utf-8")).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert [name for name, count in names.items() if count > 1] == []


def test_no_folder_has_too_many_modules():
    sizes = Counter(path.parent for path in product_modules() if path.stem != "__init__")
    full = {
        str(folder.relative_to(ROOT)): size
        for folder, size in sizes.items()
        if size > MAX_MODULES_PER_FOLDER and folder.name != "versions"
    }
    assert full == {}


def test_lock_files_name_no_registry():
    for path in (ROOT / "requirements").glob("*.lock"):
        text = path.read_text("utf-8")
        assert "://" not in text, path
        assert all(
            "--hash=" in block for block in text.split("\n\n") if "==" in block.splitlines()[0]
        ), path
