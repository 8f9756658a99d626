"""What the door accepts, what it refuses, and what it says then."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.text.errors import Invalid
from models.text.markdown import to_html, to_text
from models.text.shortening import one_line
from models.text.texts import (
    MAX_BODY_CHARS,
    MAX_TITLE_CHARS,
    EntryText,
    PictureText,
    block,
    slugify,
)


@pytest.mark.parametrize(
    ("text", "field", "says"),
    [
        (EntryText(""), "title", "can’t be empty"),
        (EntryText(" \n\t "), "title", "can’t be empty"),
        (EntryText("\u200b\u2060"), "title", "can’t be empty"),
        (EntryText("x" * 1_000_000), "title", "too long: 1,000,000 of at most 300 characters"),
        (EntryText("a\x00b"), "title", "U+0000 at position 2"),
        (EntryText("a\x85b"), None, None),
        (EntryText("bell \x07"), "title", "U+0007"),
        (EntryText("half \ud83d"), "title", "U+D83D"),
        (EntryText("not a character \ufffe"), "title", "U+FFFE"),
        (EntryText("t", dek="d" * 1001), "dek", "too long"),
        (EntryText("t", body="b" * (MAX_BODY_CHARS + 1)), "body", "too long"),
        (EntryText("t", body="b\x1b[31m"), "body", "U+001B"),
        (EntryText("t", byline=("a" * 101,)), "byline", "too long"),
        (EntryText("t", byline=tuple(f"Name {n}" for n in range(21))), "byline", "at most 20"),
        (EntryText("t", tags=tuple(f"tag {n}" for n in range(21))), "tags", "at most 20"),
        (EntryText("t", link="javascript:alert(1)"), "link", "complete web address"),
        (
            EntryText("t", link="https://evil.example\\@good.example/"),
            "link",
            "complete web address",
        ),
        (
            EntryText("t", link="https://good.example/\u202egpj.exe"),
            "link",
            "U+202E at position 22",
        ),
        (EntryText("t", link="http://[::1"), "link", "complete web address"),
        (EntryText("t", link="https://a b/"), "link", "complete web address"),
        (EntryText("t", link="//example.org"), "link", "complete web address"),
        (EntryText("t", link="https://example.org:99999/"), "link", "complete web address"),
    ],
)
def test_a_text_is_taken_or_refused_with_what_to_do(
    text: EntryText, field: str | None, says: str | None
) -> None:
    if field is None:
        text.cleaned()
        return
    with pytest.raises(Invalid) as caught:
        text.cleaned()
    assert caught.value.field == field
    assert says in str(caught.value)


def test_white_space_becomes_single_spaces_and_line_ends_plain() -> None:
    text = EntryText(" River \r\n rising\t", body="one\r\n\r\ntwo\rthree  ").cleaned()
    assert text.title == "River rising"
    assert text.body == "one\n\ntwo\nthree"


SPACES = [
    "Crue\u00a0: 10\u202f000 évacués",
    "川上\u3000氾濫\u3000三人救助",
    "z.\u202fB. heute",
    "a\u2009b\u2003c\u1680d",
]


@pytest.mark.parametrize("title", SPACES)
def test_spaces_that_are_meant_stay_as_they_are(title: str) -> None:
    assert EntryText(title).cleaned().title == title
    assert one_line(title) == title


@pytest.mark.parametrize("end", ["\n", "\r\n", "\t", "  ", "\x85", "\u2028", "\u2029", " \n\t "])
def test_what_ends_a_line_is_a_space_in_one_line(end: str) -> None:
    assert EntryText(f"{end}River{end}rising{end}").cleaned().title == "River rising"
    assert one_line(f"{end}River{end}rising{end}") == "River rising"


# Default_Ignorable_Code_Point (DerivedCoreProperties.txt), spaces, marks without a letter, and the
# empty Braille cell.
BLANK = (
    "\u3164\u2800\u115f\u1160\uffa0\ufe0f\u034f\u0301\u00ad\u061c\u17b4\u180b\u180e\u200b\u200d\u2066\u2069\ufeff"
    "\u00a0\u3000\U000e0001\U000e0100"
)


@given(st.text(alphabet=BLANK, min_size=1, max_size=8))
def test_what_shows_nothing_is_no_text(value: str) -> None:
    for field in ("title", "alt"):
        with pytest.raises(Invalid, match=r"can’t be empty|add alt text"):
            EntryText(
                **(
                    {"title": value}
                    if field == "title"
                    else {"title": "t", "pictures": (PictureText("0" * 64, value),)}
                )
            ).cleaned()
    assert EntryText("t", dek=value).cleaned().dek == ""
    assert EntryText(f"{value}a").cleaned().title.strip("\u2069").endswith("a")


@pytest.mark.parametrize("override", ["\u202d", "\u202e"])
@pytest.mark.parametrize("field", ["title", "dek", "link"])
def test_what_would_mirror_the_text_behind_it_is_refused(field: str, override: str) -> None:
    with pytest.raises(Invalid) as caught:
        EntryText(**{"title": "t", field: f"Level {override}gnp.exe normal"}).cleaned()
    assert caught.value.field == field
    assert f"U+{ord(override):04X} at position 7" in caught.value.reason


@given(st.text(alphabet="ab \u202a\u202b\u202c\u2066\u2067\u2068\u2069", max_size=12))
def test_each_direction_that_is_begun_in_a_line_is_ended_in_it(value: str) -> None:
    """UAX #9: an isolate ends with PDI, an embedding with PDF or with the isolate around it."""
    opened: list[str] = []
    for char in EntryText("t", dek=value).cleaned().dek:
        if char in "\u202a\u202b\u2066\u2067\u2068":
            opened.append("\u202c" if char in "\u202a\u202b" else "\u2069")
        elif char == "\u202c" and opened and opened[-1] == char:
            opened.pop()
        elif char == "\u2069" and char in opened:
            while opened.pop() != char:
                pass
    assert not opened


@given(st.text(alphabet="e\u0301\u0323aqıİßﬁ가\u1100\u1161\u11a8क\u093c", max_size=20))
def test_texts_are_stored_in_one_normal_form(value: str) -> None:
    text = EntryText(f"t{value}", dek=value, body=value).cleaned()
    for kept in (text.title, text.dek, text.body):
        assert unicodedata.is_normalized("NFC", kept)
    assert (
        text
        == EntryText(
            f"t{unicodedata.normalize('NFD', value)}",
            dek=unicodedata.normalize("NFD", value),
            body=value,
        ).cleaned()
    )


def test_a_name_or_tag_given_twice_counts_once() -> None:
    text = EntryText(
        "t", byline=("Ann", "Ben", "Ann"), tags=("Flood", "flood", "Déjà vu", "  ")
    ).cleaned()
    assert text.byline == ("Ann", "Ben")
    assert text.tags == ("Flood", "Déjà vu")


@given(st.text(max_size=MAX_TITLE_CHARS))
def test_what_is_taken_can_be_carried_by_any_feed(value: str) -> None:
    try:
        title = EntryText(value).cleaned().title
    except Invalid:
        return
    title.encode()
    assert title == title.strip()
    assert not re.search("[\x00-\x1f\ufffe\uffff\ud800-\udfff]", title)


@given(st.text(max_size=500))
def test_no_markdown_makes_a_script_or_an_unsafe_link(value: str) -> None:
    html = (
        to_html(block("body", value, 500))
        if not re.search("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]", value)
        else ""
    )
    assert not re.search(
        r"<(?!/?(a|blockquote|br|code|del|em|h[3-6]|hr|li|ol|p|pre|s|strong|table|tbody|td|th|thead|tr|ul)\b)",
        html,
    )
    assert not re.search(r"""href="(?=[a-z+.-]*:)(?!https?:|mailto:|tel:|sms:|geo:|xmpp:)""", html)


def test_raw_html_is_shown_and_not_run() -> None:
    assert to_html("<script>alert(1)</script>") == "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>"
    assert "onerror" not in re.sub(r"&lt;.*?&gt;", "", to_html("<img src=x onerror=alert(1)>"))
    assert "href" not in to_html("[x](javascript:alert(1)) [y](data:text/html,x)")


def test_headings_of_a_text_are_below_the_page_titles() -> None:
    assert to_html("# One\n\n###### Six") == "<h4>One</h4>\n<h6>Six</h6>"


def test_plain_text_keeps_links_lists_and_paragraphs() -> None:
    text = "A **bold** [list](https://example.org/?a=1&b=2) of 1 < 2:\n\n- one\n- two\n\nEnd."
    assert (
        to_text(text, "https://news.example.org/")
        == "A bold list (https://example.org/?a=1&b=2) of 1 < 2:\n\n- one\n- two\n\nEnd."
    )


@pytest.mark.parametrize(
    ("label", "slug"),
    [
        ("River Level!", "river-level"),
        ("Straße", "strasse"),
        ("Потоп 2026", "потоп-2026"),
        ("!!!", ""),
        ("a_b--c", "a-b-c"),
    ],
)
def test_a_slug_keeps_letters_of_any_script(label: str, slug: str) -> None:
    assert slugify(label) == slug
