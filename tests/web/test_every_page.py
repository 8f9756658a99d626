"""Every page that a person may open, found by following links as people do: for eyes, ears and
hands of every kind.
"""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from flask import Flask
from playwright.sync_api import Page
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from models import Role
from models.accounts.accounts import add_account
from models.publishing.posting import Release, add_entry
from models.text.actor import Actor
from models.text.texts import EntryText
from tests.support.browsing import OpenWindow, Visitor
from tests.support.newsroom import Newsroom
from tests.support.running_site import Site, eventually

pytestmark = [pytest.mark.slow, pytest.mark.processes, pytest.mark.timeout(600)]

AXE = (Path(__file__).with_name("axe-core") / "axe.min.js").read_text("utf-8")
BROKEN = """
    () => axe.run(document, {resultTypes: ["violations"]}).then(found => found.violations.map(
        one => [one.id, ...one.nodes.map(node => node.target.join(" "))].join(" ")))
"""
# What takes the focus of the keyboard and does not show it.
UNSEEN_FOCUS = """
    () => [...document.querySelectorAll(
            "a[href], button, input:not([type=hidden]), select, textarea, summary")]
        .filter(one => one.checkVisibility({visibilityProperty: true}))
        .filter(one => !one.disabled && !one.closest("[aria-hidden]"))
        .filter(one => {
            one.focus({focusVisible: true});
            const seen = [one, one.parentElement].map(shown => getComputedStyle(shown));
            return !seen.some(style =>
                style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2);
        }).map(one => one.outerHTML.slice(0, 120))
"""
LONG = (
    f"`{'m' * 300}`\n\n| a | b |\n|---|---|\n| {'n' * 200} | c"
    f" |\n\n```\n{'p' * 300}\n```\n\nhttps://example.org/{'o' * 200}"
)
LOOKS = [("light", 1280), ("dark", 390)]
ZOOMED = 640  # a window 1280 wide at 200 %
# Programs ask for these, or they are parts of pages.
NOT_PAGES = {
    "static", "media.picture", "theme.stylesheet", "theme.logo", "public.following.all_feeds",
    "public.following.guessed",
    "preferences.data", "health.alive", "health.ready", "metrics.show", "desk.caught.html",
    "desk.kept.mail", "desk.kept.people",
    "desk.subscribers.download", "desk.pictures.show", "robots.where", "robots.index",
    "robots.of_stories", "robots.of_entries",
    "icons.favicon", "icons.touch_icon", "icons.icon",
}  # fmt: skip
# their links are in mails to others; tests of their own open them
ONLY_ONCE = {"login.link", "passwords.form", "preferences.look_at_move"}
MAIL = "desk.caught.mail"


@pytest.fixture(scope="module")
def roots(site: Site) -> Iterator[list[str]]:
    """Where to begin, on a site that has something of everything."""
    room = Newsroom(site.db)
    site.do("channel", "add", "Room", "--url", "ntfys://ntfy.example.org/topic")
    site.do("subscriber", "suppress", "gone@example.org", "--reason", "asked")
    author = add_account(site.db, room.actor, "author@example.org", "An Author", Role.AUTHOR)
    for title, actor, release in [
        ("A draft", room.actor, None),
        ("Submitted", Actor.of(author), Release()),
    ]:
        add_entry(site.db, actor, "tarrow-rises", EntryText(title), release)
    wide = EntryText(
        "Unbreakable " + "w" * 200,
        body=LONG,
        link=f"https://example.org/{'o' * 200}",
        tags=("evacuation", "t" * 60),
    )
    found = add_entry(site.db, room.actor, "tarrow-rises", wide, Release())
    gone = site.do("entry", "add", "tarrow-rises", "--title", "Withdrawn")
    site.do("entry", "retract", gone, "--note", "It was not so.")
    site.do("entry", "add", "tarrow-rises", "--title", "Later", "--at", "2027-01-01T12:00:00Z")
    requests.post(
        f"{site.base_url}/subscribe",
        {"email": "new@example.org", "choice": "all", "page": "/"},
        timeout=10,
    ).raise_for_status()
    caught = partial(site.get, "/desk/caught", cookies=cookies(site))
    eventually(
        lambda: all(words in caught().text for words in ("new@example.org", "Unbreakable")),
        what="the mails",
    )
    yield [
        f"/desk/entries/{found.uid}/edit", f"/desk/entries/{found.uid}", "/", "/desk", "/login",
        "/login/forgotten", "/subscribe",
        "/desk/alerts/resume", f"/streams/tarrow-rises/entries/{gone}", "/nothing-here",
    ]  # fmt: skip


def cookies(site: Site) -> Any:
    """Of somebody who is logged in."""
    session = requests.Session()
    session.post(site.do("account", "login-link", "admin@example.org"), timeout=10)
    return session.cookies


def endpoint(app: Flask, path: str) -> str:
    """Which view answers a path; empty where none does."""
    try:
        return app.url_map.bind("site").match(urlsplit(path).path)[0]
    except RequestRedirect as moved:
        return endpoint(app, moved.new_url)
    except HTTPException:
        return ""


def links(page: Page) -> list[str]:
    """Where a page leads on this site, and what a mail in a frame of it does."""
    found: list[str] = []
    page.wait_for_load_state()
    for frame in page.frames:
        found += frame.eval_on_selector_all("a[href]", "all => all.map(one => one.href)")
    parts = [urlsplit(link) for link in found]
    own = urlsplit(page.url).netloc
    return [
        part.path + (f"?{part.query}" if part.query else "") for part in parts if part.netloc == own
    ]


def walk(visitor: Visitor, app: Flask, roots: list[str]) -> Iterator[str]:
    """Open one page of each view, and every mail for the links in it, until no link leads to
    another.
    """
    seen: set[str] = set()
    opened: set[str] = set()
    waiting = list(roots)
    while waiting:
        path = waiting.pop(0)
        view = endpoint(app, path) or path
        if (
            (view in seen and view != MAIL)
            or path in opened
            or view in NOT_PAGES
            or re.search(r"\.\w+$|/live\.json", urlsplit(path).path)
        ):
            continue
        opened.add(path)
        visitor.page.goto(path)
        if view not in seen:
            yield view
        seen.add(view)
        waiting += links(visitor.page)


def test_every_page_is_for_everybody(
    open_window: OpenWindow, site: Site, roots: list[str], bare_app: Flask
) -> None:
    """axe-core finds nothing, day and night; nothing scrolls sideways, nor at 200 %; the focus is
    seen; no script complains.
    """
    visitor = open_window()
    visitor.log_in()
    page, wrong, visited = visitor.page, [], set()
    for view in walk(visitor, bare_app, roots):
        visited.add(view)
        for theme, width in LOOKS:
            page.set_viewport_size({"width": width, "height": 900})
            page.emulate_media(color_scheme=theme)
            page.evaluate(AXE)
            wrong += [f"{page.url} {theme} {width}: {found}" for found in page.evaluate(BROKEN)]
            if page.evaluate("document.documentElement.scrollWidth") > width:
                wrong.append(f"{page.url} is wider than {width}")
        page.set_viewport_size({"width": ZOOMED, "height": 450})
        if page.evaluate("document.documentElement.scrollWidth") > ZOOMED:
            wrong.append(f"{page.url} scrolls sideways at 200 %")
        page.set_viewport_size({"width": 1280, "height": 900})
        wrong += [f"{page.url} hides the focus of {found}" for found in page.evaluate(UNSEEN_FOCUS)]
    assert not wrong, "\n".join(wrong)
    page.evaluate("document.querySelector('main').append(new Image(9, 9))")
    assert page.evaluate(BROKEN), "what is wrong would be found"
    pages = (
        {rule.endpoint for rule in bare_app.url_map.iter_rules() if "GET" in rule.methods}
        - NOT_PAGES
        - ONLY_ONCE
    )
    assert pages - visited == set(), "pages that no link led to"
    # The three pages that are asked for although there is nothing.
    visitor.complaints = [
        complaint
        for complaint in visitor.complaints
        if not re.search(r"status of (404|410)", complaint)
    ]
