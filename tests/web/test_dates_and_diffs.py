"""Dates and differences, as pages write them."""

from datetime import UTC, datetime

import pytest

from web import dates, diff

NOON = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "near", "brief"),
    [
        (datetime(2026, 3, 14, 8, 5, tzinfo=UTC), "10:05", "10:05"),
        (datetime(2026, 3, 13, 21, 59, tzinfo=UTC), "Fri 23:59", "13 Mar"),
        (datetime(2026, 3, 13, 22, 0, tzinfo=UTC), "00:00", "00:00"),
        (datetime(2026, 1, 2, 12, 0, tzinfo=UTC), "2 Jan", "2 Jan"),
        (datetime(2025, 3, 14, 12, 0, tzinfo=UTC), "14 Mar 2025", "2025"),
    ],
)
def test_a_time_is_as_long_as_it_must_be_beside_another(
    moment: datetime, near: str, brief: str
) -> None:
    assert dates.near(moment, "Europe/Kyiv", NOON) == near
    assert dates.brief(moment, "Europe/Kyiv", NOON) == brief


def test_a_zone_is_named_by_its_city_and_what_holds_there_then() -> None:
    summer = datetime(2026, 7, 1, tzinfo=UTC)
    assert (
        dates.zone_label(NOON, "Europe/Kyiv") == "Kyiv (EET)"
        and dates.zone_label(summer, "Europe/Kyiv") == "Kyiv (EEST)"
    )
    assert dates.zone_label(NOON, "UTC") == "UTC"
    assert dates.zone_label(NOON, "America/Sao_Paulo") == "Sao Paulo", (
        "an abbreviation that is a number says nothing"
    )
    assert dates.stamp(NOON, "Asia/Kathmandu") == "Sat 14 March 2026, 17:45"


def test_a_difference_is_marked_word_by_word_and_is_never_html_of_the_text() -> None:
    assert (
        diff.words("six <b>metres</b>", "nine <b>metres</b>")
        == "<del>six</del> <ins>nine</ins> &lt;b&gt;metres&lt;/b&gt;"
    )
    assert diff.words("a  b", "a b") == "a b", "white space alone is nothing to mark"
    former, present = "One.\n\nTwo.\n\nThree.", "One.\n\n2.\n\nThree.\n\nFour."
    assert diff.paragraphs(former, present) == ["<del>Two</del> <ins>2</ins>.", "<ins>Four.</ins>"]
    assert diff.paragraphs("same", "same") == []


def test_texts_that_would_take_seconds_to_compare_are_not_compared() -> None:
    assert diff.paragraphs("a " * 50_000, "b " * 50_000) == [
        "The text changed; it is too long to be compared here."
    ]


def test_every_change_of_a_revision_is_shown() -> None:
    former = {
        "title": "T",
        "dek": "",
        "body": "B",
        "tags": ["Rain"],
        "importance": "key",
        "link": "",
        "byline": [1],
    }
    present = former | {"tags": ["Rain", "Rivers"], "importance": "breaking", "byline": [1, 2]}
    said = diff.contents(former, present)
    assert len(said) == 3
    assert (
        said[0].startswith("Tags: ")
        and "<ins>, Rivers</ins>" in said[0]
        and said[2] == "The byline changed."
    )
