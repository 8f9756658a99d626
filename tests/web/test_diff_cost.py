"""Comparing two revisions takes bounded time, whatever their texts."""

import time

import pytest

from web import diff

LONG = 14_900  # characters, of the 30,000 that are compared


def repeated(words: str) -> str:
    return (words * LONG)[:LONG]


@pytest.mark.parametrize(
    ("former", "present"),
    [
        (repeated("a "), repeated("b ")),
        (repeated("a "), repeated("a ")[:-100] + "b " * 50),
        (repeated("a "), "b a " * 49),
        ("b a " * 49, repeated("a ")),
        (repeated("| 1 "), repeated("| 2 ")),
        (repeated("a\n\n"), repeated("a\n\nb\n\n")),
    ],
)
def test_texts_that_repeat_themselves_are_compared_in_no_time(former: str, present: str) -> None:
    began = time.thread_time()
    said = "".join(diff.paragraphs(former, present))
    assert time.thread_time() - began < 2.0
    assert "<ins>" in said or "<del>" in said
