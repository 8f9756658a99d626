"""The application over a fresh database, and people who use it by its forms."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask
from playwright.sync_api import Browser, sync_playwright

from config.keys import Keys
from config.settings import Settings, load_settings
from models import Role
from models.accounts.accounts import make_login_link
from models.db.database import Database, open_database
from tests.support.browsing import ARGUMENTS, CHROMIUM, UNDO_SECONDS, OpenWindow, Visitor
from tests.support.clock import StandingClock, TickingClock
from tests.support.newsroom import Newsroom
from tests.support.requirements import skip_without
from tests.support.running_site import Site
from tests.support.web_app import SharedDatabase, restart_app
from tests.support.web_person import BASE_URL, SECRET, Person
from web import create_app
from web.context import AppContext


@pytest.fixture(scope="session")
def shared_database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedDatabase]:
    shared_database = SharedDatabase(tmp_path_factory.mktemp("web") / "storywire.sqlite3")
    yield shared_database
    shared_database.db.engine.dispose()


@pytest.fixture
def db(
    request: pytest.FixtureRequest,
    shared_database: SharedDatabase,
    sqlite_template: Path,
    clock: StandingClock,
) -> Database:
    """On SQLite, but for `both_databases`: pages ask the models, which have their tests on both."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return shared_database.fresh(sqlite_template, clock)
    found: Database = request.getfixturevalue("postgres_db")
    found.clock = TickingClock(clock)
    found.configure(info={**found.kw["info"], "clock": found.clock})
    return found


@pytest.fixture
def keys() -> Keys:
    return Keys(SECRET)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(data_dir=tmp_path, base_url=BASE_URL, site_name="The Courier")


@pytest.fixture
def rings() -> list[None]:
    """One entry for each wake-up."""
    return []


@pytest.fixture(scope="session")
def bare_app(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    """Made once, because compiling its templates takes most of a test's time."""
    settings = load_settings(
        data_dir=tmp_path_factory.mktemp("app"), base_url=BASE_URL, site_name="The Courier"
    )
    app = create_app(settings, Keys(SECRET), open_database("sqlite://"), ring=lambda: None)
    # what would be a 500 fails the test where it happened
    app.config["PROPAGATE_EXCEPTIONS"] = True
    return app


@pytest.fixture
def app(
    bare_app: Flask,
    settings: Settings,
    keys: Keys,
    db: Database,
    newsroom: Newsroom,
    rings: list[None],
    clock: StandingClock,
) -> Flask:
    """No watcher runs on its response cache, so each request looks for changes itself."""
    restart_app(
        bare_app,
        AppContext(
            settings, keys, db, lambda: rings.append(None), bare_app.extensions["cache_layer"].cache
        ),
        clock,
    )
    return bare_app


@pytest.fixture
def change_settings(app: Flask, clock: StandingClock) -> Callable[..., None]:
    """Run the application on with other settings, and with an empty response cache."""

    def change(**values: object) -> None:
        service = app.extensions["storywire"]
        restart_app(
            app, replace(service, settings=service.settings.model_copy(update=values)), clock
        )

    return change


@pytest.fixture
def reader(app: Flask) -> Person:
    return Person(app.test_client())


@pytest.fixture
def log_in(app: Flask, db: Database, newsroom: Newsroom) -> Callable[[Role], Person]:
    """A person of that role, logged in by a link."""

    def enter(role: Role) -> Person:
        newsroom.account(role)
        person = Person(app.test_client())
        answer = person.post(
            f"/login/{make_login_link(db, newsroom.actor, f'{role.value}@example.org')}", {}
        )
        assert answer.location == "/desk"
        return person

    return enter


@pytest.fixture
def editor(log_in: Callable[[Role], Person]) -> Person:
    return log_in(Role.EDITOR)


@pytest.fixture
def author(log_in: Callable[[Role], Person]) -> Person:
    return log_in(Role.AUTHOR)


@pytest.fixture
def admin(log_in: Callable[[Role], Person]) -> Person:
    return log_in(Role.ADMIN)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The demo: a story, a reader whose mail is caught, a worker."""
    site = Site(tmp_path_factory.mktemp("site"), undo_seconds=str(UNDO_SECONDS))
    site.environment["STORYWIRE_BASE_URL"] = site.base_url
    try:
        yield site.start("demo")
    finally:
        site.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        skip_without("Chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def open_window(browser: Browser, site: Site) -> Iterator[OpenWindow]:
    opened: list[Visitor] = []

    def window(**options: object) -> Visitor:
        opened.append(Visitor(browser, site, **options))  # type: ignore[arg-type]
        return opened[-1]

    yield window
    for visitor in opened:
        visitor.context.close()
        assert not visitor.complaints
