"""The application over a fresh database, and people who use it by its forms."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import lxml.html
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from config.keys import Keys
from config.settings import Settings, load_settings
from models import EntryState, Role
from models.accounts.accounts import make_login_link
from models.db.approval_rules import NO_APPROVAL
from models.db.clock import database_clock
from models.db.database import Database, open_database
from models.streams.entries import list_entries
from tests.conftest import Newsroom, StandingClock
from tests.support.browsing import browser, open_window, site  # noqa: F401  fixtures
from web import create_app
from web.context import AppContext
from web.middleware.cache_layer import make_response_cache

BASE_URL = "https://news.example.org"
SECRET = "a secret for tests that is long enough"
HERE = {"Sec-Fetch-Site": "same-origin"}


class Person:
    """Somebody with a browser: fills in forms as the pages give them."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client

    def get(self, path: str, **options: Any) -> TestResponse:
        return self.client.get(path, base_url=BASE_URL, **options)

    def post(self, path: str, fields: dict[str, str], **options: Any) -> TestResponse:
        """Send fields as they are."""
        return self.client.post(path, data=fields, base_url=BASE_URL, headers=HERE, **options)

    def form(self, page: TestResponse, action: str | None = None) -> tuple[str, dict[str, Any]]:
        """Where a page's form leads and what it holds: the one of that action, else the last."""
        root = lxml.html.fromstring(page.text)
        forms = [
            form
            for form in root.forms
            if form.action != "/logout" and (action is None or form.action == action)
        ]
        assert forms, f"{page.request.path} has no form for {action}"
        form = forms[-1]
        values = {name: value or "" for name, value in form.fields.items()}
        # Boxes of one name are what is ticked of them.
        read = {
            name: value.removeprefix("\n") if isinstance(value, str) else list(value)
            for name, value in values.items()
        }
        return form.action or page.request.path, read

    def send(self, page: TestResponse, action: str | None = None, **changed: str) -> TestResponse:
        """Press a button of a page's form (``do``), with some fields changed."""
        path, fields = self.form(page, action)
        return self.post(path, fields | changed)

    def write(self, do: str = "post", **fields: str) -> TestResponse:
        """Fill in the form of a new entry and press a button."""
        return self.send(
            self.get("/desk/post"),
            **{"stream": "floods", "title": "River rising", "do": do} | fields,
        )

    def uid(self, response: TestResponse) -> str:
        """The entry that a form led to."""
        assert response.status_code == 303, response.text
        return response.location.split("/")[3]


def titles(newsroom: Newsroom, *states: EntryState) -> list[str]:
    """Of all entries, or those in these states, the last changed first."""
    with newsroom.db.read() as tx:
        return [entry.title for entry in list_entries(tx, *states)]


class SharedDatabase:
    """One database connection pool for all these tests: SQLAlchemy compiles each statement once per
    engine.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = StandingClock()
        self.db = open_database(
            f"sqlite:///{path}", synchronous="NORMAL", clock=lambda tx: self.clock(tx)
        )

    def fresh(self, template: Path, clock: StandingClock) -> Database:
        """An empty database in the same place."""
        self.db.engine.dispose()
        for left in self.path.parent.glob(f"{self.path.name}-*"):
            left.unlink()
        shutil.copy(template, self.path)
        self.clock = clock
        self.db.configure(info={**self.db.kw["info"], "gates": NO_APPROVAL})
        return self.db


@pytest.fixture(scope="session")
def shared_database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedDatabase]:
    shared_database = SharedDatabase(tmp_path_factory.mktemp("web") / "storywire.sqlite3")
    yield shared_database
    shared_database.db.engine.dispose()


class TickingClock:
    """The product's clock on PostgreSQL, asked by the product's query, set to the day of the tests'
    clock and moved with that.
    """

    def __init__(self, standing: StandingClock) -> None:
        self._standing = standing
        self._began: datetime | None = None

    def __call__(self, tx: Session) -> datetime:
        read = database_clock(tx)
        self._began = self._began or read
        return self._standing.now + (read - self._began)


both_databases = pytest.mark.parametrize(
    "db", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True
)
"""For tests of what pages save: on PostgreSQL too, with the clock that the product has there."""


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
    """One for each time that the doorbell rang."""
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
    """Nobody watches its response cache, so each request for a document looks for changes itself."""
    begin_anew(
        bare_app,
        AppContext(
            settings, keys, db, lambda: rings.append(None), bare_app.extensions["cache_layer"].cache
        ),
        clock,
    )
    return bare_app


def begin_anew(app: Flask, parts: AppContext, clock: StandingClock) -> None:
    """Let the application run with these parts, and an empty response cache."""
    documents = make_response_cache(
        parts.settings, parts.db, partial(Flask.wsgi_app, app), lambda: clock.now.timestamp()
    )
    app.extensions["memory"].cache = app.extensions["cache_layer"].cache = documents
    app.extensions["storywire"] = replace(parts, response_cache=documents)


@pytest.fixture
def change_settings(app: Flask, clock: StandingClock) -> Callable[..., None]:
    """Run the application on with other settings, and with an empty response cache."""

    def change(**values: object) -> None:
        service = app.extensions["storywire"]
        begin_anew(
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
