"""Who writes much rests, so that others come in between."""

import pytest

from models.db import write_throttle
from models.db.database import Database
from models.db.write_throttle import MAX_WRITING_SECONDS, WriteThrottle


class Watch:
    """Stands in for the module `time`."""

    def __init__(self) -> None:
        self.now, self.rests = 0.0, list[float]()

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.rests.append(seconds)


@pytest.mark.parametrize(
    "half, writes, rests",
    [
        (False, [0.004, 0.004], []),
        (False, [0.004, 0.004, 0.004, 0.030], [0.002, 0.002]),
        (True, [0.030, 0.004, 0.008], [0.030, 0.008]),
    ],
)
def test_after_ten_milliseconds_of_writing_others_have_two_or_as_long_as_the_last(
    sqlite_db: Database,
    monkeypatch: pytest.MonkeyPatch,
    half: bool,
    writes: list[float],
    rests: list[float],
) -> None:
    watch = Watch()
    monkeypatch.setattr(write_throttle, "time", watch)
    monkeypatch.setattr(write_throttle, "MAX_WRITING_SECONDS", MAX_WRITING_SECONDS)
    one = WriteThrottle(sqlite_db, half=half)
    for took in writes:
        with one.writing():
            watch.now += took
    assert watch.rests == pytest.approx(rests)


def test_postgresql_needs_no_rest(postgres_db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Watch()
    monkeypatch.setattr(write_throttle, "time", watch)
    monkeypatch.setattr(write_throttle, "MAX_WRITING_SECONDS", MAX_WRITING_SECONDS)
    with WriteThrottle(postgres_db, half=True).writing():
        watch.now += 1
    assert watch.rests == []
