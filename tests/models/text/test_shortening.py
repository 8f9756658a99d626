"""Texts are cut between what people see as characters."""

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from feeds.document.entry_content import MAX_BEGINNING_CHARACTERS, beginning
from models.text.shortening import cluster_start, cut, one_line

CLUSTERS = ["a", " ", "e\u0301\u0323", "👩\u200d👩\u200d👧\u200d👦", "🇺🇦", "👍🏽", "☀\ufe0f",
            "1\ufe0f\u20e3",
            "क\u094dष\u093f", "น\u0e49\u0e33",
            "\u0644\u0627", "🏴\U000e0067\U000e0062\U000e007f", "\u1112\u1161\u11ab", "日",
            "-"]  # fmt: skip


@given(
    st.lists(st.sampled_from(CLUSTERS), min_size=1, max_size=60).map("".join), st.integers(0, 80)
)
def test_a_text_is_cut_between_characters_as_people_see_them(text: str, limit: int) -> None:
    starts = {cluster.start() for cluster in regex.finditer(r"\X", text)} | {len(text)}
    assert cluster_start(text, limit) == max(start for start in starts if start <= limit)
    short = cut(text, limit)
    if len(text) <= limit:
        assert short == text
    else:
        assert short.endswith("…") and text.startswith(short[:-1])
        assert len(short) - 1 in starts and len(short) <= max(limit, 1)


@given(st.text(max_size=80), st.integers(0, 80))
def test_any_text_is_cut_within_its_limit(text: str, limit: int) -> None:
    assert len(cut(text, limit)) <= max(limit, 1)
    assert cluster_start(text, limit) <= limit


@pytest.mark.parametrize("cluster", [one for one in CLUSTERS if len(one) > 1])
def test_the_summary_of_a_feed_ends_with_a_whole_character(cluster: str) -> None:
    summary = beginning(cluster * 400).removesuffix(" …")
    assert len(summary) <= MAX_BEGINNING_CHARACTERS and summary == cluster * (
        len(summary) // len(cluster)
    )


@pytest.mark.parametrize("text", [
    "می\u200cخواهم", "ක්\u200dෂ", "👩\u200d🚀 🏳\ufe0f\u200d🌈", "e\u0301", "\u200fשלום",
    "co\u00adop", "10\u202f000", "\u2067עברית\u2069",
])  # fmt: skip
def test_joiners_and_marks_stay_in_one_line(text: str) -> None:
    assert one_line(text) == text


def test_controls_do_not() -> None:
    assert one_line("a\x00\x1b[31m b\x9f \u202ec\ud800") == "a[31m b c"
