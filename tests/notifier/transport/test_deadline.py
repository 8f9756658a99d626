"""Deadlines: what is done where something takes too long, and not where it does not."""

import threading

import pytest

from notifier.transport.deadline import DeadlineWatch

PATIENCE = 30.0


def test_the_act_comes_while_the_block_still_runs() -> None:
    acted = threading.Event()
    with DeadlineWatch().deadline(0.01, acted.set) as late:
        assert acted.wait(PATIENCE)
        assert late.passed


def test_a_deadline_fires_only_when_exceeded_and_in_order() -> None:
    watch, acted, heard = DeadlineWatch(), threading.Event(), list[str]()
    with watch.deadline(PATIENCE, lambda: heard.append("the later one")) as later:
        with watch.deadline(0.02, lambda: heard.append("one that was done")) as done:
            pass
        with watch.deadline(0.05, acted.set):
            assert acted.wait(PATIENCE / 2)
    assert (later.passed, done.passed, heard) == (False, False, [])


def test_an_act_that_fails_leaves_the_others_watched(caplog: pytest.LogCaptureFixture) -> None:
    watch, acted = DeadlineWatch(), threading.Event()
    with watch.deadline(0.01, lambda: 1 / 0), watch.deadline(0.02, acted.set):
        assert acted.wait(PATIENCE)
    assert "ZeroDivisionError" in caplog.text
