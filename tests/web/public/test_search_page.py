"""The search by its pages."""

import lxml.html
import pytest
from sqlalchemy import event

from models import StreamState
from models.streams.search import RESULTS_PER_PAGE
from models.streams.streams import set_stream_state
from models.text.normalize import parse_query
from tests.support.newsroom import Newsroom
from tests.support.web_person import Person
from web.public.highlight import marked, snippet


def read(person: Person, query: dict[str, str]) -> lxml.html.HtmlElement:
    answer = person.get("/search", query_string=query)
    assert answer.status_code == 200
    return lxml.html.fromstring(answer.text)


def test_what_is_found_has_story_date_title_and_its_words_marked(
    newsroom: Newsroom, reader: Person
) -> None:
    newsroom.post(
        title="River rising",
        dek="The Größe of <it>",
        body="Water **stands** in Dyer Street.",
        byline=("Ann B",),
    )
    newsroom.post(title="Other")
    page = read(reader, {"q": "RIVER grosse stand"})
    [article] = page.cssselect("article")
    assert [mark.text for mark in article.cssselect("mark")] == ["River", "Größe", "stands"]
    assert "The Größe of <it> Water stands in Dyer Street." in article.text_content()
    assert (
        article.cssselect("time")
        and "The floods" in article.text_content()
        and "Ann B" in article.text_content()
    )
    assert page.cssselect("input[name=q]")[0].value == "RIVER grosse stand"


def test_a_page_of_the_search_is_for_no_robot_and_for_no_cache_to_keep(
    newsroom: Newsroom, reader: Person
) -> None:
    answer = reader.get("/search?q=river")
    assert (
        answer.headers["X-Robots-Tag"] == "noindex"
        and 'name="robots" content="noindex"' in answer.text
    )
    assert (
        answer.headers["Cache-Control"] == "public, max-age=30"
        and "Set-Cookie" not in answer.headers
    )
    assert "No results." in answer.text and "No results." not in reader.get("/search").text


@pytest.mark.parametrize(
    "typed",
    [
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "</mark>",
        "{{ 7*7 }}",
        "\x00",
        "'",
        "x" * 9999,
        "%",
    ],
)
def test_what_is_typed_is_shown_as_text(typed: str, newsroom: Newsroom, reader: Person) -> None:
    newsroom.post(
        title=f"About {typed[:100]}".replace("\x00", ""), body=typed[:100].replace("\x00", "")
    )
    page = read(reader, {"q": typed})
    assert (
        not page.cssselect("main script, main img")
        and len(page.cssselect("input[name=q]")[0].value) <= 200
    )
    assert all(set(mark.text) <= set(typed) for mark in page.cssselect("mark"))


def test_one_story_alone_is_searched_and_a_hidden_one_not_at_all(
    newsroom: Newsroom, reader: Person, editor: Person
) -> None:
    newsroom.stream("other", title="Der Deich", language="de")
    newsroom.post(title="River one")
    newsroom.post("other", title="River two")
    assert len(read(reader, {"q": "river"}).cssselect("article")) == 2
    assert 'href="/search?stream=other"' in reader.get("/streams/other").text, (
        "a story leads to the search within it"
    )
    page = read(reader, {"q": "river", "stream": "other"})
    assert [title.text_content() for title in page.cssselect("article h3")] == ["River two"]
    assert page.get("lang") == "de" and "Treffer" in page.text_content()
    set_stream_state(newsroom.db, newsroom.actor, "other", StreamState.HIDDEN)
    assert len(read(reader, {"q": "river"}).cssselect("article")) == 1
    assert (
        reader.get("/search?q=river&stream=other").status_code
        == reader.get("/search?q=river&stream=none").status_code
        == 404
    )
    assert (
        len(lxml.html.fromstring(editor.get("/desk/entries?q=river").text).cssselect("tbody tr"))
        == 2
    )


def test_older_ones_come_on_the_next_page(
    newsroom: Newsroom, reader: Person, author: Person
) -> None:
    for number in range(RESULTS_PER_PAGE + 1):
        newsroom.post(title=f"River {number}")
    newsroom.post(title="River draft", release=None)
    page = read(reader, {"q": "river"})
    assert len(page.cssselect("article")) == RESULTS_PER_PAGE
    [link] = page.cssselect("a[rel=next]")
    assert [
        title.text_content()
        for title in lxml.html.fromstring(reader.get(link.get("href")).text).cssselect("h3")
    ] == ["River 0"]
    desk = lxml.html.fromstring(author.get("/desk/entries?q=river").text)
    assert "River draft" in desk.cssselect("tbody")[0].text_content()
    [link] = desk.cssselect("a[rel=next]")
    assert "River 1" in author.get(link.get("href")).text
    assert "No entries found" in author.get("/desk/entries?q=nowhere").text


def test_the_number_of_queries_does_not_grow_with_what_is_found(
    newsroom: Newsroom, reader: Person
) -> None:
    statements: list[str] = []
    for number in range(RESULTS_PER_PAGE):
        newsroom.post(title=f"River {number}", byline=("Ann B",), tags=("Water",))

    def note(*of: object) -> None:
        statements.append(str(of[2]))

    event.listen(newsroom.db.engine, "before_cursor_execute", note)
    assert len(read(reader, {"q": "river"}).cssselect("article")) == RESULTS_PER_PAGE
    event.remove(newsroom.db.engine, "before_cursor_execute", note)
    assert len(statements) <= 8, statements


def test_a_snippet_is_cut_around_the_first_word_and_marks_only_words(newsroom: Newsroom) -> None:
    entry = newsroom.post(
        title="T", body="word " * 200 + "Needle and <b>thread</b> " + "word " * 200
    )
    pieces = snippet(entry, parse_query("needle"))
    text = "".join(piece for piece, _ in pieces)
    assert (
        text.startswith("… ") and text.endswith(" …") and "Needle and" in text and len(text) < 260
    )
    assert [piece for piece, hit in pieces if hit] == ["Needle"]
    assert marked("Café, cafés and decaf", parse_query("cafe")) == [
        ("Café", True),
        (", ", False),
        ("cafés", True),
        (" and decaf", False),
    ]
    assert "".join(piece for piece, _ in snippet(entry, parse_query("elsewhere"))).startswith(
        "word word"
    )
