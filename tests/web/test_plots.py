"""Plots: what is drawn for which values."""

import lxml.etree
import pytest

from web.plots import bars, line, top


@pytest.mark.parametrize(
    ("values", "end"),
    [([], 1), ([0, None], 1), ([3], 5), ([20], 20), ([21], 50), ([999_999], 1_000_000)],
)
def test_a_scale_ends_on_a_round_number(values: list[int | None], end: int) -> None:
    assert top(values) == end


def test_bars_are_as_tall_as_their_values_and_read_out_in_words() -> None:
    picture = lxml.etree.fromstring(
        bars("p", "Sent <each> day", "50 & more", [0, 10, None, 100, 1])
    )
    shapes = [(rect.get("class"), float(rect.get("height", "0"))) for rect in picture.iter("rect")]
    assert shapes == [("bar", 12.0), ("bar", 120.0), ("bar", 1.2)]
    assert [picture.findtext(name) for name in ("title", "desc")] == [
        "Sent <each> day",
        "50 & more",
    ]
    assert picture.get("aria-labelledby") == "p-t p-d"
    assert "style" not in bars("p", "", "", [1])


def test_a_line_breaks_where_nothing_is_known() -> None:
    picture = lxml.etree.fromstring(line("p", "Subscribers", "", [1, 2, None, 2]))
    runs = [len(str(run.get("points")).split()) for run in picture.iter("polyline")]
    assert runs == [2, 2]
    assert line("p", "", "", []) and bars("p", "", "", [])
