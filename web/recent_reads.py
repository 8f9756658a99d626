"""What was asked of the database a moment ago, for questions that a page asks again and again while
somebody types.
"""

import time
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")

SECONDS = 15.0
"""For so long an answer is good enough."""
_MOST = 1_000


class Recent:
    """Answers by their question. Threads share it; two that ask at once may both go to the
    database.
    """

    def __init__(self) -> None:
        self._known: dict[Hashable, tuple[float, Any]] = {}

    def get(self, question: Hashable, ask: Callable[[], T]) -> T:
        """The answer, asked for where nobody did within the last seconds."""
        found = self._known.get(question)
        if found is not None and found[0] > time.monotonic():
            answer: T = found[1]
            return answer
        if len(self._known) >= _MOST:
            self._known.clear()
        answer = ask()
        self._known[question] = (time.monotonic() + SECONDS, answer)
        return answer
