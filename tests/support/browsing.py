"""A browser at a running demo, for those tests that need one."""

import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from tests.support.running_site import Site

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update",
    "--disable-sync",
]  # fmt: skip
UNDO_SECONDS = 3
expect.set_options(timeout=20_000)  # milliseconds, for a busy machine
PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1280, "height": 900}


class Visitor:
    """One browser window, and what its console complained of."""

    def __init__(
        self,
        browser: Browser,
        site: Site,
        *,
        script: bool = True,
        viewport: dict[str, int] = DESKTOP,
    ) -> None:
        self.context = browser.new_context(
            java_script_enabled=script, viewport=viewport, base_url=site.base_url
        )
        self.page: Page = self.context.new_page()
        self.site = site
        self.complaints: list[str] = []
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(f"{self.page.url}: {message.text}")

    def log_in(self, email: str = "admin@example.org") -> None:
        """By a link that works once."""
        said = self.site.do("account", "login-link", email)
        link = re.search(r"http://\S+/login/\S+", said)
        assert link is not None, said
        self.page.goto(link[0])
        self.page.get_by_role("button", name="Log in").click()
        expect(self.page.get_by_role("link", name="New entry").first).to_be_visible()

    def button(self, name: str) -> None:
        """Press a button."""
        self.page.get_by_role("button", name=name, exact=True).click()


OpenWindow = Callable[..., Visitor]
