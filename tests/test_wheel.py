"""The wheel: what is in it, and that it runs in an environment and a folder of its own, far from
the checkout.
"""

import os
import subprocess
import sys
import zipfile
from pathlib import Path, PurePosixPath

import feedparser
import pytest

from tests.support.running_site import Site

# installing takes as long as the package index does
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

CHECKOUT = Path(__file__).parents[1]
PACKAGES = {"cli", "config", "feeds", "models", "notifier", "web"}
REACHING_THE_INDEX = ("PATH", "PIP_", "SSL_", "HTTP", "http", "NO_PROXY", "no_proxy", "REQUESTS_")


def run(*arguments, **options):
    done = subprocess.run(
        list(map(str, arguments)), capture_output=True, text=True, check=False, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """The environment of somebody who has just sat down: an empty HOME, and what leads to the
    package index.
    """
    kept = {
        name: value for name, value in os.environ.items() if name.startswith(REACHING_THE_INDEX)
    }
    return {**kept, "HOME": str(tmp_path_factory.mktemp("home"))}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory, bare):
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--outdir", folder, CHECKOUT, env=bare)
    (found,) = folder.glob("*.whl")
    return found


def test_the_wheel_holds_the_six_packages_with_their_files_and_nothing_else(wheel):
    held = {PurePosixPath(name) for name in zipfile.ZipFile(wheel).namelist()}
    assert {path.parts[0] for path in held if not path.parts[0].endswith(".dist-info")} == PACKAGES
    files = {
        path
        for package in PACKAGES
        for path in (CHECKOUT / package).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert {path.relative_to(CHECKOUT) for path in files} <= held
    assert {
        PurePosixPath("cli/demo_story") / name for name in ("story.toml", "ferry-steps.jpg")
    } <= set(held)
    for folder, pattern in [
        ("web/templates", "*.html"),
        ("web/static", "*.css"),
        ("notifier/templates", "*.txt"),
        ("models/migrations/versions", "*.py"),
    ]:
        assert any(path.is_relative_to(folder) and path.match(pattern) for path in held), (
            f"no {pattern} in {folder}"
        )
    assert not [path for path in held if "test" in path.name or "__pycache__" in path.parts]


def test_the_wheel_runs_the_demo_in_an_environment_of_its_own(wheel, bare, tmp_path):
    venv = tmp_path / "venv"
    run(sys.executable, "-m", "venv", venv, env=bare)
    pip = [venv / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check"]
    run(*pip, "--require-hashes", "-r", CHECKOUT / "requirements" / "run.lock", env=bare)
    run(*pip, "--no-deps", wheel, env=bare)
    run(venv / "bin" / "pip", "check", env=bare)

    home, folder = tmp_path / "home", tmp_path / "elsewhere"
    home.mkdir()
    folder.mkdir()
    site = Site(folder, {"HOME": str(home)}, str(venv / "bin" / "storywire"))
    try:
        site.start("demo")
        assert set(site.children()) == {"web", "worker", "mail_catcher"}
        for path in ("/", "/streams/tarrow-rises", "/login", "/static/storywire.css"):
            assert site.get(path).status_code == 200, path
        feeds = [
            feedparser.parse(site.get(f"/streams/tarrow-rises/{name}").content)
            for name in ("atom.xml", "rss.xml")
        ]
        assert [len(feed.entries) for feed in feeds] == [6, 6]
        assert len(site.get("/streams/tarrow-rises/feed.json").json()["items"]) == 6
        assert site.stop() == 0, site.log.read_text()
    finally:
        site.close()
    assert f"Log in    {site.base_url}/login/" in site.log.read_text()
    assert list(home.iterdir()) == []
