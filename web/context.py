"""The parts that views work with, handed in when the application is made."""

from collections.abc import Callable
from dataclasses import dataclass, field

from flask import current_app

from config.keys import Keys
from config.settings import Settings
from feeds.cache.response_cache import ResponseCache
from models.db.database import Database
from web.recent_reads import RecentAnswers


@dataclass(frozen=True)
class AppContext:
    """``ring`` tells workers that something may be due; it never blocks or fails."""

    settings: Settings
    keys: Keys
    db: Database
    ring: Callable[[], None]
    response_cache: ResponseCache
    recent: RecentAnswers = field(default_factory=RecentAnswers)


def service() -> AppContext:
    context: AppContext = current_app.extensions["storywire"]
    return context
