"""What a request works with, handed in once when the application is made."""

from collections.abc import Callable
from dataclasses import dataclass, field

from flask import current_app

from config.keys import Keys
from config.settings import Settings
from feeds.cache.response_cache import ResponseCache
from models.db.database import Database
from web.recent_reads import Recent


@dataclass(frozen=True)
class AppContext:
    """The parts below the web; ``ring`` says that something may be due, and never blocks or fails."""

    settings: Settings
    keys: Keys
    db: Database
    ring: Callable[[], None]
    response_cache: ResponseCache
    recent: Recent = field(default_factory=Recent)


def service() -> AppContext:
    """The parts of the application that answers this request."""
    found: AppContext = current_app.extensions["storywire"]
    return found
