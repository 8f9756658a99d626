"""What the door accepts, what it refuses, and what it says then."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import Invalid
from models.markdown import to_html, to_text
from models.texts import BODY, TITLE, EntryText, block, slugify


@pytest.mark.parametrize(
    ("text", "field", "says"),
    [
        (EntryText(""), "title", "write something"),
        (EntryText(" \n\t "), "title", "write something"),
        (EntryText("\u200b\u2060"), "title", "write something"),
        (EntryText("x" * 1_000_000), "title", "shorten it to 300 characters; it has 1,000,000"),
        (EntryText("a\x00b"), "title", "U+0000 at position 2"),
        (EntryText("a\x85b"), None, None),
        (EntryText("bell \x07"), "title", "U+0007"),
        (EntryText("half \ud83d"), "title", "U+D83D"),
        (EntryText("not a character \ufffe"), "title", "U+FFFE"),
        (EntryText("t", dek="d" * 1001), "dek", "shorten"),
        (EntryText("t", body="b" * (BODY + 1)), "body", "shorten"),
        (EntryText("t", body="b\x1b[31m"), "body", "U+001B"),
        (EntryText("t", byline=("a" * 101,)), "byline", "shorten"),
        (EntryText("t", byline=tuple(f"Name {n}" for n in range(21))), "byline", "at most 20"),
        (EntryText("t", tags=tuple(f"tag {n}" for n in range(21))), "tags", "at most 20"),
        (EntryText("t", link="javascript:alert(1)"), "link", "whole web address"),
        (EntryText("t", link="https://evil.example\\@good.example/"), "link", "whole web address"),
        (EntryText("t", link="https://good.example/\u202egpj.exe"), "link", "whole web address"),
        (EntryText("t", link="http://[::1"), "link", "whole web address"),
        (EntryText("t", link="https://a b/"), "link", "whole web address"),
        (EntryText("t", link="//example.org"), "link", "whole web address"),
        (EntryText("t", link="https://example.org:99999/"), "link", "whole web address"),
    ],
)
def test_a_text_is_taken_or_refused_with_what_to_do(text: EntryText, field: str | None, says: str | None) -> None:
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


def test_a_name_or_tag_given_twice_counts_once() -> None:
    text = EntryText("t", byline=("Ann", "Ben", "Ann"), tags=("Flood", "flood", "Déjà vu", "  ")).cleaned()
    assert text.byline == ("Ann", "Ben")
    assert text.tags == ("Flood", "Déjà vu")


@given(st.text(max_size=TITLE))
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
    html = to_html(block("body", value, 500)) if not re.search("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]", value) else ""
    assert not re.search(r"<(?!/?(a|blockquote|br|code|del|em|h[3-6]|hr|li|ol|p|pre|s|strong|table|tbody|td|th|thead|tr|ul)\b)", html)
    assert not re.search(r"""href="(?=[a-z+.-]*:)(?!https?:|mailto:|tel:|sms:|geo:|xmpp:)""", html)


def test_raw_html_is_shown_and_not_run() -> None:
    assert to_html("<script>alert(1)</script>") == "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>"
    assert "onerror" not in re.sub(r"&lt;.*?&gt;", "", to_html("<img src=x onerror=alert(1)>"))
    assert "href" not in to_html("[x](javascript:alert(1)) [y](data:text/html,x)")


def test_headings_of_a_text_stand_below_the_titles_of_the_page() -> None:
    assert to_html("# One\n\n###### Six") == "<h4>One</h4>\n<h6>Six</h6>"


def test_plain_text_keeps_links_lists_and_paragraphs() -> None:
    text = "A **bold** [list](https://example.org/?a=1&b=2) of 1 < 2:\n\n- one\n- two\n\nEnd."
    assert to_text(text, "https://news.example.org/") == "A bold list (https://example.org/?a=1&b=2) of 1 < 2:\n\n- one\n- two\n\nEnd."


@pytest.mark.parametrize(
    ("label", "slug"),
    [("River Level!", "river-level"), ("Straße", "strasse"), ("Потоп 2026", "потоп-2026"), ("!!!", ""), ("a_b--c", "a-b-c")],
)
def test_a_slug_keeps_letters_of_any_script(label: str, slug: str) -> None:
    assert slugify(label) == slug
