"""What pages show."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from models import RevisionKind, StreamState
from models.publishing.posting import Release
from models.publishing.revising import Change, apply_due, retract, revise, undo
from models.streams.listings import page_of_contributor, page_of_tag
from models.streams.page_queries import (
    ENTRIES_PER_PAGE,
    board,
    front_page,
    page_of_entry,
    page_of_stream,
)
from models.streams.streams import set_stream_state
from models.text.errors import Gone, NotFound
from models.text.texts import EntryText, PictureText
from tests.support.clock import StandingClock
from tests.support.newsroom import Newsroom
from tests.support.queries import recorded_statements


def test_the_number_of_queries_does_not_grow(newsroom: Newsroom) -> None:
    pages: dict[str, Callable[[Session, str], object]] = {
        "front page": lambda tx, uid: front_page(tx),
        "stream": lambda tx, uid: page_of_stream(tx, "floods"),
        "entry": page_of_entry,
        "board": lambda tx, uid: board(tx),
        "tag": lambda tx, uid: page_of_tag(tx, "rain"),
        "contributor": lambda tx, uid: page_of_contributor(tx, "ines-valbrook"),
    }
    numbers: list[dict[str, int]] = []
    picture = PictureText(newsroom.picture(), "A bridge")
    for more in (3, 20):
        for number in range(more):
            newsroom.stream(f"story-{more}-{number}", contributors=("Ines Valbrook", f"P {number}"))
            newsroom.post(f"story-{more}-{number}")
            entry = newsroom.post(
                byline=("Ines Valbrook", f"P {number}"), tags=("Rain", f"T {number}")
            )
            changed = EntryText(
                "Changed", byline=("Ines Valbrook",), tags=("Rain",), pictures=(picture,)
            )
            revise(
                newsroom.db,
                newsroom.actor,
                entry.uid,
                entry.version,
                changed,
                Change(RevisionKind.UPDATE),
            )
        numbers.append({})
        for name, page in pages.items():
            with newsroom.db.read() as tx, recorded_statements(newsroom.db) as statements:
                page(tx, entry.uid)
            numbers[-1][name] = len(statements)
    assert numbers[0] == numbers[1]
    assert max(numbers[0].values()) <= 14


def test_a_page_is_cut_by_the_order_of_coming_out_and_shown_by_date(newsroom: Newsroom) -> None:
    imported = newsroom.post(title="Imported", release=Release(at=datetime(2020, 1, 1, tzinfo=UTC)))
    for number in range(ENTRIES_PER_PAGE):
        newsroom.post(title=str(number))
    newest = newsroom.post(
        title="Of last year", release=Release(at=datetime(2025, 1, 1, tzinfo=UTC))
    )
    with newsroom.db.read() as tx:
        first = page_of_stream(tx, "floods")
        assert [entry.title for entry in first.entries][-1] == "Of last year" and len(
            first.entries
        ) == ENTRIES_PER_PAGE
        second = page_of_stream(tx, "floods", before=first.pages.older)
    assert [entry.title for entry in second.entries] == [
        "0",
        "Imported",
    ] and second.pages.older is None
    assert first.stream.published == ENTRIES_PER_PAGE + 2
    assert imported.uid != newest.uid


def test_what_stories_have_of_a_tag_and_of_a_person_is_what_the_public_may_read(
    newsroom: Newsroom, clock: StandingClock
) -> None:
    mine: dict[str, tuple[str, ...]] = {"tags": ("Rain",), "byline": ("Jory Pell",)}
    for slug in ("hidden", "gone", "over"):
        newsroom.stream(slug, contributors=("Jory Pell",))
        newsroom.post(slug, f"In {slug}", **mine)
    for slug, state in (
        ("hidden", StreamState.HIDDEN),
        ("gone", StreamState.DELETED),
        ("over", StreamState.ENDED),
    ):
        set_stream_state(newsroom.db, newsroom.actor, slug, state)
    newsroom.post(
        title="Draft", release=None, tags=("Rain", "Unborn"), byline=("Jory Pell", "Nobody Yet")
    )
    withdrawn = newsroom.post(title="Withdrawn", tags=("Rain", "Gone"), byline=("Jory Pell",))
    retract(
        newsroom.db,
        newsroom.actor,
        withdrawn.uid,
        withdrawn.version,
        Change(RevisionKind.RETRACTION),
    )
    newsroom.post(title="Out", tags=("RAIN",), byline=("Jory Pell",))
    with newsroom.db.read() as tx:
        tag, person = page_of_tag(tx, "rain"), page_of_contributor(tx, "jory-pell")
        for listing in (tag.listing, person.listing):
            assert [entry.title for entry in listing.entries] == ["Out", "In over"]
            assert (listing.updates, listing.pages.older) == (2, None)
        assert (tag.label, [stream.slug for stream in person.streams]) == ("RAIN", ["over"])
        assert [
            entry.title
            for entry in page_of_tag(tx, "rain", before=tag.listing.entries[0].seq).listing.entries
        ] == ["In over"]
        for page, slug in (
            (page_of_tag, "unborn"),
            (page_of_tag, "gone"),
            (page_of_contributor, "nobody-yet"),
        ):
            with pytest.raises(NotFound):
                page(tx, slug)


def test_live_streams_are_ordered_by_latest_entry_and_ended_ones_are_separate(
    newsroom: Newsroom, clock: StandingClock
) -> None:
    for slug in ("first", "second", "over", "hidden", "gone"):
        newsroom.stream(slug)
        clock.forward(minutes=1)
        newsroom.post(slug, title=f"News of {slug}")
    for slug, state in (
        ("over", StreamState.ENDED),
        ("hidden", StreamState.HIDDEN),
        ("gone", StreamState.DELETED),
    ):
        set_stream_state(newsroom.db, newsroom.actor, slug, state)
    for number in range(4):
        clock.forward(minutes=1)
        newsroom.post(title=f"River {number}")
    with newsroom.db.read() as tx:
        page = front_page(tx)
    assert [stream.slug for stream in page.running] == ["floods", "second", "first"]
    assert [stream.slug for stream in page.ended] == ["over"]
    titles = [[headline.title for headline in page.headlines[stream.id]] for stream in page.running]
    assert titles == [["River 3", "River 2", "River 1"], ["News of second"], ["News of first"]]
    newsroom.post("second", "Of last year", release=Release(at=datetime(2025, 1, 1, tzinfo=UTC)))
    with newsroom.db.read() as tx:
        assert [stream.slug for stream in front_page(tx).running] == [
            "floods",
            "second",
            "first",
        ], "what came in late is no news"
    assert [stream.published for stream in page.running] == [4, 1, 1]
    assert page.running[0].contributors == []


def test_history_lists_the_announced_changes(newsroom: Newsroom, clock: StandingClock) -> None:
    entry = newsroom.post(title="One")
    for title, change in (
        ("Two", Change()),
        ("Three", Change(RevisionKind.UPDATE, "More is known.")),
        ("Four", Change(RevisionKind.CORRECTION, "Wrong.", timedelta(seconds=10))),
    ):
        revise(
            newsroom.db,
            newsroom.actor,
            entry.uid,
            newsroom.entry(entry.uid).version,
            EntryText(title),
            change,
        )
    undo(newsroom.db, newsroom.actor, entry.uid, newsroom.entry(entry.uid).version)
    clock.forward(minutes=1)
    apply_due(newsroom.db)
    with newsroom.db.read() as tx:
        page = page_of_entry(tx, entry.uid)
    told = [
        (change.kind, change.note, change.former_title, change.title) for change in page.history
    ]
    assert told == [
        (RevisionKind.UPDATE, "More is known.", "Two", "Three"),
        (RevisionKind.PUBLISH, "", "", "One"),
    ]


def test_an_entry_knows_its_neighbours_that_can_be_read(newsroom: Newsroom) -> None:
    entries = [newsroom.post(title=str(number)) for number in range(4)]
    newsroom.stream("other")
    newsroom.post("other")
    retract(
        newsroom.db,
        newsroom.actor,
        entries[1].uid,
        entries[1].version,
        Change(RevisionKind.RETRACTION, "Wrong."),
    )
    with newsroom.db.read() as tx:
        page = page_of_entry(tx, entries[2].uid)
        assert page.preceding is not None and page.following is not None
        assert (page.preceding.title, page.following.title, page.entry.stream.published) == (
            "0",
            "3",
            3,
        )
        assert page_of_entry(tx, entries[3].uid).following is None
        with pytest.raises(Gone, match="Wrong"):
            page_of_entry(tx, entries[1].uid)
        with pytest.raises(NotFound):
            page_of_entry(tx, "nothing")
