"""Recent answers of the database, for queries that a page repeats while its reader types."""

import time
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")

RECENT_SECONDS = 15.0
_MAX_ANSWERS = 1_000


class RecentAnswers:
    """Answers by question, for several threads; two at once may both ask the database."""

    def __init__(self) -> None:
        self._answers: dict[Hashable, tuple[float, Any]] = {}

    def get(self, question: Hashable, ask: Callable[[], T]) -> T:
        """The answer, asked for unless it is known from the last `RECENT_SECONDS`."""
        expires_at, answer = self._answers.get(question, (0.0, None))
        if expires_at > time.monotonic():
            return answer  # type: ignore[no-any-return]
        if len(self._answers) >= _MAX_ANSWERS:
            self._answers.clear()
        fresh = ask()
        self._answers[question] = (time.monotonic() + RECENT_SECONDS, fresh)
        return fresh
