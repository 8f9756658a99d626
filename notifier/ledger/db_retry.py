"""Waiting for a database that is away, where what is to be written down would else be done twice."""

import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.exc import OperationalError

T = TypeVar("T")

AWAY_SECONDS, AGAIN_SECONDS = 12.0, 0.5
"""Less than a lease has left when an answer comes; and a worker that drains may need it twice, for an answer and for the rest."""


def retry_while_db_unavailable(write: Callable[[], T]) -> T:
    """What ``write`` returns, called again while the database is away, for AWAY_SECONDS; then its
    OperationalError.
    """
    until = time.monotonic() + AWAY_SECONDS
    while True:
        try:
            return write()
        except OperationalError:
            if time.monotonic() >= until:
                raise
        time.sleep(AGAIN_SECONDS)
