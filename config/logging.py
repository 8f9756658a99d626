"""One line a record, on standard error; secrets never get that far."""

import json
import logging
import re
from datetime import UTC, datetime
from typing import Any

from config.settings import Settings

_NAMES_SOMEBODY = re.compile(r"(?<!\S)\S+@\S+|(?<![A-Za-z0-9+.-])[A-Za-z0-9+.-]+://\S+")

# by which SQLAlchemy tells of each pool that it opens and closes
_POOL = "models.db.connection_pool.WaitingPool"


def set_up_logging(settings: Settings, process: str) -> None:
    """Log as ``process`` from ``settings.log_level`` up, as text or JSON.

    Apprise stays at WARNING whatever the level is: at DEBUG it prints whole target URLs, which are
    secrets.
    """
    handler = logging.StreamHandler()
    if settings.log_format == "json":
        handler.setFormatter(JsonLines(process))
    else:
        handler.setFormatter(
            logging.Formatter(
                f"%(asctime)s %(levelname)s {process} %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S%z"
            )
        )
    logging.basicConfig(level=settings.log_level, handlers=[handler], force=True)
    quiet_loggers = ("apprise", "dramatiq", "urllib3", "mail.log", "alembic", "_granian", _POOL)
    for quiet in quiet_loggers:
        logging.getLogger(quiet).setLevel(logging.WARNING)
    silence_pika()


def silence_pika() -> None:
    """Hide what pika logs: a dozen lines at each try while a broker is away.

    Whoever calls it says what went wrong once.
    """
    logging.getLogger("pika").setLevel(logging.CRITICAL)


class JsonLines(logging.Formatter):
    """A JSON object a line, for programs; what a record carries as ``fields`` stands in it by name."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        """The record's line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "process": self._process,
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def discreet(words: str) -> str:
    """A remote's words without addresses and URLs, fit for a log."""
    return _NAMES_SOMEBODY.sub("…", words)
