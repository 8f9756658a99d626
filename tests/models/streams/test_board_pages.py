"""The desk's list of stories, a page at a time: each story once, at the same cost however many
there are.
"""

import pytest

from models import StreamState
from models.db.database import Database
from models.streams.page_queries import board
from models.streams.streams import StreamText, add_stream, set_stream_state
from models.text.actor import SYSTEM
from tests.support.clock import StandingClock
from tests.support.newsroom import Newsroom
from tests.support.queries import recorded_statements


def pages(db: Database, limit: int, title: str = "") -> list[list[str]]:
    """The slugs on each page, from the first to the last."""
    found: list[list[str]] = []
    before = None
    while True:
        with db.read() as tx:
            page = board(tx, limit=limit, before=before, title=title)
        found.append([stream.slug for stream in page.streams])
        if (before := page.older) is None:
            return found


@pytest.mark.parametrize("limit", [1, 3, 5, 11, 50])
def test_each_stream_is_on_one_page_ordered_by_latest_entry(
    newsroom: Newsroom, db: Database, clock: StandingClock, limit: int
) -> None:
    for number in range(10):
        add_stream(db, SYSTEM, f"s{number}", StreamText(f"Story {number}"))
        if number % 2:
            if number % 4 == 1:  # two and two have their entries at one moment
                clock.forward(minutes=1)
            newsroom.post(f"s{number}")
    set_stream_state(db, SYSTEM, "s4", StreamState.DELETED)
    found = pages(db, limit)
    expected = ["s9", "s7", "s5", "s3", "s1", "s8", "s6", "s2", "s0", "floods"]
    assert [slug for page in found for slug in page] == expected
    assert all(len(page) == limit for page in found[:-1])


def test_a_page_costs_the_same_number_of_statements_however_many_stories_there_are(
    newsroom: Newsroom, db: Database
) -> None:
    numbers = []
    for more in (3, 60):
        for number in range(more):
            add_stream(db, SYSTEM, f"story-{more}-{number}", StreamText(f"Story {number}"))
            newsroom.post(f"story-{more}-{number}")
        with db.read() as tx, recorded_statements(db) as statements:
            found = board(tx, limit=20)
        numbers.append(len(statements))
    assert numbers[0] == numbers[1] <= 6
    assert (len(found.streams), found.live, len(found.counts), len(found.latest)) == (
        20,
        64,
        20,
        20,
    )


@pytest.mark.parametrize(
    ("title", "slugs"),
    [
        ("Tarrow", ["b", "a"]),
        ("tarrow RISES", ["a"]),
        ("rises tarrow", ["a"]),
        ("100%", ["c"]),
        ("%", ["c"]),
        ("_", ["d"]),
        ("\\", ["d"]),
        ("nothing", []),
        ("  ", ["d", "c", "b", "a", "floods"]),
    ],
)
def test_stories_are_found_by_words_of_their_titles(
    newsroom: Newsroom, db: Database, title: str, slugs: list[str]
) -> None:
    for slug, name in {
        "a": "The Tarrow rises",
        "b": "Tarrow falls",
        "c": "100% sure",
        "d": "A_b \\ c",
    }.items():
        add_stream(db, SYSTEM, slug, StreamText(name))
    assert [slug for page in pages(db, 50, title) for slug in page] == slugs
