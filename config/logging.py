"""Logging to standard error, one line per record, without secrets or addresses."""

import json
import logging
import re
from datetime import UTC, datetime
from typing import Any

from config.settings import Settings

_ADDRESS_OR_URL = re.compile(r"(?<!\S)\S+@\S+|(?<![A-Za-z0-9+.-])[A-Za-z0-9+.-]+://\S+")

# SQLAlchemy logs each pool that is opened or closed under the pool's class.
_POOL = "models.db.connection_pool.WaitingPool"


def set_up_logging(settings: Settings, process: str) -> None:
    """Log as ``process`` from ``settings.log_level`` up, as text or JSON.

    Apprise stays at WARNING: at DEBUG it logs complete target URLs, which are secrets.
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
    """Silence pika, which logs a dozen lines at each failed connection; callers report it once."""
    logging.getLogger("pika").setLevel(logging.CRITICAL)


class JsonLines(logging.Formatter):
    """Formatter for one JSON object per line, with the record's extra ``fields`` merged in."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
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


def discreet(text: str) -> str:
    """Remove addresses and URLs from a remote server's reply, for the log."""
    return _ADDRESS_OR_URL.sub("…", text)
