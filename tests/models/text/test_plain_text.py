"""Plain text of Markdown says what the page says; links lead to the same place wherever they are
read.
"""

import re
from html import unescape
from urllib.parse import urljoin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.text.bare_addresses import addresses_in
from models.text.errors import Invalid
from models.text.markdown import to_html, to_text, with_absolute_links
from models.text.texts import EntryText

PAGE = "https://news.example.org/streams/x/entries/abc"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        # The marker of an item of an ordered list is its number (HTML section 4.4.5).
        ("12. April: Der Deich bricht.", "12. April: Der Deich bricht."),
        ("3. April", "3. April"),
        ("3. Gas\n4. Papers\n5. School", "3. Gas\n4. Papers\n5. School"),
        ("12. April: a\n\n14. April: b\n\n2026. Good.",
         "12. April: a\n\n14. April: b\n\n2026. Good."),
        ("3. c\n2. b\n1. a", "3. c\n2. b\n1. a"),
        ("1. a\n1. b\n1. c", "1. a\n2. b\n3. c"),  # counting on is meant
        ("1. a\n2. b\n2. c\n3. d", "1. a\n2. b\n3. c\n4. d"),
        ("0. a\n1. b", "0. a\n1. b"),
        ("- a\n  - a1\n  - a2\n- b", "- a\n  - a1\n  - a2\n- b"),
        ("1. a\n   - b\n\n     c", "1. a\n   - b\n\n     c"),
        ("- a\n\n- b", "- a\n\n- b"),
        ("|P|L|\n|-|-:|\n|North|4.2 m|\n|South||", "P | L\nNorth | 4.2 m\nSouth | "),
        ("It was ~~4.2~~ **5.1** *m*.", "It was ~~4.2~~ 5.1 m."),
        ("> He said:\n>\n> - no\n\nEnd", "> He said:\n>\n> - no\n\nEnd"),
        ("# One\n\nTwo\n---\n\n***", "One\n\nTwo\n\n---"),
        ("```\na\n\n  b\n```", "a\n\n  b"),
        ("one\ntwo\\\nthree", "one two\nthree"),
        ("&lt;b&gt; \\*no\\* `a*b` <i>", "<b> *no* a*b <i>"),
        ("[map](/maps/1) [up](../entries/d) [here](#l) [cdn](//c.example/a) [q](?a)", (
            "map (https://news.example.org/maps/1) "
            "up (https://news.example.org/streams/x/entries/d) "
            f"here ({PAGE}#l) cdn (https://c.example/a) q ({PAGE}?a)"
        )),
        ("[Call](tel:+49800123456) [+4930](tel:+4930) [text](sms:+49800)",
         "Call (+49800123456) +4930 text (+49800)"),
        (
            "[at](geo:52.5,13.4) [chat](xmpp:a@example.org) [mail](mailto:a@b.org)",
            "at (geo:52.5,13.4) chat (xmpp:a@example.org) mail (a@b.org)",
        ),
        ("<a@b.org> <https://a.example/b> https://a.example/c",
         "a@b.org https://a.example/b https://a.example/c"),
        ("[*It* rose](https://a.example)", "It rose (https://a.example)"),
        ("[x](javascript:alert(1)) [y](data:text/html,a)",
         "[x](javascript:alert(1)) [y](data:text/html,a)"),
    ],
)  # fmt: skip
def test_plain_text_matches_the_page(body: str, text: str) -> None:
    assert to_text(body, PAGE) == text


def test_without_a_page_no_address_is_named() -> None:
    assert to_text("[map](/maps/1) of [a](https://a.example/secret), 3 m") == "map of a, 3 m"


@given(st.text(alphabet="ab1.)-*_~`[]()<>|:#&\\\n >+=/!", max_size=80))
def test_plain_text_holds_the_words_of_the_page_in_their_order(body: str) -> None:
    """What is said beside them are numbers of lists, marks of structure and addresses."""
    try:
        html = to_html(body)
    except Invalid:
        return
    shown = re.findall(r"[ab]", unescape(re.sub(r"<[^>]*>", " ", html)))
    assert re.findall(r"[ab]", to_text(body)) == shown


def test_a_text_from_before_there_were_bounds_is_given_as_it_was_typed() -> None:
    assert to_text("[" * 60_000, PAGE) == "[" * 60_000


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        # GFM, extended autolinks
        (
            "See https://example.org/a_b/*c*/~d?x=1&y=2#z.",
            ["https://example.org/a_b/*c*/~d?x=1&y=2#z"],
        ),
        ("(https://en.wikipedia.org/wiki/A_(B))", ["https://en.wikipedia.org/wiki/A_(B)"]),
        (
            "**https://example.org/a** and _https://example.org/b_!",
            ["https://example.org/a", "https://example.org/b"],
        ),
        (
            "“https://example.org/a”; [https://example.org/b]",
            ["https://example.org/a", "https://example.org/b"],
        ),
        (
            "https://example.org/a&lt; https://example.org/?a=1&copy=2",
            ["https://example.org/a", "https://example.org/?a=1&copy=2"],
        ),
        (
            "HTTPS://EXAMPLE.ORG/A http://192.0.2.1:8080/",
            ["HTTPS://EXAMPLE.ORG/A", "http://192.0.2.1:8080/"],
        ),
        ("詳細はhttps://example.jp/水。次", ["https://example.jp/水"]),
        (
            "https://mastodon.example/@anna/110 https://a.example/<b>",
            ["https://mastodon.example/@anna/110", "https://a.example/"],
        ),
        ("xhttps://a.example https:// http://localhost https://.a ftp://a.example", []),
    ],
)
def test_a_bare_address_ends_where_it_is_meant_to(text: str, addresses: list[str]) -> None:
    plain = re.sub(r"\*\*|_(?=https)|(?<=b)_", "", text)  # which holds no emphasis
    assert [address.replace("&amp;", "&") for _, address in addresses_in(plain)] == addresses
    assert all(plain.startswith(address, start) for start, address in addresses_in(plain))
    shown = re.findall(r'<a href="[^"]*" rel="noopener">([^<]*)</a>', to_html(text))
    assert [link.replace("&amp;", "&") for link in shown] == addresses


def test_a_link_is_not_linked_once_more_within() -> None:
    assert to_html("[https://a.example/b](https://c.example/d)").count("<a ") == 1
    assert "<a " not in to_html("`https://a.example/b`")


def test_links_start_at_the_page_of_their_entry_wherever_they_stand() -> None:
    """RFC 3986 section 5.1."""
    for address in (
        "/maps/1",
        "#levels",
        "../entries/abc",
        "?a=1&b=2",
        "//cdn.example.org/a",
        "x/y",
    ):
        html = with_absolute_links(to_html(f"[a]({address})"), PAGE)
        assert f'href="{urljoin(PAGE, address).replace("&", "&amp;")}"' in html
    for address in ("https://a.example/b", "tel:+49", "mailto:a@b.org"):
        assert f'href="{address}"' in with_absolute_links(to_html(f"[a]({address})"), PAGE)


def test_a_table_keeps_how_its_columns_are_aligned() -> None:
    html = to_html("|a|b|c|\n|:-|-:|:-:|\n|1|2|3|")
    assert re.findall(r'<td class="(\w+)">', html) == ["left", "right", "center"]
    assert "style" not in html


def test_numbers_of_a_list_are_those_that_were_typed() -> None:
    assert to_html("12. a\n14. b") == '<ol start="12">\n<li>a</li>\n<li value="14">b</li>\n</ol>'


def test_the_search_is_given_the_numbers_too() -> None:
    assert EntryText("t", body="12. April: *Deich*").cleaned().body_text == "12. April: Deich"
