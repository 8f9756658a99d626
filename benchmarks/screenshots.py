"""Screenshots of a demo for the README: ``python -m benchmarks.screenshots``."""

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import requests
from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.process import CHECKOUT, PATIENCE, forget_settings, free_port
from cli.demo import ADMIN
from cli.process.supervisor import python_module

CHROMIUM = os.environ.get("STORYWIRE_TEST_CHROMIUM", "/usr/bin/chromium")
# The address in pictures; the browser resolves it to this machine.
BASE_URL = "http://courier.example.org"
STORY = f"{BASE_URL}/streams/tarrow-rises"
READERS = ("anna@example.org", "boris@example.org", "chen@example.org")
MAX_PICTURE_BYTES = 250_000  # because the repository contains them
ENTRY = {
    "title": "Trams turn back at Corn Exchange",
    "dek": "Lines 2 and 5 end there until the evening; buses go on from the market.",
    "byline": "Jory Pell",
    "body": (
        "The water stands **ten centimetres** below the rails at Dyer Street, the tramway says.\n"
    ),
}


def main() -> None:
    """Write docs/story.png, docs/story-phone.png and docs/desk.png."""
    forget_settings()
    with _demo() as (port, environment), sync_playwright() as play:
        rules = f"--host-resolver-rules=MAP {urlsplit(BASE_URL).hostname}:80 127.0.0.1:{port}"
        # No sandbox, because root may run it and it meets only our own pages.
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", rules])
        page = _page(browser, 1280, 1420, "light")
        page.goto(STORY)
        _keep(page, "story")
        page = _page(browser, 390, 844, "dark")
        page.goto(STORY)
        _keep(page, "story-phone")
        # the form is filled in field by field
        page = _page(browser, 1280, 860, "light", script=False)
        page.goto(_output(environment, "account", "login-link", ADMIN))
        page.get_by_role("button", name="Log in").click()
        for reader in READERS:
            _output(environment, "subscriber", "add", reader, "--confirmed")
        _post(page)
        _keep(page, "desk")
        browser.close()


def _page(
    browser: Browser,
    width: int,
    height: int,
    scheme: Literal["dark", "light"],
    *,
    script: bool = True,
) -> Page:
    return browser.new_page(
        viewport={"width": width, "height": height},
        color_scheme=scheme,
        locale="en-GB",
        timezone_id="UTC",
        java_script_enabled=script,
    )


def _post(page: Page) -> None:
    """Post an entry and wait until its alert is sent."""
    page.goto(f"{BASE_URL}/desk/post?stream=tarrow-rises")
    for name, text in ENTRY.items():
        page.locator(f"[name={name}]").fill(text)
    page.locator("button[name=do][value=post]").click()
    page.get_by_role("button", name="Publish now").click()
    for _ in range(100):
        if page.get_by_role("row", name=f"E-mail Sent {len(READERS) + 1}").count():
            return
        page.wait_for_timeout(100)
        page.reload()
    raise SystemExit("the alert was not sent")


def _keep(page: Page, name: str) -> None:
    path = CHECKOUT / "docs" / f"{name}.png"
    page.screenshot(path=path)
    print(f"{path.relative_to(CHECKOUT)}: {path.stat().st_size:,} bytes")
    if path.stat().st_size > MAX_PICTURE_BYTES:
        raise SystemExit("that is too large")


@contextmanager
def _demo() -> Iterator[tuple[int, dict[str, str]]]:
    """A running demo: its port, and the environment for its commands."""
    with tempfile.TemporaryDirectory(prefix="storywire-pictures-") as folder:
        port = free_port()
        own = {
            "STORYWIRE_DATA_DIR": str(Path(folder) / "data"),
            "STORYWIRE_PORT": str(port),
            "STORYWIRE_BASE_URL": BASE_URL,
        }
        environment = {**os.environ, **own}
        demo = subprocess.Popen(
            python_module("cli.main", "demo"),
            env=environment,
            cwd=folder,
            stdout=subprocess.DEVNULL,
        )
        try:
            _wait(demo, f"http://127.0.0.1:{port}/readyz")
            yield port, environment
        finally:
            demo.terminate()
            demo.wait(PATIENCE)


def _wait(demo: "subprocess.Popen[bytes]", url: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while demo.poll() is None and time.monotonic() < deadline:
        try:
            if requests.get(url, timeout=PATIENCE).ok:
                return
        except requests.ConnectionError:
            pass
        time.sleep(0.1)
    raise SystemExit("the demo did not start")


def _output(environment: dict[str, str], *arguments: str) -> str:
    return subprocess.run(
        python_module("cli.main", *arguments),
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()


if __name__ == "__main__":
    main()
