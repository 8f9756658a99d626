"""The web application, made once and given a fresh database for each test."""

import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

from flask import Flask

from models.db.approval_rules import NO_APPROVAL
from models.db.database import Database, open_database
from tests.support.clock import StandingClock
from web.context import AppContext
from web.middleware.cache_layer import make_response_cache


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
        self.db.configure(info={**self.db.kw["info"], "approval_rules": NO_APPROVAL})
        return self.db


def restart_app(app: Flask, parts: AppContext, clock: StandingClock) -> None:
    """Let the application run with these parts, and an empty response cache."""
    documents = make_response_cache(
        parts.settings, parts.db, partial(Flask.wsgi_app, app), lambda: clock.now.timestamp()
    )
    app.extensions["memory"].cache = app.extensions["cache_layer"].cache = documents
    app.extensions["storywire"] = replace(parts, response_cache=documents)
