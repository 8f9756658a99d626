"""One line a record, on standard error; secrets never get that far."""

import logging

from config.settings import Settings


def set_up_logging(settings: Settings, process: str) -> None:
    """Log as ``process`` from ``settings.log_level`` up.

    Apprise stays at WARNING whatever the level is: at DEBUG it prints whole target URLs, which are secrets.
    """
    logging.basicConfig(
        level=settings.log_level,
        format=f"%(asctime)s %(levelname)s {process} %(name)s: %(message)s",
        datefmt="%Y-%m-%dT%H:%M:%S%z",
        force=True,
    )
    for quiet in ("apprise", "pika", "dramatiq", "urllib3", "mail.log", "alembic", "_granian"):
        logging.getLogger(quiet).setLevel(logging.WARNING)
